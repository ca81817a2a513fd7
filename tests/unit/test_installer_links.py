"""Links in the place of a folder: which of them the installer follows, and which it refuses."""

from pathlib import Path

import pytest

from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


def test_an_installation_through_a_link_in_the_path(installer: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "opt").symlink_to("real")
    assert run(installer, "-bs", "-p", tmp_path / "opt/prefix").returncode == 0
    assert (tmp_path / "real/prefix/.hubforge/installed.json").exists()


@pytest.fixture
def link(tmp_path: Path) -> Path:
    """An administrator's link to an empty folder on another disk."""
    (tmp_path / "disk/conda").mkdir(parents=True)
    (tmp_path / "link").symlink_to("disk/conda")
    return tmp_path / "link"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_prefix_that_is_a_link_to_a_folder_is_that_folder(installer: Path, link: Path, shell: str) -> None:
    assert run(installer, "--check", "-p", link, shell=shell).returncode == 0
    for flags in ("-bs", "-bsu", "-bsf"):
        done = run(installer, flags, "-p", link, shell=shell)
        assert (done.returncode, done.stderr) == (0, "")
    assert f"#!{link.resolve()}/" in (link / "envs/jupyterhubenv/bin/demo").read_text()
    done = run(installer, "--uninstall", "-b", "-p", link, shell=shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"The folder {link.resolve()} stays, and is empty.\n" in done.stdout
    assert link.is_symlink()
    assert list(link.iterdir()) == [], "the link and its folder are the administrator's"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_channel_goes_to_the_folder_that_a_link_leads_to(installer: Path, link: Path, shell: str) -> None:
    for _ in range(2):
        done = run(installer, "--extract-channel", link, shell=shell)
        assert (done.returncode, done.stderr) == (0, "")
    assert (link / "linux-64/repodata.json").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_link_that_leads_nowhere_is_refused_by_the_check_as_by_the_installation(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    for prefix in (tmp_path / "link", tmp_path / "link/prefix"):
        for task in (["--check"], ["-bs"]):
            done = run(installer, *task, "-p", prefix, shell=shell)
            assert done.returncode == 1
            assert done.stderr.splitlines()[0].startswith((f'"{prefix}" (or a part', "What stands in the way"))
    assert run(installer, "--extract-channel", tmp_path / "link", shell=shell).returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_package_cache_that_is_a_link_is_refused_since_hard_links_do_not_reach_through_it(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    for folder in ("disk", "prefix"):
        (tmp_path / folder).mkdir()
    (tmp_path / "prefix/pkgs").symlink_to("../disk")
    for task in (["--check", "-f"], ["-bsf"]):
        done = run(installer, *task, "-p", tmp_path / "prefix", shell=shell)
        assert done.returncode == 1
        assert f'"{tmp_path}/prefix/pkgs" is a symbolic link' in done.stdout + done.stderr
    assert list((tmp_path / "disk").iterdir()) == []
    assert [path.name for path in (tmp_path / "prefix").iterdir()] == ["pkgs"]
