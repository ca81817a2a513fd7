"""The installer under a Russian locale, from ``--check`` to ``--uninstall``: no line of ours is English."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from forge.paths import ROOT
from tests.russian import RUSSIAN, english_lines
from tests.unit import installer_stub as stub
from tests.unit.installer_stub import run


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that stands for the host, with the real steps in it, which work on nothing else."""
    host = tmp_path_factory.mktemp("host")
    (host / "root/etc/pam.d").mkdir(parents=True)
    (host / "root/etc/group").write_text("root:x:0:\n")
    (host / "root/etc/pam.d/common-auth").touch()
    (host / "steps").mkdir()
    (host / "steps/__main__.py").write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nsys.argv += ['--root', {str(host / 'root')!r}]\n"
        "from post_install.cli import main\nsys.exit(main())\n"
    )
    return host


@pytest.fixture(scope="module")
def installer(host: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installer")
    steps = f'exec {sys.executable} -I -B {host}/steps --prefix "$PREFIX"\n'
    return stub.build(folder, replace(stub.plan(folder / "packages"), post_install=steps))


def test_a_word_of_an_english_message_is_noticed() -> None:
    line = "tls: changed: made a self-signed certificate for hub, localhost (730 days)"
    assert english_lines(f"Подготовка сервера\n{line}\n") == [line]


def test_no_line_is_english_from_the_check_to_the_removal(installer: Path, host: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "p"

    def said(*arguments: str, code: int = 0) -> str:
        done = run(installer, *arguments, "-p", prefix, HOME=str(tmp_path), **RUSSIAN)
        assert done.returncode == code, done.stderr
        assert english_lines(done.stdout + done.stderr) == []
        return done.stdout + done.stderr

    assert "часы: " in said("--check")
    assert "group: изменено: создана группа jupyterhub" in said("-b")
    (prefix / ".condarc").write_text("mine\n")
    (prefix / "bin/conda").unlink()
    (prefix / "bin/conda").write_text("mine\n")
    assert ".condarc изменён вручную и остаётся" in said("-buf")
    (host / "root/var/lib/jupyterhub/cookie_secret").write_text("x\n")
    assert "secrets: не удалось: в /var/lib/jupyterhub/cookie_secret" in said("-bu", code=5)
    tests = prefix / "pkgs/demo-1.0-h0_0/info/tests"
    tests.mkdir()
    (tests / "tests.yaml").write_text("- script: [exit 3]\n")
    assert "demo-1.0-h0_0: не прошёл, код завершения 3" in said("-bsut", code=5)

    environment = prefix / "envs/jupyterhubenv"
    (environment / "share/hubforge").mkdir(parents=True)
    shutil.copytree(host / "steps", environment / "share/hubforge/post_install")
    (environment / "bin/python").unlink()
    (environment / "bin/python").symlink_to(sys.executable)
    removed = said("--uninstall", "--purge", "-b")
    assert "  группа jupyterhub" in removed
    assert "  удалено: /var/lib/jupyterhub со всем содержимым" in removed  # noqa: RUF001
