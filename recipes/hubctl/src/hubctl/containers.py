"""Users' servers as Docker containers, with safe defaults."""

import ipaddress
from functools import partial
from typing import Any

from hubctl import homes
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.settings import Mount, Settings
from hubctl.units import format_memory

RUNTIME = "/tmp/jupyter-runtime"
"""Jupyter's runtime folder inside a container: short, for the sockets of kernels, and gone with the container."""


def configure(c: Any, settings: Settings, layout: Layout) -> None:
    """Sets the spawner and where the containers find the hub.

    Raises:
        HubError: Docker does not answer (asked only for the bridge network, for the hub's address there).
    """
    c.JupyterHub.spawner_class = "dockerspawner.DockerSpawner"
    # containers go on while the hub is restarted, and are found again
    c.JupyterHub.cleanup_servers = False
    section = c.DockerSpawner
    section.cmd = ["jupyterhub-singleuser"]
    section.image = settings.docker.images[0].image
    section.allowed_images = {image.name: image.image for image in settings.docker.images}
    section.pull_policy = "never"
    section.remove = True
    section.notebook_dir = "~"
    section.start_timeout = section.http_timeout = 120
    # start() of the spawner applies the chosen image and checks it; without this the hub logs that nobody did
    section.apply_user_options = _nothing_more
    section.mem_limit = settings.limits.memory
    section.cpu_limit = settings.limits.cpu
    section.extra_create_kwargs = partial(create_arguments, layout=layout, settings=settings)
    section.extra_host_config = partial(host_config, layout=layout, settings=settings)
    section.environment = {"JUPYTER_RUNTIME_DIR": RUNTIME}
    section.pre_spawn_hook = partial(prepare, layout=layout, settings=settings)
    _network(c, settings)
    _volumes(section, settings, layout)


def _nothing_more(spawner: Any, user_options: dict[str, Any]) -> None:
    return


def _network(c: Any, settings: Settings) -> None:
    port = settings.internal_ports.hub
    section = c.DockerSpawner
    section.network_name = settings.docker.network
    section.use_internal_ip = True  # nothing is published on the host's own addresses
    if settings.docker.network == "host":
        c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{port}"
        ports = settings.docker.port_range
        section.host_port_range = (ports.first, ports.last)
        # kernels would open five ports each on the loopback that all users share
        section.args = ["--KernelManager.transport=ipc"]
    else:
        c.JupyterHub.hub_bind_url = f"http://{bridge_gateway()}:{port}"


def bridge_gateway() -> str:
    """The host's address on Docker's default network: the one address of the hub that containers reach.

    Raises:
        HubError: Docker does not answer.
    """
    import docker  # type: ignore[import-untyped]  # only hubs that run containers need it

    try:
        client = docker.from_env(timeout=10)
        pool = client.networks.get("bridge").attrs["IPAM"]["Config"][0]
        client.close()
    except (docker.errors.DockerException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise HubError(f"Docker does not answer ({reason})", "start it, or set `spawner: local` in hub.yaml") from None
    return pool.get("Gateway") or str(next(ipaddress.ip_network(pool["Subnet"]).hosts()))


def _volumes(section: Any, settings: Settings, layout: Layout) -> None:
    read_only: dict[str, str] = {}
    writable: dict[str, str] = {}
    for mount in mounts(settings, layout):
        inside = str(mount.container or mount.host)
        (writable if mount.writable else read_only)[str(layout.below(mount.host))] = inside
    section.volumes = writable
    section.read_only_volumes = read_only


def mounts(settings: Settings, layout: Layout) -> list[Mount]:
    """The site's mounts and the shipped ones: those that exist."""
    return [mount for mount in _wanted(settings) if layout.below(mount.host).exists()]


def skipped_mounts(settings: Settings, layout: Layout) -> list[Mount]:
    """The site's mounts that do not exist on this host."""
    return [mount for mount in settings.mounts if not layout.below(mount.host).exists()]


def _wanted(settings: Settings) -> list[Mount]:
    shipped: list[dict[str, Any]] = [
        {"host": "/etc/passwd"},
        {"host": "/etc/group"},
        {"host": "/shared/jupyterhub", "writable": True},
    ]
    if settings.auth == "kerberos":
        shipped += [{"host": "/etc/krb5.conf"}, {"host": "/etc/krb5.conf.d"}]
    if settings.pyspark.spark_home:
        shipped.append({"host": settings.pyspark.spark_home})
    inside = {str(mount.container or mount.host) for mount in settings.mounts}
    return [*(Mount(**mount) for mount in shipped if str(mount["host"]) not in inside), *settings.mounts]


def account(spawner: Any, settings: Settings, layout: Layout) -> homes.Account:
    """Whom the spawner's container runs as."""
    if settings.auth == "shared-password":  # a name there is no proof of being the host's user of that name
        return homes.without_account(spawner.user.name, layout)
    return homes.of_host(spawner.user.name)


def prepare(spawner: Any, *, settings: Settings, layout: Layout) -> None:
    """Before a container: the user's folder, and names for the environment."""
    from tornado.web import HTTPError

    try:
        user = account(spawner, settings, layout)
        homes.ensure(user)
    except homes.NoHomeError as error:
        refused = HTTPError(500, str(error))
        refused.jupyterhub_message = str(error)  # type: ignore[attr-defined]  # what the page shows
        raise refused from None
    names = {"HOME": user.home, "USER": user.name, "LOGNAME": user.name, "SHELL": "/bin/bash"}
    spawner.environment = {**spawner.environment, **names}


def create_arguments(spawner: Any, *, settings: Settings, layout: Layout) -> dict[str, Any]:
    """What `docker create` is told beside the spawner's own: the user's identity."""
    user = account(spawner, settings, layout)
    return {"user": f"{user.uid}:{user.gid}", "working_dir": user.home}


def host_config(spawner: Any, *, settings: Settings, layout: Layout) -> dict[str, Any]:
    """Rights, limits and the user's own folder. The ticket's folder is the authenticator's to mount."""
    user = account(spawner, settings, layout)
    own_limit = next((i.memory for i in settings.docker.images if i.image == spawner.image and i.memory), None)
    return {
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "group_add": [str(gid) for gid in user.groups],
        "pids_limit": settings.limits.pids,
        "mem_limit": format_memory(own_limit or settings.limits.memory),
        "auto_remove": False,  # the log of a server that died stays readable; stopping it removes it all the same
        "binds": {str(user.folder): {"bind": user.home, "mode": "rw"}},
    }
