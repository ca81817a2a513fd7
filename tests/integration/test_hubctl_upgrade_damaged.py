"""``hubctl upgrade`` over what a power cut, or a killed conda, has left half-written."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import newer_release
from tests.containers import Container, base_image, running
from tests.integration.upgrade_support import BUILT, CONDA, FINISH, HUBCTL, NEWER, kill_at, releases
from tests.product import ENVIRONMENT, PREFIX

EMPTIED = "for file in {0}; do : >$file; echo $file; done"
"""A power cut keeps the names of files, and not always what they hold."""


@pytest.fixture(scope="module")
def server(older: Path, published: Path) -> Iterator[Container]:
    """A server without network that has the older release, and no hub that runs."""
    mounts = {older.parent: "/older", published: "/channel", Path(__file__).parents[1]: "/tests"}
    with running(base_image("bookworm"), mounts=mounts) as container:
        container.run("bash", f"/older/{older.name}", "-b")
        container.shell(f"{HUBCTL} channel set file:///channel")
        yield container


# The second test goes on where the first one ended.


def test_what_a_power_cut_amid_an_upgrade_has_taken_out_of_packages_is_there_when_it_has_gone_on(
    server: Container,
) -> None:
    kill_at(server, "base has begun", f"exec {HUBCTL} upgrade --yes --to {BUILT}")
    emptied = server.shell(
        EMPTIED.format(f"{PREFIX}/pkgs/hubctl-{BUILT}-*/lib/python3.*/site-packages/hubctl/tables.py")
    )
    package = Path(emptied.strip()).parents[4]
    linked = f"{ENVIRONMENT}/{Path(emptied.strip()).relative_to(package)}"
    assert server.shell(f"wc --bytes <{linked}") == "0\n"
    said = server.shell(f"{HUBCTL} upgrade --yes || exec {FINISH}")
    assert f"{package} is not whole, as after a power cut: it is unpacked anew\n" in said
    assert releases(server) == (BUILT, BUILT)


def test_an_upgrade_goes_its_way_beside_half_a_record_and_half_a_package(server: Container) -> None:
    server.shell(f"{CONDA} install --yes --quiet --download-only -n jupyterhubenv hubforge={NEWER}")
    package = f"{PREFIX}/pkgs/idna-{newer_release.IDNA}-*"
    emptied = server.shell(EMPTIED.format(f"{package}/site-packages/idna/core.py")).strip()
    record = server.shell(f"ls {PREFIX}/conda-meta/zstandard-*.json").strip()
    server.shell(f"head --bytes=100 {record} >/tmp/half; cat /tmp/half >{record}")
    done = server.run(HUBCTL, "upgrade", "--yes", "--to", NEWER)
    assert f"{record} is half-written, as conda leaves it when it is killed" in done.stderr
    assert f"{Path(emptied).parents[2]} is not whole" in done.stdout
    assert releases(server) == (NEWER, NEWER)
