"""What an uninstallation takes off the host: the service always; settings, state and users' files only on demand."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from post_install.host import GROUP, PID_FILE, UNIT_PATH, Host, needs_host, other_prefix
from post_install.messages import message
from post_install.record import load, sha256
from post_install.steps import s20_folders, s30_shared, s80_pam, s90_service, s95_logrotate

RUNTIME = "/run/jupyterhub"
START_FILES = (".bashrc", ".bash_profile", ".profile", ".zshrc", ".config/fish/config.fish")
"""Where ``conda init`` writes, below a home."""


@dataclass(frozen=True)
class Item:
    """Something that goes: how people call it, and how it is taken away."""

    what: str
    remove: Callable[[], object]


def items(host: Host, home: Path | None, purge: bool) -> list[Item]:
    """What there is to remove, in the order in which it goes.

    Args:
        host: where.
        home: of whoever runs this; this prefix's block of ``conda init`` in its start files goes.
        purge: settings, certificate, database, users' files in the shared folder and the group go, too.
    """
    found = list(_start_files(host, home))
    if needs_host(host) or other_prefix(host):
        return found
    found += [*_service(host), *_pam(host, purge)]
    if not purge:
        return found
    folders = [s30_shared.PATH, *(folder.path for folder in s20_folders.FOLDERS)]
    found += [_tree(host, path) for path in _outermost(folders) if host.at(path).exists()]
    if host.group_id(GROUP) is not None and _in_group_file(host):
        found.append(Item(message("item_group", group=GROUP), partial(_remove_group, host)))
    return found


def kept(host: Host, purge: bool) -> list[str]:
    """What stays on the host. All of it where it is set up for the hub in another prefix, even one that is gone."""
    if host.is_real and not host.is_root:
        return []
    if other := other_prefix(host):
        return [message("kept_of_another", prefix=other)]
    if purge:
        return []
    folders = [s30_shared.PATH, *_outermost([folder.path for folder in s20_folders.FOLDERS])]
    edited = [s80_pam.PATH] if host.at(s80_pam.PATH).exists() and not _pam(host, purge) else []
    group = [message("item_group", group=GROUP)] if host.group_id(GROUP) is not None and _in_group_file(host) else []
    return [path for path in folders if host.at(path).exists()] + edited + group


def _service(host: Host) -> Iterator[Item]:
    hubctl = host.env / "bin" / "hubctl"
    if host.at(UNIT_PATH).exists():
        yield Item(message("item_service", path=UNIT_PATH), partial(_end_service, host))
    elif host.at(PID_FILE).exists() and hubctl.exists():
        yield Item(message("item_hub"), partial(host.must, str(hubctl), "--root", str(host.root), "stop"))
    places = (s90_service.PROXY_PATH, s90_service.SLICE_PATH, s90_service.TMPFILES_PATH, s95_logrotate.PATH)
    for path in _with_offers(*places):
        if host.at(path).exists():
            yield _file(host, path)
    if host.at(RUNTIME).exists():
        yield _tree(host, RUNTIME)


def _end_service(host: Host) -> None:
    """Stops and disables it first: systemd knows it by its file."""
    where = [] if host.is_real else [f"--root={host.root}"]
    host.must("systemctl", *where, "disable", *(["--now"] if host.is_real else []), s90_service.UNIT)
    if host.is_real:
        # with the proxy, where it is a service of its own; a slice goes on when nothing is left in it
        host.must("systemctl", "stop", s90_service.SLICE)
    for path in _with_offers(UNIT_PATH, s90_service.PROXY_PATH, s90_service.SLICE_PATH):
        host.at(path).unlink(missing_ok=True)
    if host.is_real:
        host.must("systemctl", "daemon-reload")


def _with_offers(*paths: str) -> list[str]:
    """The files, and the newer defaults beside them that an administrator's edit has kept out."""
    return [name for path in paths for name in (path, f"{path}.new")]


def _pam(host: Host, purge: bool) -> list[Item]:
    """The hub's PAM service; an edited one is a setting."""
    file = host.at(s80_pam.PATH)
    if not file.exists():
        return []
    written = load(host).of(s80_pam.PATH).written
    if not purge and (file.is_symlink() or sha256(file.read_bytes()) != written):
        return []
    return [_file(host, name) for name in (s80_pam.PATH, f"{s80_pam.PATH}.new") if host.at(name).exists()]


def _start_files(host: Host, home: Path | None) -> Iterator[Item]:
    for file in [home / name for name in START_FILES] if home else []:
        text = file.read_text(errors="surrogateescape") if file.is_file() else ""
        left = without_block(text, host.prefix)
        if left != text:
            yield Item(message("item_block", path=file), partial(_rewrite, file, left))


def without_block(text: str, prefix: Path) -> str:
    """A start file without what ``conda init`` of this prefix wrote (conda.core.initialize)."""
    block = re.compile(r"\n?^# >>> conda initialize >>>$.*?^# <<< conda initialize <<<$\n*", re.MULTILINE | re.DOTALL)
    return block.sub(lambda match: "" if f"{prefix}/bin/conda" in match[0] else match[0], text)


def _rewrite(file: Path, text: str) -> None:
    """In place: it keeps its owner and mode, and a link to it stays one. One that only held the block goes."""
    if text:
        file.write_text(text, errors="surrogateescape")
    else:
        file.unlink()


def _file(host: Host, path: str) -> Item:
    return Item(path, partial(host.at(path).unlink, missing_ok=True))


def _tree(host: Host, path: str) -> Item:
    folder = host.at(path)
    mounts = [point for point in mount_points() if point.is_relative_to(folder)]
    key = "item_mounted" if mounts else "item_tree"
    what = message(key, path=path, points=", ".join(str(point) for point in mounts))
    return Item(what, partial(_remove_tree, folder, mounts))


def _remove_tree(folder: Path, mounts: list[Path]) -> None:
    """A link in its place goes, and what it leads to stays; an empty ``/shared`` above goes as well."""
    if folder.is_symlink():
        folder.unlink()
    elif mounts:
        _empty(folder, mounts)
    else:
        shutil.rmtree(folder)
    above = folder.parent
    if above.name == "shared" and not any(above.iterdir()) and above not in mount_points():
        above.rmdir()


def mount_points() -> list[Path]:
    """Where file systems are mounted (proc_pid_mountinfo(5): white space and backslashes in octal)."""
    lines = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    return [Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), line.split()[4])) for line in lines]


def _empty(folder: Path, mounts: list[Path], parent: int | None = None) -> None:
    """Removes what is in a folder but for mount points and the folders above them; follows no link meanwhile."""
    name = folder if parent is None else folder.name
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        for entry in list(os.scandir(descriptor)):
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=descriptor)
            elif any(point.is_relative_to(folder / entry.name) for point in mounts):
                _empty(folder / entry.name, mounts, descriptor)
            else:
                shutil.rmtree(entry.name, dir_fd=descriptor)
    finally:
        os.close(descriptor)


def _outermost(paths: list[str]) -> list[str]:
    """Without those that lie in another one."""
    return [path for path in paths if not any(path.startswith(f"{other}/") for other in paths)]


def _in_group_file(host: Host) -> bool:
    """Whether the group is the host's own, not its domain's."""
    lines = host.at("/etc/group").read_text().splitlines()
    return any(line.split(":")[0] == GROUP for line in lines)


def _remove_group(host: Host) -> None:
    where = [] if host.is_real else ["--prefix", str(host.root)]
    host.must("groupdel", *where, GROUP)
