"""``--extract-channel``: where a channel cannot be laid down, and what is left of one that failed."""

from pathlib import Path

import pytest

from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, mounted, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


@pytest.mark.parametrize("shell", SHELLS)
def test_a_channel_that_has_no_room_is_refused_before_anything_is_written(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    done = mounted(
        f"mkdir {tmp_path}/disk; mount -t tmpfs -o size=900k none {tmp_path}/disk\n"
        f"code=0; {shell} {installer} --extract-channel {tmp_path}/disk/channel || code=$?\n"
        f"echo code $code; ls -A {tmp_path}/disk\n"
    )
    assert done.stdout == "code 1\n"
    assert f'"{tmp_path}/disk" has 0 MiB free; 2 MiB are needed' in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_a_channel_that_was_written_in_part_holds_nothing_of_the_installers(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    (tmp_path / "channel").mkdir()
    (tmp_path / "channel/linux-64").touch()  # where a folder belongs
    done = run(installer, "--extract-channel", tmp_path / "channel", shell=shell)
    assert done.returncode == 4
    assert [path.name for path in (tmp_path / "channel").glob(".*")] == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_channel_on_a_noexec_disk_is_refused_with_what_to_do(installer: Path, tmp_path: Path, shell: str) -> None:
    done = mounted(
        f"mkdir {tmp_path}/disk; mount -t tmpfs -o noexec none {tmp_path}/disk\n"
        f"code=0; {shell} {installer} --extract-channel {tmp_path}/disk/channel || code=$?\n"
        f"echo code $code; ls -A {tmp_path}/disk\n"
    )
    assert done.stdout == "code 1\n"
    assert f'Programs cannot be run from "{tmp_path}/disk/channel"' in done.stderr
    assert "Choose another folder" in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("subdir", ["linux-64", "noarch"])
def test_a_channel_whose_packages_would_go_through_a_link_is_refused_before_anything_is_written(
    installer: Path, tmp_path: Path, subdir: str, shell: str
) -> None:
    for folder in ("channel", "elsewhere"):
        (tmp_path / folder).mkdir()
    (tmp_path / "channel" / subdir).symlink_to("../elsewhere")
    done = run(installer, "--extract-channel", tmp_path / "channel", shell=shell)
    assert done.returncode == 1
    assert f'"{tmp_path}/channel/{subdir}" is a symbolic link, and no package is written through one' in done.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert [path.name for path in (tmp_path / "channel").iterdir()] == [subdir]
