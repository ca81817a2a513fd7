"""Users' servers as Docker containers, with safe defaults."""

import asyncio
import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from hubctl import homes, hubaddress, kernels, krb5conf, names, servers, shared
from hubctl.layout import Layout
from hubctl.settings import Settings
from hubctl.settings_sections import Image, Mount
from hubctl.startqueue import StartQueue
from hubctl.units import format_memory

SHARED = PurePosixPath("/shared/jupyterhub")
"""What users share."""

RUNTIME = "/tmp/jupyter-runtime"
"""Jupyter's runtime folder inside a container: short, for the sockets of kernels, and gone with the container."""

POLL_SECONDS = 10
"""How long it takes at most until a server that ended is known to have."""

START_SECONDS = 300
"""How long a server may take to answer, once it is its turn: an image that was not used for long is read from a slow
disk, on processors that others use as well."""

STARTS_PER_PROCESSOR = 2
"""Servers that start at the same time: while one waits for Docker, another computes."""

ROOT_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"]
"""What root inside may do, by `root: true`: install packages and change owners."""


def configure(c: Any, settings: Settings, layout: Layout) -> dict[str, str]:
    """Sets the spawner, and which network its containers are in.

    Returns:
        Variables for the proxy's environment, which make it look before it sends something to a server.

    Raises:
        HubError: Docker does not answer (asked only for the bridge network).
    """
    c.JupyterHub.spawner_class = "hubctl.spawner.ContainerSpawner"
    # containers go on while the hub is restarted, and are found again
    c.JupyterHub.cleanup_servers = False
    # everybody waits in the queue for a turn; JupyterHub would send the hundred and first away
    c.JupyterHub.concurrent_spawn_limit = 0
    c.ContainerSpawner.site = Site(settings, layout)
    section = c.DockerSpawner
    section.cmd = shared.command(layout, "jupyterhub-singleuser")
    section.image = settings.docker.images[0].image
    section.allowed_images = {image.name: image.image for image in settings.docker.images}
    section.pull_policy = "never"
    section.remove = True
    section.notebook_dir = "~"
    section.start_timeout = section.http_timeout = START_SECONDS
    section.poll_interval = POLL_SECONDS
    # start() of the spawner applies the choices and checks them; without this the hub logs that nobody did
    section.apply_user_options = _nothing_more
    section.mem_limit = settings.limits.memory
    section.cpu_limit = settings.limits.cpu
    section.extra_create_kwargs = partial(create_arguments, layout=layout, settings=settings)
    section.extra_host_config = partial(_in_thread, host_config, layout=layout, settings=settings)
    section.environment = {"JUPYTER_RUNTIME_DIR": RUNTIME}
    section.pre_spawn_hook = partial(_in_thread, prepare, layout=layout, settings=settings)
    return _network(c, settings, layout)


class Site:
    """What all spawners share: the settings, the layout, and the queue for the start."""

    def __init__(self, settings: Settings, layout: Layout) -> None:
        self.settings = settings
        self.layout = layout
        self.starts = StartQueue(STARTS_PER_PROCESSOR * len(os.sched_getaffinity(0)))

    def __deepcopy__(self, memo: dict[int, Any]) -> "Site":
        """Itself: traitlets copies what is configured for each spawner, and this never changes."""
        return self


def _nothing_more(spawner: Any, user_options: dict[str, Any]) -> None:
    return


async def _in_thread(function: Callable[..., Any], spawner: Any, **arguments: Any) -> Any:
    """Calls what waits for disks and for Docker without holding up the hub."""
    return await asyncio.to_thread(function, spawner, **arguments)


def _network(c: Any, settings: Settings, layout: Layout) -> dict[str, str]:
    section = c.DockerSpawner
    section.network_name = settings.docker.network
    section.use_internal_ip = True  # nothing is published on the host's own addresses
    if settings.docker.network == "host":
        ports = settings.internal_ports.servers
        section.host_port_range = (ports.first, ports.last)
        # kernels would open five ports each on the loopback that all users share
        section.args = ["--KernelManager.transport=ipc"]
        return servers.guard_environment(layout, [])
    subnet, _ = hubaddress.bridge()
    return servers.guard_environment(layout, [subnet])


def mounts(settings: Settings, layout: Layout) -> list[Mount]:
    """The site's mounts and the shared folder: those that exist now."""
    return [mount for mount in _wanted(settings) if layout.below(mount.host).exists()]


def _wanted(settings: Settings) -> list[Mount]:
    wanted = _of_the_site(settings)
    inside = {mount.container or mount.host for mount in wanted}
    return wanted if SHARED in inside else [Mount(host=SHARED, writable=True), *wanted]


