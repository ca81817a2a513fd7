"""What an uninstallation takes off the host, and what it leaves."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from post_install import cli, removal
from post_install.host import UNIT_PATH, Host
from post_install.steps import STEPS
from tests.unit.post_install_scratch import listing, make_host
from tests.waiting import wait_for

BLOCK = """
# >>> conda initialize >>>
# !! Contents within this block are managed by 'conda init' !!
__conda_setup="$('{prefix}/bin/conda' 'shell.bash' 'hook' 2> /dev/null)"
# <<< conda initialize <<<
"""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host on which every step has run."""
    made = make_host(tmp_path)
    (tmp_path / "root/run/systemd/system").mkdir(parents=True)
    (tmp_path / "root/home").mkdir()
    for step in STEPS:
        if not step.unless(made):
            step.ensure(made)
    (made.at("/shared/jupyterhub") / "notebook.ipynb").write_text("{}")
    return made


def take(host: Host, home: Path | None = None, purge: bool = False) -> list[str]:
    """Removes it all; what was removed."""
    found = removal.items(host, home, purge)
    for item in found:
        item.remove()
    return [item.what for item in found]


def test_the_service_goes_and_what_users_and_administrators_made_stays(host: Host) -> None:
    take(host)
    for path in ("etc/systemd/system", "etc/tmpfiles.d", "etc/pam.d", "etc/logrotate.d"):
        assert list(host.at(path).rglob("*jupyterhub*")) == []
    for path in ("/etc/jupyterhub/hub.yaml", "/etc/jupyterhub/ssl/hub.key", "/var/lib/jupyterhub/cookie_secret"):
        assert host.at(path).exists()
    assert host.at("/shared/jupyterhub/notebook.ipynb").exists()
    assert "jupyterhub" in host.at("/etc/group").read_text()


def test_the_service_is_stopped_before_its_file_goes(host: Host) -> None:
    assert "jupyterhub.service" in take(host)[0]
    assert host.run.seen[-1][0] == "systemctl"  # type: ignore[attr-defined]


def test_an_edited_pam_file_is_a_setting_and_stays(host: Host) -> None:
    host.at("/etc/pam.d/jupyterhub").write_text("# mine\n")
    take(host)
    assert host.at("/etc/pam.d/jupyterhub").exists()
    kept = removal.kept(host, purge=False)
    assert "/etc/pam.d/jupyterhub" in kept
    assert "the group jupyterhub" in kept


def test_purge_leaves_the_host_as_it_was(tmp_path: Path) -> None:
    host = make_host(tmp_path)
    for folder in ("run/systemd/system", "etc/systemd/system", "etc/tmpfiles.d", "var/lib", "var/log", "home"):
        (host.root / folder).mkdir(parents=True)
    before = {path: entry for path, entry in listing(host.root).items() if Path(path).is_file()}
    folders = {path for path in host.root.rglob("*") if path.is_dir()}
    for step in STEPS:
        if not step.unless(host):
            step.ensure(host)
    take(host, purge=True)
    after = {path: entry for path, entry in listing(host.root).items() if Path(path).is_file()}
    changed = {path for path in after if after[path][4] != before.get(path, (0,) * 5)[4]}
    # groupadd and groupdel keep a copy of what they changed.
    assert changed <= {str(host.at(name)) for name in ("/etc/group-", "/etc/gshadow", "/etc/gshadow-")}
    assert {path for path in host.root.rglob("*") if path.is_dir()} == folders


def test_a_second_removal_finds_nothing(host: Host) -> None:
    take(host, purge=True)
    assert take(host, purge=True) == []


@contextmanager
def mounted(folder: Path) -> Iterator[Path]:
    """A file system of its own there, with what is in the folder."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("path", ["/shared/jupyterhub", "/var/lib/jupyterhub", "/shared/jupyterhub/of teams"])
def test_a_mount_point_is_emptied_and_stays_and_that_is_said(
    host: Host, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    with mounted(host.at(path)) as point:
        (point / "folder").mkdir()
        (point / "folder/link").symlink_to(host.config)
        assert cli.remove(host, purge=True, only_list=True) == 0
        assert f"all that is in it (a mount point, which stays: {point})" in capsys.readouterr().out
        assert cli.remove(host, purge=True, only_list=False) == 0
        assert f"all that is in it (a mount point, which stays: {point})" in capsys.readouterr().out
        assert list(point.iterdir()) == []
    assert (host.config / "hub.yaml").exists()
    left = {host.at(folder) for folder in ("/shared", "/var/lib/jupyterhub") if host.at(folder).exists()}
    assert left == {host.at("/shared" if "shared" in path else path)}


def test_a_mount_point_above_the_shared_folder_stays(host: Host) -> None:
    with mounted(host.at("/shared")) as point:
        assert cli.remove(host, purge=True, only_list=False) == 0
        assert list(point.iterdir()) == []


def test_listing_changes_nothing(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    before = listing(host.root)
    assert cli.remove(host, purge=True, only_list=True) == 0
    shown = capsys.readouterr().out
    assert "/shared/jupyterhub and all that is in it" in shown
    assert listing(host.root) == before


@pytest.mark.parametrize("text", ["export A=1\n", "", "export A=1"])
def test_the_block_of_conda_init_goes_and_the_rest_stays(host: Host, tmp_path: Path, text: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".bashrc").write_text(text + BLOCK.format(prefix=host.prefix))
    take(host, home)
    left = (home / ".bashrc").read_text() if (home / ".bashrc").exists() else ""
    assert left == text


def test_the_block_of_another_conda_stays(host: Host, tmp_path: Path) -> None:
    text = "export A=1\n" + BLOCK.format(prefix="/opt/another")
    (tmp_path / ".bashrc").write_text(text)
    take(host, tmp_path)
    assert (tmp_path / ".bashrc").read_text() == text


def beside(host: Host, tmp_path: Path) -> Host:
    """The same machine, as the steps of a second prefix see it while the first one's hub is there."""
    (host.env / "bin").mkdir()
    (host.env / "bin/hubctl").touch()
    (tmp_path / "trial/envs/jupyterhubenv/bin").mkdir(parents=True)
    (tmp_path / "trial/envs/jupyterhubenv/bin/hubctl").touch()
    return replace(host, prefix=tmp_path / "trial")


