"""What becomes of an old configuration: settings of ``hub.yaml``, work for a person, or nothing."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from hubctl.oldsite.expressions import Symbol, is_known
from hubctl.oldsite.oldconfig import OldConfig, Option
from hubctl.settings import SHORTEST_IDLE, AccountName, Image, Mount
from hubctl.units import format_duration, format_memory, parse_memory
from hubctl.yamlfile import KeyPath

PYTHON = "/etc/jupyterhub/jupyterhub_config.d/20-site.py"
"""Where what is no setting can be put."""


@dataclass(frozen=True)
class Carried:
    """What goes into ``hub.yaml``.

    Attributes:
        old: the option that it comes from.
        where: the setting.
        value: as the file has it.
    """

    old: str
    line: int
    where: KeyPath
    value: Any


@dataclass(frozen=True)
class Person:
    """What only a person can do. No value of the old file is in it, unless it is known to be no secret."""

    what: str
    do: str
    line: int | None = None


@dataclass
class Findings:
    """What becomes of all options.

    Attributes:
        allowed: who was allowed to log in; empty when everybody was.
        unneeded: options that this hub has no use for.
    """

    carried: list[Carried] = field(default_factory=list)
    persons: list[Person] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    unneeded: list[str] = field(default_factory=list)


def sort(config: OldConfig) -> Findings:
    """Decides on each option of the old configuration."""
    sorting = _Sorting(config)
    for line, how in config.unread.items():
        sorting.persons.append(Person(how, "the file that it loads was not read: look at it", line))
    for option in config.options.values():
        sorting.decide(option)
    sorting.images()
    sorting.named_servers()
    sorting.culler()
    return Findings(sorting.carried, sorting.persons, sorting.allowed, sorting.unneeded)


_UNNEEDED_BY_KIND = {
    "JupyterHub": "cookie_secret cookie_secret_file proxy_auth_token hub_ip hub_bind_url hub_connect_ip "
    "hub_connect_url proxy_api_ip proxy_cmd proxy_class proxy_check_interval cleanup_servers cleanup_proxy pid_file "
    "config_file confirm_no_ssl upgrade_db debug_proxy debug_db reset_db log_level extra_log_file db_kwargs "
    "last_activity_interval data_files_path concurrent_spawn_limit",
    "Spawner": "cmd args notebook_dir debug disable_user_config ip port http_timeout start_timeout poll_interval "
    "remove remove_containers use_internal_ip host_ip hub_ip_connect hub_connect_ip container_ip container_port "
    "pull_policy use_docker_client_env tls tls_config client_kwargs container_name_template name_template "
    "container_prefix prefix format_volume_name links",
    "Authenticator": "open_sessions service encoding check_account username_pattern",
    "Proxy": "auth_token command should_start debug pid_file check_running_interval",
}
_TOGETHER_BY_KIND = {
    "JupyterHub": "ssl_key ssl_cert db_url services allow_named_servers named_server_limit_per_user",
    "Spawner": "image container_image image_whitelist allowed_images",
    "Authenticator": "realm default_realm",
}


def _options(by_kind: dict[str, str]) -> set[str]:
    return {f"{kind}.{name}" for kind, names in by_kind.items() for name in names.split()}


_UNNEEDED = _options(_UNNEEDED_BY_KIND)
"""What this hub has its own of, or no use for."""

_TOGETHER = _options(_TOGETHER_BY_KIND)
"""What is read together with other options."""

_PERSONS = {
    "JupyterHub.base_url": f"users would find the hub at another address: `c.JupyterHub.base_url = …` in {PYTHON}",
    "JupyterHub.api_tokens": "tokens in a file end here: whoever used one makes a new one on the hub's page `Token`",
    "JupyterHub.service_tokens": f"declare the service, with a new token, in {PYTHON}",
    "JupyterHub.admin_access": "administrators can no longer enter users' servers; if they have to: "
    f"`c.JupyterHub.admin_access = True` in {PYTHON}",
    "Authenticator.auto_login": "nobody is logged in without a password; with auth: kerberos, `kerberos.http_keytab` "
    "lets browsers log in with their own ticket",
    "Authenticator.create_system_users": "accounts are the host's: make them with useradd, or let SSSD bring them",
    "Authenticator.blacklist": "take these users out of the groups of `allowed_groups`",
    "Authenticator.blocked_users": "take these users out of the groups of `allowed_groups`",
    "Spawner.default_url": "JupyterLab opens; if it was another page: `c.Spawner.default_url = …` in " + PYTHON,
    "Spawner.environment": f"variables for users' servers: `c.DockerSpawner.environment.update(…)` in {PYTHON}",
    "Spawner.extra_create_kwargs": "containers run as the user, not as whom this said; `root: true` of an image is the "
    "exception (docs/spawning.md)",
}
"""Options with advice of their own. For all others there is a common one."""


class _Sorting(Findings):
    def __init__(self, config: OldConfig) -> None:
        super().__init__()
        self.config = config

    def decide(self, option: Option) -> None:
        kind, name = _kind(option.name), option.name.rpartition(".")[2]
        rule, together = _RULES.get(f"{kind}.{name}"), f"{kind}.{name}" in _TOGETHER
        if rule and is_known(option.value):
            try:
                rule(self, option)
            except (TypeError, ValueError, AttributeError):
                self.person(option, "its value is none that JupyterHub would take: look at that line")
        elif f"{kind}.{name}" in _UNNEEDED:
            self.unneeded.append(option.name)
        elif not together or (not is_known(option.value) and name != "services"):  # of which culler() tells
            common = f"if it is still wanted, put it into {PYTHON}; JupyterHub may call it otherwise by now"
            do = _PERSONS.get(f"{kind}.{name}", common)
            self.person(
                option, f"only the running hub knows the value; look at that line: {do}" if rule or together else do
            )

    def carry(self, option: Option, where: str, value: Any) -> None:
        self.carried.append(Carried(option.name, option.line, tuple(where.split(".")), value))

    def person(self, option: Option, do: str) -> None:
        self.persons.append(Person(option.name, do, option.line))

    def value(self, *names: str) -> Option | None:
        """The first of these options that is set, and known."""
        for option in self.config.options.values():
            if option.name.rpartition(".")[2] in names and is_known(option.value) and option.value:
                return option
        return None

    # ---- the hub ----

    def port(self, option: Option) -> None:
        self.carry(option, "port", int(option.value))

    def bind_url(self, option: Option) -> None:
        parts = urlsplit(option.value)
        if parts.port:
            self.carry(option, "port", parts.port)
        self._bind(option, parts.hostname or "")
        if parts.path.strip("/"):
            self.person(option, _PERSONS["JupyterHub.base_url"])

    def address(self, option: Option) -> None:
        self._bind(option, option.value)

    def _bind(self, option: Option, host: str) -> None:
        host = {"": "0.0.0.0", "*": "0.0.0.0", "localhost": "127.0.0.1"}.get(host, host)
        try:
            self.carry(option, "bind", str(ip_address(host)))
        except ValueError:
            self.person(option, "`bind` in hub.yaml takes an address, no name")

    def hub_port(self, option: Option) -> None:
        self.carry(option, "internal_ports.hub", int(option.value))

    def proxy_port(self, option: Option) -> None:
        port = urlsplit(option.value).port if isinstance(option.value, str) else option.value
        if port:
            self.carry(option, "internal_ports.proxy_api", port)

    def named_servers(self) -> None:
        option = self.config.options.get("JupyterHub.allow_named_servers")
        if option is None or option.value is not True:
            return
        limit = self.config.options.get("JupyterHub.named_server_limit_per_user")
        if limit and isinstance(limit.value, int) and limit.value > 0:
            self.carry(limit, "named_servers", limit.value)
        else:
            self.person(option, "say how many a user may have: `hubctl config set named_servers 5`")

    # ---- who may log in ----

    def authenticator(self, option: Option) -> None:
        name = option.value.name if isinstance(option.value, Symbol) else str(option.value)
        inline = self.config.classes.get(name.rpartition(".")[2])
        if inline.of_kerberos if inline else "kerberos" in name.lower():
            self.carry(option, "auth", "kerberos")
            self._realm(inline.realms if inline else (), option)
            if inline:
                do = "`auth: kerberos` takes its place; look whether it did more than check a password and get a ticket"
                self.persons.append(Person(f"class {inline.name}", do, inline.line))
        elif name in ("pam", "local") or name.endswith((".PAMAuthenticator", ".LocalAuthenticator")):
            self.carry(option, "auth", "pam")
        elif inline and {"PAMAuthenticator", "LocalAuthenticator"} & set(inline.bases):
            self.carry(option, "auth", "pam")
            self.persons.append(Person(f"class {inline.name}", "PAM alone decides now; look what it did", inline.line))
        else:
            do = "this hub asks PAM, and with it what the host is joined to (SSSD); `auth` in hub.yaml stays as it is"
            self.person(option, do)

    def _realm(self, written: Iterable[str], option: Option) -> None:
        set_ = self.value("realm", "default_realm")
        found = list(dict.fromkeys([set_.value] if set_ else [*self.config.realms, *written]))
        if len(found) == 1 and re.fullmatch(r"[A-Za-z0-9.-]+", str(found[0])):
            self.carried.append(
                Carried(set_.name if set_ else "the realm", option.line, ("kerberos", "realm"), found[0])
            )
        elif found:
            self.person(option, "several realms are written there: `hubctl config set kerberos.realm REALM`")

    def admin_users(self, option: Option) -> None:
        self._names(option, "admin_users")

    def admin_groups(self, option: Option) -> None:
        self._names(option, "admin_groups")

    def allowed_groups(self, option: Option) -> None:
        self._names(option, "allowed_groups")
        self.person(option, "let the two lines with `ingroup` in /etc/pam.d/jupyterhub name the same groups")

    def _names(self, option: Option, where: str) -> None:
        if names := self._accounts(option):
            self.carry(option, where, names)

    def allowed_users(self, option: Option) -> None:
        self.allowed = self._accounts(option)

    def _accounts(self, option: Option) -> list[str]:
        """Names of users or groups; those that can be none are a person's matter."""
        if not isinstance(option.value, set | list | tuple):
            self.person(option, "a list of names was expected there")
            return []
        good = [name for name in sorted(map(str, option.value)) if _fits(AccountName, name)]
        if len(good) < len(option.value):
            self.person(option, "some of the names there can be no account's")
        return good

    # ---- users' servers ----

    def spawner(self, option: Option) -> None:
        name = option.value.name if isinstance(option.value, Symbol) else str(option.value)
        inline = self.config.classes.get(name.rpartition(".")[2])
        names = (name, *(inline.bases if inline else ()))
        if any("docker" in each.lower() or each.endswith("SystemUserSpawner") for each in names):
            self.carry(option, "spawner", "docker")
        elif any("LocalProcessSpawner" in each or each in ("local", "localprocess", "simple") for each in names):
            self.carry(option, "spawner", "local")
        else:
            self.person(option, "`spawner` in hub.yaml is docker or local, and stays as it is")
        if inline:
            do = (
                "`spawner` of hub.yaml takes its place; look whether it did more than find a port on the host's network"
            )
            self.persons.append(Person(f"class {inline.name}", do, inline.line))

    def images(self) -> None:
        several, one = self.value("image_whitelist", "allowed_images"), self.value("image", "container_image")
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
        good = [entry for entry in found if _fits(Image, entry)]
        if good:
            self.carry(source, "docker.images", good)
            commands = "; ".join(f"hubctl image check {entry['image']}" for entry in good)
            self.person(source, f"images of the old hub's time may lack what this one needs: {commands}")
        if len(good) < len(found):
            self.person(source, "some of the images there have names that Docker does not know")

    def memory(self, option: Option) -> None:
        size = format_memory(option.value) if isinstance(option.value, int) else str(option.value).lower()
        try:
            self.carry(option, "limits.memory", format_memory(parse_memory(size)))
        except ValueError:
            self.person(option, "`limits.memory` in hub.yaml takes a size such as 4g")

    def cpu(self, option: Option) -> None:
        self.carry(option, "limits.cpu", option.value if isinstance(option.value, int) else float(option.value))

    def network(self, option: Option) -> None:
        if option.value == "host":
            self.carry(option, "docker.network", "host")
        elif option.value != "bridge":
            self.person(option, "containers are on Docker's own bridge; that network is not used")

    def host_config(self, option: Option) -> None:
        if not isinstance(option.value, dict):
            self.person(option, "what Docker is told of containers is this hub's own now")
            return
        if option.value.get("network_mode") == "host":
            self.carry(option, "docker.network", "host")
        if more := sorted(str(key) for key in option.value if key != "network_mode"):
            self.person(
                option, f"Docker is not told {', '.join(more)}: `limits` and `mounts` of hub.yaml have the most of it"
            )

    def volumes(self, option: Option) -> None:
        self._mounts(option, writable=True)

    def read_only_volumes(self, option: Option) -> None:
        self._mounts(option, writable=False)

    def _mounts(self, option: Option, writable: bool) -> None:
        for host, inside in option.value.items() if isinstance(option.value, dict) else ():
            mode = "rw"
            if isinstance(inside, dict):
                mode, inside = inside.get("mode", "rw"), inside.get("bind", "")
            inside, _, suffix = str(inside).partition(":")
            self._mount(option, str(host), inside, writable and "ro" not in (mode, suffix))

    def _mount(self, option: Option, host: str, inside: str, writable: bool) -> None:
        if "{" in host and host.startswith("/"):
            do = (
                f"users' files lie in {host}; their servers now see the folder `work` of their home on this host: move "
            )
            self.person(option, f"{do}there what they are to see")
        elif not host.startswith("/"):
            do = f"users' files lie in Docker's volumes {host}; their servers now see the folder `work` of their home"
            self.person(option, f"{do}: copy them there, and give them to the users (chown)")
        elif PurePosixPath(host) == PurePosixPath("/var/run/docker.sock"):
            self.person(option, "Docker's socket is not given to containers: whoever has it is root on this host")
        elif host.startswith("/tmp/krb5cc") or any(PurePosixPath(host).is_relative_to(own) for own in _OURS):
            self.unneeded.append(f"{option.name} of {host}")
        else:
            same = {} if inside in ("", host) else {"container": inside}
            mount = {"host": host, **same, **({"writable": True} if writable else {})}
            if _fits(Mount, mount):
                self.carry(option, "mounts", [mount])
            else:
                self.person(option, f"{host} can't be a mount of hub.yaml")

    # ---- services ----

    def culler(self) -> None:
        option = self.config.options.get("JupyterHub.services")
        found = option.value if option and isinstance(option.value, list) else []
        cullers = [entry for entry in found if _is_culler(entry)]
        for entry in cullers:
            timeout = _timeout(entry["command"])
            assert option
            if timeout:
                self.carry(
                    option, "idle_culler.timeout", format_duration(max(timedelta(seconds=timeout), SHORTEST_IDLE))
                )
            else:
                self.person(option, "say after how long idle servers end: `hubctl config set idle_culler.timeout 1h`")
        if option and (len(found) > len(cullers) or not found):
            self.person(option, f"services beside the one for idle servers: declare them in {PYTHON}, with new tokens")
        if not cullers:
            do = "this hub ends servers that nobody uses for 12h: `hubctl config set idle_culler.enabled false`"
            self.persons.append(Person("idle servers were not ended", do))


