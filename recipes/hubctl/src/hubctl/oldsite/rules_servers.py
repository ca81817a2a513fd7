"""Users' servers: what runs, what it may use, what it sees, when it ends."""

import re
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

from hubctl.oldsite.expressions import Symbol
from hubctl.oldsite.findings import PYTHON, Findings, Person, Rule, fits
from hubctl.oldsite.oldconfig import Option
from hubctl.settings_sections import SHORTEST_IDLE, Image, Mount
from hubctl.units import format_duration, format_memory, parse_memory

_OURS = ("/etc/passwd", "/etc/group", "/etc/krb5.conf", "/shared/jupyterhub")
"""What this hub mounts by itself, beside tickets."""


def _spawner(findings: Findings, option: Option) -> None:
    name = option.value.name if isinstance(option.value, Symbol) else str(option.value)
    inline = findings.config.classes.get(name.rpartition(".")[2])
    names = (name, *(inline.bases if inline else ()))
    if any("docker" in each.lower() or each.endswith("SystemUserSpawner") for each in names):
        findings.carry(option, "spawner", "docker")
    elif any("LocalProcessSpawner" in each or each in ("local", "localprocess", "simple") for each in names):
        findings.carry(option, "spawner", "local")
    else:
        findings.person(option, "`spawner` in hub.yaml is docker or local, and stays as it is")
    if inline:
        do = "`spawner` of hub.yaml takes its place; look whether it did more than find a port on the host's network"
        findings.persons.append(Person(f"class {inline.name}", do, inline.line))


def images(findings: Findings) -> None:
    """The images that users choose from, and the default, which comes first."""
    several, one = findings.value("image_whitelist", "allowed_images"), findings.value("image", "container_image")
    offered = several.value if several else {}
    if callable(getattr(offered, "items", None)):
        entries = {str(name): image for name, image in offered.items()}
    else:
        entries = {str(image): image for image in offered}
    if one and one.value not in entries.values():
        entries = {str(one.value): one.value, **entries}
    ordered = sorted(entries.items(), key=lambda entry: not (one and entry[1] == one.value))
    found = [{"name": name, "image": image} for name, image in ordered]
    source = several or one
    if not source:
        return
    good = [entry for entry in found if fits(Image, entry)]
    if good:
        findings.carry(source, "docker.images", good)
        commands = "; ".join(f"hubctl image check {entry['image']}" for entry in good)
        findings.person(source, f"images of the old hub's time may lack what this one needs: {commands}")
    if len(good) < len(found):
        findings.person(source, "some of the images there have names that Docker does not know")


def _memory(findings: Findings, option: Option) -> None:
    size = format_memory(option.value) if isinstance(option.value, int) else str(option.value).lower()
    try:
        findings.carry(option, "limits.memory", format_memory(parse_memory(size)))
    except ValueError:
        findings.person(option, "`limits.memory` in hub.yaml takes a size such as 4g")


def _cpu(findings: Findings, option: Option) -> None:
    findings.carry(option, "limits.cpu", option.value if isinstance(option.value, int) else float(option.value))


def _network(findings: Findings, option: Option) -> None:
    if option.value == "host":
        findings.carry(option, "docker.network", "host")
    elif option.value != "bridge":
        findings.person(option, "containers are on Docker's own bridge; that network is not used")


def _host_config(findings: Findings, option: Option) -> None:
    if not isinstance(option.value, dict):
        findings.person(option, "what Docker is told of containers is this hub's own now")
        return
    if option.value.get("network_mode") == "host":
        findings.carry(option, "docker.network", "host")
    if more := sorted(str(key) for key in option.value if key != "network_mode"):
        findings.person(
            option, f"Docker is not told {', '.join(more)}: `limits` and `mounts` of hub.yaml have the most of it"
        )


def _volumes(findings: Findings, option: Option) -> None:
    _mounts(findings, option, writable=True)


def _read_only_volumes(findings: Findings, option: Option) -> None:
    _mounts(findings, option, writable=False)


def _mounts(findings: Findings, option: Option, writable: bool) -> None:
    for host, inside in option.value.items() if isinstance(option.value, dict) else ():
        mode = "rw"
        if isinstance(inside, dict):
            mode, inside = inside.get("mode", "rw"), inside.get("bind", "")
        inside, _, suffix = str(inside).partition(":")
        _mount(findings, option, str(host), inside, writable and "ro" not in (mode, suffix))


def _mount(findings: Findings, option: Option, host: str, inside: str, writable: bool) -> None:
    if "{" in host and host.startswith("/"):
        do = f"users' files lie in {host}; their servers now see the folder `work` of their home on this host: move "
        findings.person(option, f"{do}there what they are to see")
    elif not host.startswith("/"):
        do = f"users' files lie in Docker's volumes {host}; their servers now see the folder `work` of their home"
        findings.person(option, f"{do}: copy them there, and give them to the users (chown)")
    elif PurePosixPath(host) == PurePosixPath("/var/run/docker.sock"):
        findings.person(option, "Docker's socket is not given to containers: whoever has it is root on this host")
    elif host.startswith("/tmp/krb5cc") or any(PurePosixPath(host).is_relative_to(own) for own in _OURS):
        findings.unneeded.append(f"{option.name} of {host}")
    else:
        same = {} if inside in ("", host) else {"container": inside}
        mount = {"host": host, **same, **({"writable": True} if writable else {})}
        if fits(Mount, mount):
            findings.carry(option, "mounts", [mount])
        else:
            findings.person(option, f"{host} can't be a mount of hub.yaml")


def services(findings: Findings) -> None:
    """The one that ends idle servers becomes a setting; others are a person's."""
    option = findings.config.options.get("JupyterHub.services")
    found = option.value if option and isinstance(option.value, list) else []
    cullers = [entry for entry in found if _is_culler(entry)]
    for entry in cullers:
        timeout = _timeout(entry["command"])
        assert option
        if timeout:
            findings.carry(
                option, "idle_culler.timeout", format_duration(max(timedelta(seconds=timeout), SHORTEST_IDLE))
            )
        else:
            findings.person(option, "say after how long idle servers end: `hubctl config set idle_culler.timeout 1h`")
    if option and (len(found) > len(cullers) or not found):
        findings.person(option, f"services beside the one for idle servers: declare them in {PYTHON}, with new tokens")
    if not cullers:
        do = "this hub ends servers that nobody uses for 12h: `hubctl config set idle_culler.enabled false`"
        findings.persons.append(Person("idle servers were not ended", do))


def _is_culler(service: Any) -> bool:
    command = service.get("command") if isinstance(service, dict) else None
    return isinstance(command, list | str) and any("cull" in str(word) for word in _words(command))


def _words(command: list[Any] | str) -> list[str]:
    return command.split() if isinstance(command, str) else [word for word in command if isinstance(word, str)]


def _timeout(command: list[Any] | str) -> int | None:
    """Seconds: of ``--timeout=3600`` or ``--timeout 3600``."""
    found = re.search(r"--timeout[= ](\d+)", " ".join(_words(command)))
    return int(found[1]) if found else None


RULES: dict[str, Rule] = {
    "JupyterHub.spawner_class": _spawner,
    "Spawner.mem_limit": _memory,
    "Spawner.cpu_limit": _cpu,
    "Spawner.network_name": _network,
    "Spawner.extra_host_config": _host_config,
    "Spawner.volumes": _volumes,
    "Spawner.read_only_volumes": _read_only_volumes,
}
"""What is done with each of these options."""