@pytest.mark.parametrize("purge", [False, True])
@pytest.mark.parametrize("set_up_by", ["this release", "an earlier one"])
def test_what_is_set_up_for_the_hub_of_another_prefix_stays_and_that_is_said(
    host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str], set_up_by: str, purge: bool
) -> None:
    trial = beside(host, tmp_path)
    if set_up_by == "an earlier one":
        host.at("/var/lib/jupyterhub/prefix").unlink()
    host.at("/run/jupyterhub").mkdir(parents=True)
    host.at("/run/jupyterhub/hub.pid").write_text("1\n")
    before = listing(host.root)
    assert cli.remove(trial, purge, only_list=True) == 0
    assert capsys.readouterr().out == f"  (stays: what is set up on this host, for the hub in {host.prefix})\n"
    assert cli.remove(trial, purge, only_list=False) == 0
    assert listing(host.root) == before


@contextmanager
def hub_by_hand(host: Host) -> Iterator[None]:
    """The hub of an earlier release that was started by hand, where systemd does not run."""
    program = host.env / "bin/python3.13"
    shutil.copy("/bin/sleep", program)
    host.at("/var/lib/jupyterhub/prefix").unlink()
    host.at(UNIT_PATH).unlink()
    with subprocess.Popen([program, "600"]) as hub:
        host.at("/run/jupyterhub").mkdir(parents=True, exist_ok=True)
        host.at("/run/jupyterhub/hub.pid").write_text(f"{hub.pid}\n1\nboot\n")
        try:
            # the kernel lets the parent go on before it has the new program's arguments
            wait_for("the hub's command line", lambda: Path(f"/proc/{hub.pid}/cmdline").read_bytes() != b"")
            yield
        finally:
            hub.kill()


def test_a_hub_that_runs_by_hand_says_whose_the_host_is(
    host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = beside(host, tmp_path)
    link = tmp_path / "link"
    link.symlink_to(host.prefix)
    with hub_by_hand(replace(host, prefix=link)):
        before = listing(host.root)
        assert cli.remove(trial, purge=True, only_list=False) == 0
        assert listing(host.root) == before
        assert cli.remove(trial, purge=True, only_list=True) == 0
        assert f"for the hub in {host.prefix})" in capsys.readouterr().out
        assert "the running hub" in [item.what for item in removal.items(host, None, purge=False)], "its own prefix"


def test_a_second_prefix_leaves_the_host_to_the_hub_that_is_there(
    host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = beside(host, tmp_path)
    before = listing(host.root)
    assert cli.ensure(trial) == 0
    reason = f"this host is set up for the hub in {host.prefix}, which is to be uninstalled first"
    assert f"service: skipped: {reason}\n" in capsys.readouterr().out
    assert listing(host.root) == before
    assert (trial.env / "jupyterhub_config.py").exists()
    assert cli.check(trial) == 0


def test_a_prefix_that_is_gone_leaves_the_host_to_the_next_one(host: Host, tmp_path: Path) -> None:
    trial = beside(host, tmp_path)
    (host.env / "bin/hubctl").unlink()
    assert cli.check(trial) == 1
    assert cli.ensure(trial) == 0
    assert str(trial.env) in host.at("/etc/systemd/system/jupyterhub.service").read_text()
    take(trial)
    assert not host.at("/etc/systemd/system/jupyterhub.service").exists()


def test_where_nothing_says_whose_the_host_is_it_goes(host: Host, tmp_path: Path) -> None:
    trial = beside(host, tmp_path)
    for path in ("/var/lib/jupyterhub/prefix", "/etc/systemd/system/jupyterhub.service"):
        host.at(path).unlink()
    take(trial)
    assert not host.at("/etc/pam.d/jupyterhub").exists()


def test_a_failure_is_one_line_and_ends_in_5(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.run.failing = "systemctl"  # type: ignore[attr-defined]
    assert cli.remove(host, purge=False, only_list=False) == 5
    assert capsys.readouterr().err.startswith("could not remove the service")
    assert host.at("/etc/systemd/system/jupyterhub.service").exists()


def test_what_the_system_refuses_is_told_in_a_sentence(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def busy(folder: Path) -> None:
        raise OSError(16, "Device or resource busy", str(folder))

    monkeypatch.setattr("post_install.removal.shutil.rmtree", busy)
    assert cli.remove(host, purge=True, only_list=False) == 5
    shared = host.at("/shared/jupyterhub")
    assert capsys.readouterr().err == (
        f"could not remove /shared/jupyterhub and all that is in it: {shared}: Device or resource busy\n"
    )
