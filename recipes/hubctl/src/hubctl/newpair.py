"""A key and a certificate, put in the place of the hub's in one step; the pair before is kept beside them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from hubctl import onestep, tlspair
from hubctl.doctor.finding import Finding, State
from hubctl.errors import HubError
from hubctl.fulldisk import is_full, no_space
from hubctl.layout import Layout
from hubctl.onestep import New
from hubctl.tlspair import Files


def install(new: Files, target: Files, names: Sequence[str], layout: Layout) -> tuple[list[Finding], dict[Path, Path]]:
    """Puts a pair in the place of another in one step; that one keeps the date in its name.

    Returns:
        Warnings about the new pair, and where each of the old files is now.

    Raises:
        HubError: the new pair can't be used, or can't be put there; the old one is still in its place.
    """
    try:
        found = tlspair.examine(new, names)
    except HubError as error:
        do = f"name the certificate, then its chain, in PEM; {target.cert} is as it was"
        raise HubError(error.what, do) from None
    if faults := [finding.found for finding in found if finding.state == State.FAULT]:
        raise HubError("\n".join(faults), f"{target.cert} is as it was")
    return [finding for finding in found if finding.state == State.WARNING], put(new, target, layout)


def put(new: Files, target: Files, layout: Layout, others: Mapping[Path, New] | None = None) -> dict[Path, Path]:
    """Does as ``replace``, in words for people.

    Raises:
        HubError: it can't be done; the old pair is still in its place.
    """
    for path in (target.key, target.cert):
        if path.is_symlink():
            raise HubError(
                f"{path} is a link to {path.resolve()}, which another program may renew",
                "remove the link, or let `tls.key` and `tls.cert` of hub.yaml name the new files",
            )
    try:
        return replace(new, target, layout, others)
    except OSError as error:
        if is_full(error):
            raise no_space(f"{target.cert} is as it was", Path(error.filename or layout.database).parent) from None
        do = "run this as the owner of that folder: root"
        raise HubError(f"{error.filename or target.cert.parent} can't be written: {error.strerror}", do) from None


def replace(
    new: Files, target: Files, layout: Layout, others: Mapping[Path, New] | None = None, gone: Sequence[Path] = ()
) -> dict[Path, Path]:
    """Puts a pair in the place of another, and changes other files in the same step.

    Args:
        new: the pair, whose files stay where they are.
        target: its place.
        layout: whose state folder holds the journal meanwhile.
        others: further new files, by their places.
        gone: files to be removed, where they are there.

    Returns:
        Where each of the pair before is now: beside the new one, with the date (UTC) in its name.

    Raises:
        OSError: as ``onestep.change`` has it.
    """
    date = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%S.%fZ")
    kept = {path: path.with_name(f"{path.name}.{date}") for path in (target.key, target.cert) if path.exists()}
    try:
        for path, dated in kept.items():
            dated.hardlink_to(path)
            dated.chmod(0o600)
        onestep.change(
            layout, {**(others or {}), target.key: New(new.key, 0o600), target.cert: New(new.cert, 0o600)}, gone=gone
        )
    except OSError:
        if not layout.journal.exists():
            for dated in kept.values():
                dated.unlink(missing_ok=True)
        raise
    return kept
