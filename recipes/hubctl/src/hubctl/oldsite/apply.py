"""A plan carried out: in one step, after a backup of what was there."""

import stat
from datetime import UTC, datetime
from pathlib import Path

from hubctl import backup, daemon, newpair, onestep, systemd
from hubctl import settings as hub_settings
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.oldsite import olddatabase
from hubctl.oldsite.plan import Plan
from hubctl.onestep import New
from hubctl.tlspair import Files
from hubctl.upgrading.database import journals


def refuse_running(plan: Plan, layout: Layout) -> None:
    """Nothing is carried over under a hub that runs: of either one, something would be lost.

    Raises:
        HubError: one of the two runs.
    """
    if plan.old.running:
        raise HubError(
            f"The old hub runs (process {plan.old.running.pid})", f"{plan.old.how_to_stop()}; then try again"
        )
    if daemon.running(layout) or (systemd.runs_the_hub(layout) and systemd.main_process()):
        raise HubError("The hub runs", "`hubctl stop` ends it; then try again")


def carry_out(plan: Plan, layout: Layout, work: Path) -> Path:
    """Puts all of it in place; gives the backup of what was there.

    Raises:
        HubError: the old database can't be upgraded; nothing was changed.
        OSError: something can't be written; nothing was changed, or the journal says what is still to be done.
    """
    before = layout.state / f"before-migrate-{datetime.now(UTC).strftime('%Y-%m-%dT%H%M%S.%fZ')}.tar.gz"
    try:
        new = _new_files(plan, layout, work)
        gone = journals(layout.database) if plan.database else []
        backup.write(before, layout)
        if plan.pair:
            tls = hub_settings.load(layout.settings).tls
            target = Files(layout.below(tls.key), layout.below(tls.cert))
            newpair.replace(plan.pair, target, layout, new, gone)
        else:
            onestep.change(layout, new, gone=gone)
    except OSError:
        if not layout.journal.exists():
            before.unlink(missing_ok=True)  # of use to nobody where nothing has changed, and takes space
        raise
    return before


def _new_files(plan: Plan, layout: Layout, work: Path) -> dict[Path, New]:
    """Database and settings, ready in ``work``, by their places."""
    new: dict[Path, New] = {}
    if plan.database:
        olddatabase.upgrade(plan.database)
        new[layout.database] = New(plan.database.file, 0o600)
    if plan.text is not None:
        place = layout.settings.resolve()
        (work / "hub.yaml").write_text(plan.text, encoding="utf-8")
        new[place] = New(work / "hub.yaml", stat.S_IMODE(place.stat().st_mode))
    return new
