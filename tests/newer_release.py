"""Releases after the one that is built: a few packages of another version, and another schema of the hub's database."""

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import rattler

from forge import channel, condapkg, construct, environments, release
from forge.condapkg import Index, Member
from forge.paths import CHANNEL, CONSTRUCT
from tests.killing import HELD, HOLD

VERSION = "2099.01"
TABLE = "of_the_newer_release"
"""What its schema of the database has more."""

BROKEN = "2099.02"
"""A release after that, whose change of the schema ends in the middle."""

IDNA = "3.99"
"""In both of them, and in both environments."""

SITE = "site-tool"
"""A package of the site's own in the same channel, which depends on ``idna``."""

CHANGES = {
    VERSION: f'op.create_table("{TABLE}", sa.Column("id", sa.Integer, primary_key=True))',
    BROKEN: 'op.create_table("half", sa.Column("id", sa.Integer)); raise RuntimeError("this release is broken")',
}

MIGRATION = """\
import os, time
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "{version}", "{head}", None, None


def upgrade():
    {change}
    if os.path.exists("{hold}"):
        os.rename("{hold}", "{held}")
        time.sleep(3600)
"""
"""Where a test wants to kill it half-way, it waits for that."""


def base_records(folder: Path) -> list[rattler.RepoDataRecord]:
    """What a release of this channel pins of base."""
    specs = construct.read(CONSTRUCT).environments[0].specs
    return environments.solve([spec for spec in specs if spec.split()[0] != release.BASE], [folder])


def publish(folder: Path, before: Path) -> Path:
    """Makes a channel of the release that is built, those after it, and the one whose installer is ``before``."""
    subprocess.run(["bash", str(before), "--extract-channel", str(folder / "before")], check=True)
    tool = Index(SITE, "1.0", "0", noarch="generic", depends=("idna",))
    made = [condapkg.write(folder, tool, [Member("share/site-tool", b"1\n")], epoch=0)]
    hub = environments.solve(release.requirements(), [CHANNEL])
    base = base_records(CHANNEL)
    files = {record.name.normalized: environments.package_file(record) for record in hub}
    idna = _changed(folder, files["idna"], IDNA)
    for version in CHANGES:
        jupyterhub = _changed(folder, files["jupyterhub"], version)
        made += [jupyterhub, release.metapackage(version, _with(hub, [idna, jupyterhub]))]
        made.append(release.base_metapackage(version, _with(base, [idna])))
    published = [*(folder / "before").glob("*/*.conda"), *CHANNEL.glob("*/*.conda")]
    channel.add([*published, idna, *made], folder / "hubforge", {})
    return folder / "hubforge"


def _changed(folder: Path, newest: Path, version: str) -> Path:
    """A package as it might become: another version, one file more, in JupyterHub's a change of the schema."""
    package = condapkg.read(newest)
    members = [*package.members()]
    if version in CHANGES:
        members.append(_migration(members, version))
    noarch = json.loads(package.info.get("link.json", b"{}")).get("noarch", {})
    return condapkg.write(
        folder / package.index.subdir,
        replace(package.index, version=version),
        [*members, Member(f"share/newer/{package.index.name}", b"newer\n")],
        epoch=0,
        entry_points=noarch.get("entry_points", ()),
    )


def _migration(members: Sequence[Member], version: str) -> Member:
    """What follows on the last of JupyterHub's own changes (alembic.sqlalchemy.org, working with branches)."""
    scripts = [member for member in members if re.search(r"/alembic/versions/\w+\.py$", member.path)]
    lines = [re.findall(rb"""^(down_)?revision = ['\"](\w+)""", script.data, re.MULTILINE) for script in scripts]
    known = [(bool(down), number.decode()) for found in lines for down, number in found]
    [head] = {number for down, number in known if not down} - {number for down, number in known if down}
    text = MIGRATION.format(version=version, head=head, change=CHANGES[version], hold=HOLD, held=HELD)
    return Member(f"{Path(scripts[0].path).parent}/{version.replace('.', '_')}.py", text.encode())


def _with(records: Sequence[rattler.RepoDataRecord], files: Sequence[Path]) -> list[rattler.RepoDataRecord]:
    """The records, with those of ``files`` in the place of the packages of their names."""
    new = {}
    for file in files:
        description = file.with_suffix(".json")
        description.write_bytes(condapkg.read(file).info["index.json"])
        record = rattler.PackageRecord.from_index_json(description)
        new[record.name.normalized] = rattler.RepoDataRecord(record, file.name, file.as_uri(), file.parent.as_uri())
    return [new.get(record.name.normalized, record) for record in records]
