"""Who may log in: the authenticator's part of the configuration."""

import os
from typing import Any

from hubctl import tokens
from hubctl.layout import Layout
from hubctl.settings import Settings
from hubctl.settings_sections import Auth
from hubctl.units import format_duration

AUTHENTICATORS: dict[Auth, str] = {"kerberos": "kerberos-pam", "pam": "pam", "shared-password": "shared-password"}
"""Names of JupyterHub's entry points, by the setting ``auth``."""

HEADER_SIZE = 64 * 1024
"""Bytes of a request's headers that the proxy takes where browsers log in with their ticket; the hub takes as many.
Active Directory's tickets alone are larger than node's default of 16 KiB."""


def configure(c: Any, settings: Settings, layout: Layout) -> None:
    """Sets the authenticator, its users and its secrets."""
    c.JupyterHub.authenticator_class = AUTHENTICATORS[settings.auth]
    c.Authenticator.admin_users = set(settings.admin_users)
    # the name becomes a folder's and an argument: neither a path nor an option may come of it
    c.Authenticator.username_pattern = r"[A-Za-z0-9_][A-Za-z0-9_.@-]*"
    if settings.auth == "shared-password":
        _shared_password(c, settings, layout)
        return
    c.PAMAuthenticator.service = "jupyterhub" if layout.pam_service.exists() else "login"
    c.PAMAuthenticator.allowed_groups = set(settings.allowed_groups)
    c.PAMAuthenticator.admin_groups = set(settings.admin_groups)
    if settings.auth == "kerberos":
        _kerberos(c, settings, layout)


def _shared_password(c: Any, settings: Settings, layout: Layout) -> None:
    section = c.SharedPasswordAuthenticator
    section.allow_all = True
    section.user_password = tokens.read_or_make(layout.shared_password, length=8)
    if settings.admin_users:
        section.admin_password = tokens.read_or_make(layout.shared_admin_password)


def _kerberos(c: Any, settings: Settings, layout: Layout) -> None:
    section = c.KerberosPAMAuthenticator
    if settings.kerberos.realm:
        section.realm = settings.kerberos.realm
    section.keytab = str(layout.below(settings.kerberos.keytab))
    section.ticket_lifetime = format_duration(settings.kerberos.ticket_lifetime)
    section.renewable_lifetime = format_duration(settings.kerberos.renewable_lifetime)
    section.ticket_folder = str(layout.tickets)
    section.destroy_tickets = set(settings.kerberos.destroy_tickets)
    if settings.kerberos.http_keytab:
        c.JupyterHub.authenticator_class = "kerberos-spnego"
        c.KerberosSPNEGOAuthenticator.http_keytab = str(layout.below(settings.kerberos.http_keytab))
        # inherited by the proxy
        options = [os.environ.get("NODE_OPTIONS", ""), f"--max-http-header-size={HEADER_SIZE}"]
        os.environ["NODE_OPTIONS"] = " ".join(filter(None, options))
