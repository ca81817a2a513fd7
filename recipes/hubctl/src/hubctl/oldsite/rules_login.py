"""Who may log in, and how."""

import re
from collections.abc import Iterable

from hubctl.oldsite.expressions import Symbol
from hubctl.oldsite.findings import Carried, Findings, Person, Rule, fits
from hubctl.oldsite.oldconfig import Option
from hubctl.settings_sections import AccountName


def _authenticator(findings: Findings, option: Option) -> None:
    name = option.value.name if isinstance(option.value, Symbol) else str(option.value)
    inline = findings.config.classes.get(name.rpartition(".")[2])
    if inline.of_kerberos if inline else "kerberos" in name.lower():
        findings.carry(option, "auth", "kerberos")
        _realm(findings, inline.realms if inline else (), option)
        if inline:
            do = "`auth: kerberos` takes its place; look whether it did more than check a password and get a ticket"
            findings.persons.append(Person(f"class {inline.name}", do, inline.line))
    elif name in ("pam", "local") or name.endswith((".PAMAuthenticator", ".LocalAuthenticator")):
        findings.carry(option, "auth", "pam")
    elif inline and {"PAMAuthenticator", "LocalAuthenticator"} & set(inline.bases):
        findings.carry(option, "auth", "pam")
        findings.persons.append(Person(f"class {inline.name}", "PAM alone decides now; look what it did", inline.line))
    else:
        do = "this hub asks PAM, and with it what the host is joined to (SSSD); `auth` in hub.yaml stays as it is"
        findings.person(option, do)


def _realm(findings: Findings, written: Iterable[str], option: Option) -> None:
    set_ = findings.value("realm", "default_realm")
    found = list(dict.fromkeys([set_.value] if set_ else [*findings.config.realms, *written]))
    if len(found) == 1 and re.fullmatch(r"[A-Za-z0-9.-]+", str(found[0])):
        findings.carried.append(
            Carried(set_.name if set_ else "the realm", option.line, ("kerberos", "realm"), found[0])
        )
    elif found:
        findings.person(option, "several realms are written there: `hubctl config set kerberos.realm REALM`")


def _admin_users(findings: Findings, option: Option) -> None:
    _names(findings, option, "admin_users")


def _admin_groups(findings: Findings, option: Option) -> None:
    _names(findings, option, "admin_groups")


def _allowed_groups(findings: Findings, option: Option) -> None:
    _names(findings, option, "allowed_groups")
    findings.person(option, "let the two lines with `ingroup` in /etc/pam.d/jupyterhub name the same groups")


def _names(findings: Findings, option: Option, where: str) -> None:
    if names := _accounts(findings, option):
        findings.carry(option, where, names)


def _allowed_users(findings: Findings, option: Option) -> None:
    findings.allowed = _accounts(findings, option)


def _accounts(findings: Findings, option: Option) -> list[str]:
    """Names of users or groups; those that can be none are a person's matter."""
    if not isinstance(option.value, set | list | tuple):
        findings.person(option, "a list of names was expected there")
        return []
    good = [name for name in sorted(map(str, option.value)) if fits(AccountName, name)]
    if len(good) < len(option.value):
        findings.person(option, "some of the names there can be no account's")
    return good


RULES: dict[str, Rule] = {
    "JupyterHub.authenticator_class": _authenticator,
    "JupyterHub.admin_users": _admin_users,
    "Authenticator.admin_users": _admin_users,
    "Authenticator.admin_groups": _admin_groups,
    "Authenticator.whitelist": _allowed_users,
    "Authenticator.allowed_users": _allowed_users,
    "Authenticator.group_whitelist": _allowed_groups,
    "Authenticator.allowed_groups": _allowed_groups,
}
"""What is done with each of these options."""