_OURS = ("/etc/passwd", "/etc/group", "/etc/krb5.conf", "/shared/jupyterhub")
"""What this hub mounts by itself, beside tickets."""

_RULES: dict[str, Callable[[_Sorting, Option], None]] = {
    "JupyterHub.port": _Sorting.port,
    "JupyterHub.bind_url": _Sorting.bind_url,
    "JupyterHub.ip": _Sorting.address,
    "JupyterHub.hub_port": _Sorting.hub_port,
    "JupyterHub.proxy_api_port": _Sorting.proxy_port,
    "JupyterHub.authenticator_class": _Sorting.authenticator,
    "JupyterHub.spawner_class": _Sorting.spawner,
    "JupyterHub.admin_users": _Sorting.admin_users,
    "Authenticator.admin_users": _Sorting.admin_users,
    "Authenticator.admin_groups": _Sorting.admin_groups,
    "Authenticator.whitelist": _Sorting.allowed_users,
    "Authenticator.allowed_users": _Sorting.allowed_users,
    "Authenticator.group_whitelist": _Sorting.allowed_groups,
    "Authenticator.allowed_groups": _Sorting.allowed_groups,
    "Spawner.mem_limit": _Sorting.memory,
    "Spawner.cpu_limit": _Sorting.cpu,
    "Spawner.network_name": _Sorting.network,
    "Spawner.extra_host_config": _Sorting.host_config,
    "Spawner.volumes": _Sorting.volumes,
    "Spawner.read_only_volumes": _Sorting.read_only_volumes,
    "Proxy.api_url": _Sorting.proxy_port,
}


def _kind(name: str) -> str:
    """Options of a class count for the classes that are derived from it: by the ends of their names."""
    owner = name.partition(".")[0]
    kinds = ("Authenticator", "Spawner", "Proxy", "HTTPProxy")
    return next((kind for kind in kinds if owner.endswith(kind)), owner)


def _fits(kind: Any, value: Any) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


def _is_culler(service: Any) -> bool:
    command = service.get("command") if isinstance(service, dict) else None
    return isinstance(command, list | str) and any("cull" in str(word) for word in _words(command))


def _words(command: list[Any] | str) -> list[str]:
    return command.split() if isinstance(command, str) else [word for word in command if isinstance(word, str)]


def _timeout(command: list[Any] | str) -> int | None:
    """Seconds: of ``--timeout=3600`` or ``--timeout 3600``."""
    found = re.search(r"--timeout[= ](\d+)", " ".join(_words(command)))
    return int(found[1]) if found else None
