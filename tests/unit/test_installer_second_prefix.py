"""A prefix beside that of the hub which the host is set up for."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from forge.paths import ROOT
from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, mounted


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


@contextmanager
def named(first: Path, host: Path, by: str) -> Iterator[None]:
    """``host``, with /var/lib, /etc and /run in it, is set up for the hub in ``first``: as this release does, or one
    before with systemd or without it, whose hub runs."""
    programs = first / "envs/jupyterhubenv/bin"
    for folder in (host / "etc/systemd/system", host / "lib/jupyterhub", host / "run/jupyterhub", programs):
        folder.mkdir(parents=True)
    (programs / "hubctl").touch()
    if by == "its process":
        shutil.copy("/bin/sleep", programs / "python3.13")
        with subprocess.Popen([programs / "python3.13", "600"]) as hub:
            (host / "run/jupyterhub/hub.pid").write_text(f"{hub.pid}\n1\nboot\n")
            try:
                yield
            finally:
                hub.kill()
        return
    if by == "its unit":
        unit = (ROOT / "config/jupyterhub.service").read_text().replace("@ENV@", f"{first}/envs/jupyterhubenv")
        (host / "etc/systemd/system/jupyterhub.service").write_text(unit)
    else:
        (host / "lib/jupyterhub/prefix").write_text(f"{first}\n")
    yield


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("by", ["a file", "its unit", "its process"])
@pytest.mark.parametrize("flags", ["-bf", "-bfs"])
def test_a_host_with_the_hub_of_another_prefix_is_left_alone_and_both_summary_and_advice_say_so(
    installer: Path, tmp_path: Path, by: str, flags: str, shell: str
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    script = (
        f"cp -a /etc/ssl {tmp_path}/etc  # py-rattler does not start without certificates\n"
        f"for pair in lib:/var/lib etc:/etc run:/run; do mount --bind {tmp_path}/${{pair%:*}} ${{pair#*:}}; done\n"
        f"for prefix in {first} {second}; do {shell} {installer} {flags} -p $prefix --log /dev/null; echo END; done\n"
    )
    with named(first, tmp_path, by):
        done = mounted(script)
    assert done.returncode == 0, done.stderr
    of_first, of_second, _ = done.stdout.split("END\n")
    if flags == "-bf":
        assert "prepared: group" in of_first
        assert "left alone (it is set up for the hub in another prefix)" in of_second
    assert f"This host is set up for the hub in {first}, and stays so." in of_second
    assert f"sh '{installer}' --uninstall -p {first}\n" in of_second
    assert "This host is set up" not in of_first
