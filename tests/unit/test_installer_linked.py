"""The environments that the installer lays down are those that rattler would link."""

from dataclasses import replace
from pathlib import Path

import pytest

from forge import condapkg
from forge.condapkg import PLACEHOLDER, Index, Member
from forge.errors import ForgeError
from tests.rattlers_links import differences_between, laid_down, linked_by_rattler
from tests.unit import installer_stub as stub

SHORT, LONG = "prefix", "p" * 120
"""A name with which a script's first line is too long for Linux, and one with which it isn't."""


def tool(folder: Path) -> Path:
    """A package for every Python: a module, a script, entry points."""
    members = [
        Member("site-packages/tool/__init__.py", b"def main(): pass\n"),
        Member("python-scripts/old-tool", b"#!" + PLACEHOLDER.encode() + b"/bin/python -E\n", True, file_mode="text"),
    ]
    index = Index("tool", "1.0", "py_0", noarch="python", license="MIT", constrains=("other >1",))
    points = ("tool = tool:main", "tool-class=tool.deep:Main.run")
    return condapkg.write(folder / "noarch", index, members, epoch=stub.EPOCH, entry_points=points)


def scripts(folder: Path) -> Path:
    """A package with scripts for several interpreters of the prefix."""
    lines = (b"/bin/perl -w\n", b"/bin/python3.13 -Es\n", b"/bin/python", b"/bin/pythonx a b\n", b"/bin/node\n")
    start = b"#!" + PLACEHOLDER.encode()
    members = [Member(f"bin/{n}", start + line, True, file_mode="text") for n, line in enumerate(lines)]
    return stub.package(folder, Index("scripts", "1.0", "0", subdir="linux-64"), members)


def copied(folder: Path) -> Path:
    """A package with a file that must not be a hard link, and an empty one."""
    members = [Member("share/state", b"0", no_link=True), Member("share/empty", b"")]
    return stub.package(folder, Index("copied", "1.0", "0", subdir="linux-64"), members)


@pytest.mark.parametrize("name", [SHORT, LONG], ids=["short prefix", "long prefix"])
def test_every_file_and_record_is_as_rattler_makes_it(tmp_path: Path, name: str) -> None:
    packages = tmp_path / "packages"
    plan = stub.plan(packages)
    base, hub = plan.environments
    more = (*hub.packages, tool(packages), scripts(packages), copied(packages))
    hub = replace(hub, specs=("demo", "tool >=1.0,<2"), packages=more)
    installer = stub.build(tmp_path, replace(plan, environments=(base, hub)))
    prefix = tmp_path / name
    assert stub.run(installer, "-bs", "-p", prefix).returncode == 0
    ours = laid_down(prefix)
    assert differences_between(ours, linked_by_rattler(installer, prefix)) == {}


def test_two_packages_with_one_file_are_refused_when_the_installer_is_made(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    plan = stub.plan(packages)
    base, hub = plan.environments
    twin = stub.package(packages, Index("twin", "1.0", "0"), [Member("bin/demo", b"")])
    both = replace(hub, packages=(*hub.packages, twin))
    with pytest.raises(ForgeError, match=r"both install bin/demo in jupyterhubenv"):
        stub.build(tmp_path, replace(plan, environments=(base, both)))
