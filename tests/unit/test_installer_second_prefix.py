"""A prefix beside that of the hub which the host is set up for."""

from pathlib import Path

import pytest

from forge.paths import ROOT
from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, mounted


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


def names_hub_in(first: Path, host: Path, by_its_unit: bool) -> None:
    """Sets ``host``, with /var/lib and /etc in it, up for the hub in ``first``: as this release does, or one before."""
    for folder in (host / "etc/systemd/system", host / "lib/jupyterhub", first / "envs/jupyterhubenv/bin"):
        folder.mkdir(parents=True)
    (first / "envs/jupyterhubenv/bin/hubctl").touch()
    if by_its_unit:
        unit = (ROOT / "config/jupyterhub.service").read_text().replace("@ENV@", f"{first}/envs/jupyterhubenv")
        (host / "etc/systemd/system/jupyterhub.service").write_text(unit)
    else:
        (host / "lib/jupyterhub/prefix").write_text(f"{first}\n")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("by_its_unit", [False, True])
@pytest.mark.parametrize("flags", ["-bf", "-bfs"])
def test_a_host_with_the_hub_of_another_prefix_is_left_alone_and_both_summary_and_advice_say_so(
    installer: Path, tmp_path: Path, by_its_unit: bool, flags: str, shell: str
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    names_hub_in(first, tmp_path, by_its_unit)
    done = mounted(
        f"cp -a /etc/ssl {tmp_path}/etc  # py-rattler does not start without certificates\n"
        f"mount --bind {tmp_path}/lib /var/lib; mount --bind {tmp_path}/etc /etc\n"
        f"for prefix in {first} {second}; do {shell} {installer} {flags} -p $prefix --log /dev/null; echo END; done\n"
    )
    assert done.returncode == 0, done.stderr
    of_first, of_second, _ = done.stdout.split("END\n")
    if flags == "-bf":
        assert "prepared: group" in of_first
        assert "left alone (it is set up for the hub in another prefix)" in of_second
    assert f"This host is set up for the hub in {first}, and stays so." in of_second
    assert f"sh '{installer}' --uninstall -p {first}\n" in of_second
    assert "This host is set up" not in of_first
