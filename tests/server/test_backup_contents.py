"""What a backup holds, and how it comes back: all that an administrator has written, readable for nobody new."""

import shutil
import tarfile
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from backup_support import PYTHON, backup, put, rewritten
from conftest import ServerRoot
from hubctl import backup as backups
from hubctl import restore as restores
from hubctl.layout import Layout
from kill_support import killed

SHIPPED = Path(__file__).parents[2] / "config"


def test_half_written_record_of_a_killed_conda_is_named_and_keeps_nobody_from_a_backup(
    server_root: ServerRoot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    records = server_root.path / "environment/conda-meta"
    records.mkdir(parents=True)
    (records / "half-1-0.json").write_text('{"name": "ha')
    (records / "whole-1-0.json").write_text('{"url": "file:///c/noarch/whole-1-0.conda", "md5": "0123"}')
    monkeypatch.setattr("hubctl.layout.environment", lambda: records.parent)
    file = server_root.path / "hub.tar.gz"
    backups.write(file, Layout(server_root.path))
    assert f"{records}/half-1-0.json is half-written" in capsys.readouterr().err
    with tarfile.open(file) as archive:
        lock = archive.extractfile("locks/jupyterhubenv.explicit.txt")
        assert lock
        lines = lock.read().decode().splitlines()
    assert lines[2:] == ["# half-1-0, whose record is damaged", "file:///c/noarch/whole-1-0.conda#0123"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_restored_file_can_be_read_by_nobody_who_could_not_before(
    server_root: ServerRoot, bare: ServerRoot, mode: int
) -> None:
    """A Python file may hold a password."""
    put(server_root, PYTHON, "password = 1\n", mode)
    assert bare.hubctl("restore", str(backup(server_root))).returncode == 0
    assert (bare.path / PYTHON).stat().st_mode & 0o777 == mode


def test_file_of_a_closed_folder_is_closed_where_the_folder_is_not(server_root: ServerRoot, bare: ServerRoot) -> None:
    put(server_root, "etc/jupyterhub/jupyterhub_config.d/secrets/token", "x", 0o644)
    (server_root.path / "etc/jupyterhub/jupyterhub_config.d/secrets").chmod(0o750)
    assert bare.hubctl("restore", str(backup(server_root))).returncode == 0
    restored = bare.path / "etc/jupyterhub/jupyterhub_config.d/secrets/token"
    assert restored.stat().st_mode & 0o777 == 0o640


def test_file_that_everybody_may_write_to_is_not_restored_as_such(server_root: ServerRoot, bare: ServerRoot) -> None:
    put(server_root, PYTHON, "pass\n", 0o666)
    file = backup(server_root)

    def open_to_all(entry: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        entry.mode = 0o4777
        return entry, data

    rewritten(file, open_to_all)
    assert bare.hubctl("restore", str(file)).returncode == 0
    assert (bare.path / PYTHON).stat().st_mode & 0o7777 == 0o644
    assert bare.settings.stat().st_mode & 0o7777 == 0o640
    assert (bare.path / "etc/jupyterhub/ssl/hub.key").stat().st_mode & 0o7777 == 0o600


@pytest.mark.parametrize(
    "path",
    [
        "etc/jupyterhub/jupyterhub_config.d/10-site.py",
        "etc/jupyterhub/jupyterhub_config.d/site/module.py",
        "etc/jupyterhub/jupyterhub_config.d/site/templates/login.html",
        "etc/systemd/system/jupyterhub.service",
        "etc/systemd/system/jupyterhub-proxy.service",
        "etc/systemd/system/jupyterhub.slice",
        "etc/systemd/system/jupyterhub.service.d/override.conf",
        "etc/systemd/system/jupyterhub-proxy.service.d/override.conf",
        "etc/systemd/system/jupyterhub.slice.d/50-memory.conf",
        "etc/logrotate.d/jupyterhub",
        "etc/tmpfiles.d/jupyterhub.conf",
        "etc/pam.d/jupyterhub",
    ],
)
def test_whatever_an_administrator_has_written_comes_back(server_root: ServerRoot, bare: ServerRoot, path: str) -> None:
    put(server_root, path, "# ours\n")
    assert bare.hubctl("restore", str(backup(server_root))).returncode == 0
    assert (bare.path / path).read_text() == "# ours\n"


PICTURE = """docker:
  images:
    - name: Analysis
      image: hubforge/notebook
      picture: {}
"""


@pytest.mark.parametrize("path", ["etc/jupyterhub/analysis.png", "etc/jupyterhub/pictures/analysis.png"])
def test_picture_of_the_spawn_page_comes_back(server_root: ServerRoot, bare: ServerRoot, path: str) -> None:
    put(server_root, path, "a picture")
    with server_root.settings.open("a") as settings:
        settings.write(PICTURE.format(f"/{path}"))
    done = bare.hubctl("restore", str(backup(server_root)))
    assert done.returncode == 0, done.stderr
    assert (bare.path / path).read_text() == "a picture"
    assert (bare.path / path).stat().st_mode & 0o777 == 0o644


def test_picture_that_is_no_file_of_the_hub_is_no_part_of_its_backup(server_root: ServerRoot, bare: ServerRoot) -> None:
    put(server_root, "usr/share/pixmaps/site.png", "a picture")
    with server_root.settings.open("a") as settings:
        settings.write(PICTURE.format("/usr/share/pixmaps/site.png"))
    done = bare.hubctl("restore", str(backup(server_root)))
    assert done.returncode == 0, done.stderr
    assert not (bare.path / "usr/share/pixmaps").exists()


def test_edited_configuration_file_of_the_environment_comes_back(
    server_root: ServerRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubctl.layout.environment", lambda: tmp_path)
    config = tmp_path / "jupyterhub_config.py"
    config.write_text("c.JupyterHub.logo_file = ''\n")
    layout = Layout(server_root.path)
    backups.write(server_root.path / "hub.tar.gz", layout)
    config.write_text("# another\n")
    restores.restore(server_root.path / "hub.tar.gz", layout)
    assert config.read_text() == "c.JupyterHub.logo_file = ''\n"


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("jupyterhub_config.py", "settings/jupyterhub_config.py"),
        ("logrotate-jupyterhub", "settings/logrotate"),
        ("tmpfiles-jupyterhub.conf", "settings/tmpfiles.conf"),
        ("jupyterhub.service", "settings/jupyterhub.service"),
        ("jupyterhub-proxy.service", "settings/jupyterhub-proxy.service"),
        ("jupyterhub.slice", "settings/jupyterhub.slice"),
    ],
)
def test_file_that_nobody_has_edited_stays_the_releases(
    server_root: ServerRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, member: str
) -> None:
    """Units as `hubctl setup` has written them, with the environment in place of a word."""
    environment = tmp_path / "100%"
    shutil.copytree(SHIPPED, environment / "share/hubforge/config")
    monkeypatch.setattr("hubctl.layout.environment", lambda: environment)
    layout = Layout(server_root.path)
    file = environment / name
    if member == "settings/logrotate":
        file = layout.logrotate
    elif member == "settings/tmpfiles.conf":
        file = layout.tmpfiles
    elif not name.endswith(".py"):
        file = layout.unit.with_name(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text((SHIPPED / name).read_text().replace("@ENV@", f"{tmp_path}/100%%"))
    assert member not in backups.write(server_root.path / "1.tar.gz", layout).sums
    file.write_text(file.read_text() + "# ours\n")
    assert member in backups.write(server_root.path / "2.tar.gz", layout).sums


def test_byte_code_is_not_backed_up(server_root: ServerRoot) -> None:
    put(server_root, "etc/jupyterhub/jupyterhub_config.d/site/__pycache__/module.cpython-313.pyc", "x")
    manifest = backups.write(server_root.path / "hub.tar.gz", Layout(server_root.path))
    assert not any("pycache" in name for name in manifest.sums)


def test_secrets_that_a_killed_backup_has_left_are_removed_by_the_next_one_wherever_it_writes(
    server_root: ServerRoot,
) -> None:
    layout, left = Layout(server_root.path), 0
    for number in count(1):
        first, second = server_root.path / f"first-{number}", server_root.path / f"second-{number}"
        first.mkdir()
        second.mkdir()
        if not killed(partial(backups.write, first / "hub.tar.gz", layout), number, server_root.path):
            break
        left += len(list(first.glob(".*")))
        backups.write(second / "hub.tar.gz", layout)
        assert list(first.glob(".*")) == []
        assert [path.name for path in second.iterdir()] == ["hub.tar.gz"]
        assert not layout.backup_note.exists()
    assert left > 0, "a kill leaves something"
