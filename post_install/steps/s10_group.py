"""The group whose members may log in."""

from post_install.files import make_parents
from post_install.host import GROUP, Host, Step, needs_host
from post_install.messages import message


def check(host: Host) -> list[str]:
    """Whether the group is there, on this host or in its domain."""
    return [] if host.group_id(GROUP) is not None else [message("group_missing", group=GROUP)]


def ensure(host: Host) -> list[str]:
    """Makes the group; a group of that name which is there already is taken as it is."""
    if not check(host):
        return []
    make_parents(host, "/etc/group")
    where = [] if host.is_real else ["--prefix", str(host.root)]
    host.must("groupadd", *where, "--system", GROUP)
    return [message("made_group", group=GROUP)]


def _unless(host: Host) -> str:
    return needs_host(host) or ("" if host.is_root else message("owners_unchecked"))


STEP = Step("group", check, ensure, _unless, carries=True)
