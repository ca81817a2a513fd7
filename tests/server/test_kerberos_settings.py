"""What hub.yaml makes of the authenticator."""

import os
from pathlib import Path

import pytest
from hubctl import login
from hubctl.layout import Layout
from hubctl.settings import Settings
from jupyterhub_kerberos import KerberosPAMAuthenticator, KerberosSPNEGOAuthenticator
from traitlets.config import Config


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def applied(layout: Layout, **kerberos: object) -> Config:
    config = Config()
    section = {"realm": "EXAMPLE.ORG", **kerberos}
    values = {"auth": "kerberos", "allowed_groups": ["analysts"], "admin_groups": ["operators"], "kerberos": section}
    login.configure(config, Settings.model_validate(values), layout)
    return config


def test_settings_reach_the_authenticator(layout: Layout) -> None:
    config = applied(layout, ticket_lifetime="8h30m", destroy_tickets=["logout"])
    assert config.JupyterHub.authenticator_class == "kerberos-pam"
    authenticator = KerberosPAMAuthenticator(config=config)
    assert authenticator.realm == "EXAMPLE.ORG"
    assert authenticator.allowed_groups == {"analysts"}
    assert authenticator.admin_groups == {"operators"}
    assert authenticator.ticket_lifetime == "8h30m"
    assert authenticator.renewable_lifetime == "7d"
    assert authenticator.destroy_tickets == {"logout"}
    assert authenticator.ticket_folder == str(layout.tickets)


def test_keytab_for_browsers_switches_single_sign_on_on(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_OPTIONS", "--trace-warnings")
    config = applied(layout, http_keytab="/etc/jupyterhub/http.keytab")
    assert config.JupyterHub.authenticator_class == "kerberos-spnego"
    authenticator = KerberosSPNEGOAuthenticator(config=config)
    assert authenticator.http_keytab == str(layout.below("/etc/jupyterhub/http.keytab"))
    assert authenticator.realm == "EXAMPLE.ORG"
    assert os.environ["NODE_OPTIONS"] == "--trace-warnings --max-http-header-size=65536"


def test_other_ends_of_a_ticket_are_refused(layout: Layout) -> None:
    with pytest.raises(ValueError, match="'logout' or 'stop'"):
        applied(layout, destroy_tickets=["sunset"])