def _of_the_site(settings: Settings) -> list[Mount]:
    inside = {mount.container or mount.host for mount in settings.mounts}
    cluster = [Mount(host=path) for path in kernels.host_paths(settings) if path not in inside]
    return [*cluster, *settings.mounts]


_skipped: set[str] = set()


def _tell_skipped(settings: Settings, layout: Layout, log: logging.Logger) -> None:
    """Logs each of the site's mounts that does not exist on this host; once, until it has been there again."""
    for mount in _of_the_site(settings):
        path = str(layout.below(mount.host))
        if layout.below(mount.host).exists():
            _skipped.discard(path)
        elif path not in _skipped:
            _skipped.add(path)
            log.warning("%s is not on this host: not mounted into containers", mount.host)


def account(spawner: Any, settings: Settings, layout: Layout) -> homes.Account:
    """Whom the spawner's container runs as."""
    if settings.auth == "shared-password":  # a name there is no proof of being the host's user of that name
        return homes.without_account(spawner.user.name, layout)
    # what the host's shells keep in the home stays apart
    return homes.of_host(spawner.user.name, "work")


def member_settings(spawner: Any, settings: Settings, layout: Layout) -> Settings:
    """The settings with the limits of the spawner's user. Asks the host for the groups, so it may take a moment."""
    if not settings.group_limits:
        return settings
    try:
        user = account(spawner, settings, layout)
    except homes.NoHomeError:  # gets no server, and reads why when it is asked for
        return settings
    return settings.for_member(homes.groups_of(user, (entry.group for entry in settings.group_limits)))


def offered(spawner: Any, settings: Settings) -> Image:
    """The entry of the settings that the user has chosen; else the first with the spawner's image."""
    entries = settings.docker.images
    chosen = [entry for entry in entries if entry.name == spawner.user_options.get("image")]
    return next(iter([*chosen, *(entry for entry in entries if entry.image == spawner.image)]), entries[0])


def prepare(spawner: Any, *, settings: Settings, layout: Layout) -> None:
    """Before a container: the user's folder, and names for the environment."""
    from tornado.web import HTTPError

    try:
        user = account(spawner, settings, layout)
        if user.uid == 0 and not offered(spawner, settings).root:
            raise homes.NoHomeError("This image does not run as root. Log in with another account.")
        homes.ensure(user)
    except homes.NoHomeError as error:
        refused = HTTPError(500, str(error))
        refused.jupyterhub_message = str(error)  # type: ignore[attr-defined]  # what the page shows
        raise refused from None
    variables = {"HOME": user.home, "USER": user.name, "LOGNAME": user.name, "SHELL": names.SHELL}
    spawner.environment = {**spawner.environment, **variables}


def create_arguments(spawner: Any, *, settings: Settings, layout: Layout) -> dict[str, Any]:
    """What `docker create` is told beside the spawner's own: the user's identity."""
    user = account(spawner, settings, layout)
    identity = "0:0" if offered(spawner, settings).root else f"{user.uid}:{user.gid}"
    return {"user": identity, "working_dir": user.home}


def host_config(spawner: Any, *, settings: Settings, layout: Layout) -> dict[str, Any]:
    """Rights, limits and folders. The ticket's folder is the authenticator's to mount."""
    import docker  # type: ignore[import-untyped]

    settings = member_settings(spawner, settings, layout)
    user = account(spawner, settings, layout)
    image = offered(spawner, settings)
    limits = settings.limits_of(image)
    _tell_skipped(settings, layout, spawner.log)
    read_only = {**names.write(user, layout), **kernels.mounts(settings, layout, image)}
    if settings.auth == "kerberos":
        read_only |= krb5conf.write(layout)
    binds = {source: {"bind": inside, "mode": "ro"} for source, inside in read_only.items()}
    for mount in mounts(settings, layout):
        inside = str(mount.container or mount.host)
        binds[str(layout.below(mount.host))] = {"bind": inside, "mode": "rw" if mount.writable else "ro"}
    return {
        "cap_drop": ["ALL"],
        "cap_add": ROOT_CAPABILITIES if image.root else [],
        "security_opt": ["no-new-privileges"],
        "group_add": [str(gid) for gid in user.groups],
        "pids_limit": limits.pids,
        "mem_limit": format_memory(limits.memory),
        "auto_remove": False,  # the log of a server that died stays readable; stopping it removes it all the same
        "binds": binds,
        # in place of a bind's source that has gone, Docker would make a folder of root's in the user's home
        "mounts": [docker.types.Mount(user.home, str(user.folder), type="bind")],
    }
