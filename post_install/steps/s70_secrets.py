"""What signs cookies, what the hub and its proxy know each other by, and the password where all share one."""

import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from post_install.files import Folder, made, opened, repair, write, wrong_with
from post_install.host import Host, Step, StepError
from post_install.messages import message
from post_install.steps.s50_settings import in_force


@dataclass(frozen=True)
class Secret:
    """A file with one line.

    Attributes:
        form: the whole line, as a regular expression.
        means: the message that says the same to people.
        make: makes a new one.
        auth: the authenticator that needs it; empty: always needed.
    """

    path: str
    form: str
    means: str
    make: Callable[[], str]
    auth: str = ""


SECRETS = (
    # JupyterHub.cookie_secret_file: 32 bytes in hex.
    Secret(
        "/var/lib/jupyterhub/cookie_secret",
        "[0-9a-fA-F]{64}",
        "form_hexadecimal",
        lambda: secrets.token_hex(32),
    ),
    Secret(
        "/var/lib/jupyterhub/proxy_token",
        "[!-~]{32,}",
        "form_token",
        lambda: secrets.token_hex(32),
    ),
    # SharedPasswordAuthenticator.user_password: 8 characters or more.
    Secret(
        "/var/lib/jupyterhub/shared_password",
        "[ -~]{8,}",
        "form_password",
        lambda: secrets.token_hex(8),
        "shared-password",
    ),
)


def check(host: Host) -> list[str]:
    """What is missing, open to others, or not of its form."""
    return [problem for secret in _needed(host) for problem in _check(host, secret)]


def ensure(host: Host) -> list[str]:
    """Makes what is missing, and closes what is open to others; never writes over a secret.

    Raises:
        StepError: a file holds something else.
    """
    return [change for secret in _needed(host) for change in _ensure(host, secret)]


def _needed(host: Host) -> list[Secret]:
    auth = in_force(host, "auth")
    return [secret for secret in SECRETS if secret.auth in ("", auth)]


def _check(host: Host, secret: Secret) -> list[str]:
    if not os.path.lexists(host.at(secret.path)):
        return [message("path_missing", path=secret.path)]
    return [*(f"{secret.path}: {what}" for what in _access(host, secret)), *_content(host, secret)]


def _ensure(host: Host, secret: Secret) -> list[str]:
    if not os.path.lexists(host.at(secret.path)):
        write(host, secret.path, f"{secret.make()}\n".encode(), 0o600)
        return [made(host, Folder(secret.path, 0o600))]
    changes = [message("repaired", path=secret.path, what=what) for what in _access(host, secret, mend=True)]
    problems = _content(host, secret)
    if problems:
        raise StepError("; ".join(problems))
    return changes


def _access(host: Host, secret: Secret, mend: bool = False) -> list[str]:
    want = Folder(secret.path, 0o600)
    with opened(host, secret.path, 0) as descriptor:
        problems = wrong_with(host, descriptor, want)
        if problems and mend:
            repair(host, descriptor, want)
    return problems


def _content(host: Host, secret: Secret) -> list[str]:
    with opened(host, secret.path, 0) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
        line = file.read().decode("utf-8", "replace").removesuffix("\n")
    if re.fullmatch(secret.form, line):
        return []
    return [message("secret_wrong", path=secret.path, form=message(secret.means))]


STEP = Step("secrets", check, ensure)
