"""The same environments of the same packages by our installer and by that of conda's `constructor`, in turn.

Of all that the installer carries; and of SMALL, once as our channel has the packages, with byte code, and once as the
public channels have such packages: pure Python ones (`noarch: python`) without. `constructor`'s then compiles these
while it installs; ours leaves that to Python, which compiles a module when it is first needed.
"""

import shutil
import statistics
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Figure, cost
from bench.scratch import ROUNDS, fresh_file_system, install, ratio
from forge import build, channel, condapkg, construct, environments
from forge.condapkg import container
from forge.paths import CHANNEL, ROOT
from forge.progress import say
from forge.release import epoch
from tests.product import constructed

SMALL = ROOT / "bench" / "small" / "construct.yaml"
"""A Miniconda's size and one small environment, on which constructor was measured first."""

PEER = "constructor's install, then sync, wall"
"""A figure that the picture shows, in seconds."""


@dataclass(frozen=True)
class Race:
    """How ours compares: wall time and size as ratios, and constructor's own wall time in seconds."""

    wall: float
    size: float
    peer: float


def race(installer: Path, folder: Path) -> list[Figure]:
    """The figures, where ``constructor`` is on PATH; else none."""
    if not shutil.which("constructor"):
        say("no constructor on PATH: the floor stands alone")
        return []
    say("against constructor's installer")
    whole = _race(installer, constructed(CHANNEL, folder / "whole"), folder)
    small = _race_small(CHANNEL, folder / "small")
    plain = _race_small(_without_byte_code(folder / "channel"), folder / "plain")
    return [
        Figure("install, wall, to constructor's", whole.wall, "ratio"),
        Figure(PEER, whole.peer, "s"),
        Figure("installer's size to constructor's", whole.size, "ratio"),
        Figure("two small environments, wall, to constructor's", small.wall, "ratio", 1 / 15),
        Figure("the same by constructor's, then sync, wall", small.peer, "s"),
        Figure("their installer's size to constructor's", small.size, "ratio", 0.8),
        Figure("two small environments without byte code, wall, to constructor's", plain.wall, "ratio", 1 / 15),
        Figure("the same without byte code by constructor's, then sync, wall", plain.peer, "s"),
        Figure("their installer's size without byte code to constructor's", plain.size, "ratio", 0.8),
    ]


def _race_small(packages: Path, folder: Path) -> Race:
    ours = folder / "ours"
    ours.mkdir(parents=True)
    mine = build.make_installer_of(SMALL, packages, ours)
    return _race(mine, constructed(packages, folder / "theirs", SMALL), folder)


def _race(ours: Path, theirs: Path, folder: Path) -> Race:
    """In turn, ROUNDS times."""
    pairs = []
    for _ in range(ROUNDS):
        with fresh_file_system(folder) as place:
            mine = cost(install(ours, place))
        with fresh_file_system(folder) as place:
            command = f"bash {theirs} -b -s -p {place}/prefix && sync -f {place}"
            pairs.append((mine, cost(["sh", "-c", command])))
    return Race(
        wall=ratio(pairs, lambda one: one.wall),
        size=ours.stat().st_size / theirs.stat().st_size,
        peer=statistics.median(peer.wall for _, peer in pairs),
    )


def _without_byte_code(folder: Path) -> Path:
    """A channel in ``folder`` with the packages that SMALL needs; those for every Python have no byte code."""
    plan = construct.read(SMALL)
    needed = [record for spec in plan.environments for record in environments.solve(spec.specs, [CHANNEL])]
    packages = []
    for path in sorted({environments.package_file(record) for record in needed}):
        package = condapkg.read(path)
        if package.index.noarch != "python":
            packages.append(path)
            continue
        sources = (member for member in package.members() if not member.path.endswith(".pyc"))
        target = folder / "made" / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        info = {name: text for name, text in package.info.items() if name != "paths.json"}
        packages.append(container.write_container(target, sources, info, epoch(plan.version)))
    channel.publish(packages, folder)
    return folder
