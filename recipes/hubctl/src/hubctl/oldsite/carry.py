"""Each option of an old configuration becomes settings of ``hub.yaml``, work for a person, or nothing."""

import enum

from hubctl.oldsite import rules_hub, rules_login, rules_servers
from hubctl.oldsite.expressions import is_known
from hubctl.oldsite.findings import PYTHON, Findings, Person
from hubctl.oldsite.oldconfig import OldConfig, Option


class _Kind(enum.Enum):
    """What is done with an option that no rule is for."""

    UNNEEDED = enum.auto()
    """This hub has its own of it, or no use for it."""
    TOGETHER = enum.auto()
    """It is read together with others, where its value is known."""
    WHOLE = enum.auto()
    """The same, and all of it is told of there, known or not."""


_NAMES = {
    _Kind.UNNEEDED: {
        "JupyterHub": "cookie_secret cookie_secret_file proxy_auth_token hub_ip hub_bind_url hub_connect_ip "
        "hub_connect_url proxy_api_ip proxy_cmd proxy_class proxy_check_interval cleanup_servers cleanup_proxy "
        "pid_file config_file confirm_no_ssl upgrade_db debug_proxy debug_db reset_db log_level extra_log_file "
        "db_kwargs last_activity_interval data_files_path concurrent_spawn_limit",
        "Spawner": "cmd args notebook_dir debug disable_user_config ip port http_timeout start_timeout poll_interval "
        "remove remove_containers use_internal_ip host_ip hub_ip_connect hub_connect_ip container_ip container_port "
        "pull_policy use_docker_client_env tls tls_config client_kwargs container_name_template name_template "
        "container_prefix prefix format_volume_name links",
        "Authenticator": "open_sessions service encoding check_account username_pattern",
        "Proxy": "auth_token command should_start debug pid_file check_running_interval",
    },
    _Kind.TOGETHER: {
        "JupyterHub": "ssl_key ssl_cert db_url allow_named_servers named_server_limit_per_user",
        "Spawner": "image container_image image_whitelist allowed_images",
        "Authenticator": "realm default_realm",
    },
    _Kind.WHOLE: {"JupyterHub": "services"},
}
_KINDS = {
    f"{owner}.{name}": kind
    for kind, owners in _NAMES.items()
    for owner, names in owners.items()
    for name in names.split()
}

_RULES = rules_hub.RULES | rules_login.RULES | rules_servers.RULES

_PERSONS = {
    "JupyterHub.base_url": rules_hub.ADDRESS,
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


def sort(config: OldConfig) -> Findings:
    """Decides on each option of the old configuration."""
    findings = Findings(config)
    for line, how in config.loaded.items():
        findings.persons.append(Person(how, "the file that it loads was not read: look at it", line))
    for line, part in config.unread.items():
        do = f"what that line does to it can't be read: look, and set it in hub.yaml, or put it into {PYTHON}"
        findings.persons.append(Person(part, do, line))
    for option in config.options.values():
        _decide(findings, option)
    rules_servers.images(findings)
    rules_hub.named_servers(findings)
    rules_servers.services(findings)
    return findings


def _decide(findings: Findings, option: Option) -> None:
    name = f"{_owner(option.name)}.{option.name.rpartition('.')[2]}"
    rule, kind, known = _RULES.get(name), _KINDS.get(name), is_known(option.value)
    if kind == _Kind.UNNEEDED:
        findings.unneeded.append(option.name)
    elif rule and known:
        try:
            rule(findings, option)
        except (TypeError, ValueError, AttributeError):
            findings.person(option, "its value is none that JupyterHub would take: look at that line")
    elif kind != _Kind.WHOLE and not (kind == _Kind.TOGETHER and known):
        common = f"if it is still wanted, put it into {PYTHON}; JupyterHub may call it otherwise by now"
        do = _PERSONS.get(name, common)
        unknown = f"only the running hub knows the value; look at that line: {do}"
        findings.person(option, unknown if rule or kind else do)


def _owner(name: str) -> str:
    """Options of a class count for the classes that are derived from it: by the ends of their names."""
    owner = name.partition(".")[0]
    kinds = ("Authenticator", "Spawner", "Proxy", "HTTPProxy")
    return next((kind for kind in kinds if owner.endswith(kind)), owner)
