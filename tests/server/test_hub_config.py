"""JupyterHub's configuration made from the settings: JupyterHub accepts it, and it is as safe as it says."""

import itertools
import os
import stat
import sys
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hub_config_support import no_engine, scratch_layout, settings  # noqa: F401  # fixtures
from hubctl import configuration, login, tokens
from hubctl.errors import HubError
from hubctl.layout import Layout
from jupyterhub.app import JupyterHub
from traitlets.config import Config
from traitlets.utils.importstring import import_item

COMBINATIONS = list(itertools.product(["kerberos", "pam", "shared-password"], ["docker", "local"]))
REALM = {"realm": "EX.TEST"}


def applied(layout: Layout, **values: Any) -> Any:
    c = Config()
    configuration.apply(c, settings(**values), layout)
    return c


def as_uid(monkeypatch: pytest.MonkeyPatch, auth: str, spawner: str) -> None:
    """Pretends the user that this combination needs."""
    uid = 1000 if (auth, spawner) == ("shared-password", "local") else 0
    monkeypatch.setattr(os, "geteuid", lambda: uid)


def class_of(section: str) -> Any:
    """The class whose options a section of the configuration sets."""
    modules = {
        "JupyterHub": "jupyterhub.app",
        "ConfigurableHTTPProxy": "jupyterhub.proxy",
        "Authenticator": "jupyterhub.auth",
        "PAMAuthenticator": "jupyterhub.auth",
        "SharedPasswordAuthenticator": "jupyterhub.authenticators.shared",
        "KerberosPAMAuthenticator": "jupyterhub_kerberos",
        "DockerSpawner": "dockerspawner",
        "ContainerSpawner": "hubctl.spawner",
        "ProcessSpawner": "hubctl.local",
    }
    return import_item(f"{modules.get(section, 'jupyterhub.spawner')}.{section}")


@pytest.mark.parametrize(("auth", "spawner"), COMBINATIONS)
def test_jupyterhub_accepts_every_combination(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, auth: str, spawner: str
) -> None:
    as_uid(monkeypatch, auth, spawner)
    c = applied(layout, auth=auth, spawner=spawner, admin_users=["root-of-all"], named_servers=2, kerberos=REALM)
    hub = JupyterHub(config=c)
    assert hub.bind_url == "https://0.0.0.0:8000"
    assert (
        hub.authenticator_class.__name__
        == {
            "kerberos": "KerberosPAMAuthenticator",
            "pam": "PAMAuthenticator",
            "shared-password": "SharedPasswordAuthenticator",
        }[auth]
    )
    authenticator = hub.authenticator_class(parent=hub)
    assert authenticator.admin_users == {"root-of-all"}
    assert authenticator.validate_username("alice.b-c")
    for name in ("-rf", "../etc", "a/b", ".", "..", ""):
        assert not authenticator.validate_username(name), name
    user = SimpleNamespace(name="alice", escaped_name="alice", url="/user/alice/", settings={}, id=1)
    spawned = hub.spawner_class(parent=hub, user=user)
    assert spawned.default_url == "/lab"


@pytest.mark.parametrize("network", ["bridge", "host"])
@pytest.mark.parametrize(("auth", "spawner"), COMBINATIONS)
def test_every_option_that_is_set_exists(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, auth: str, spawner: str, network: str
) -> None:
    as_uid(monkeypatch, auth, spawner)
    c = applied(layout, auth=auth, spawner=spawner, docker={"network": network}, kerberos=REALM)
    unknown = [
        f"{section}.{option}"
        for section, options in c.items()
        for option in options
        if option not in class_of(section).class_trait_names(config=True)
    ]
    assert unknown == []


@pytest.mark.parametrize("name", login.AUTHENTICATORS.values(), ids=login.AUTHENTICATORS)
def test_authenticators_are_entry_points(name: str) -> None:
    assert name in entry_points(group="jupyterhub.authenticators").names


def test_a_shared_password_for_processes_of_root_is_refused(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(HubError, match=r"would run notebooks as root.*ordinary user"):
        applied(layout, auth="shared-password", spawner="local")


@pytest.mark.parametrize("auth", ["kerberos", "pam"])
def test_processes_of_users_need_root(layout: Layout, monkeypatch: pytest.MonkeyPatch, auth: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(HubError, match="only root can"):
        applied(layout, auth=auth, spawner="local")


def test_apis_are_on_the_loopback(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    as_uid(monkeypatch, "pam", "local")
    c = applied(layout, auth="pam", spawner="local", internal_ports={"hub": 9081, "proxy_api": 9001})
    assert c.JupyterHub.hub_bind_url == "http://127.0.0.1:9081"
    assert c.ConfigurableHTTPProxy.api_url == "http://127.0.0.1:9001"


def test_containers_on_the_host_network_meet_on_the_loopback_alone(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_uid(monkeypatch, "pam", "docker")
    ports = {"servers": {"first": 21000, "last": 21999}}
    c = applied(layout, spawner="docker", docker={"network": "host"}, internal_ports=ports)
    assert c.JupyterHub.hub_bind_url == "http://127.0.0.1:8081"
    assert c.DockerSpawner.network_name == "host"
    assert c.DockerSpawner.host_port_range == (21000, 21999)
    assert c.DockerSpawner.args == ["--KernelManager.transport=ipc"]


@pytest.mark.parametrize("spawner", ["docker", "local"])
def test_the_proxy_looks_before_it_sends_and_keeps_its_other_options(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, spawner: str
) -> None:
    as_uid(monkeypatch, "kerberos", spawner)
    applied(layout, auth="kerberos", spawner=spawner, kerberos={"http_keytab": "/etc/http.keytab", **REALM})
    assert "proxyguard.cjs" in os.environ["NODE_OPTIONS"]
    assert "--max-http-header-size=65536" in os.environ["NODE_OPTIONS"]
    assert "127.0.0.0/8" in os.environ["HUBFORGE_GUARDED"]


def test_the_proxy_is_left_to_its_own_service_by_the_hub_of_the_unit_alone(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_uid(monkeypatch, "pam", "local")
    assert "should_start" not in applied(layout, proxy_service=True).ConfigurableHTTPProxy, "jupyterhub by hand"
    monkeypatch.setenv("HUBFORGE_UNIT", "jupyterhub.service")
    assert applied(layout, proxy_service=True).ConfigurableHTTPProxy.should_start is False
    assert "should_start" not in applied(layout).ConfigurableHTTPProxy


def test_local_servers_share_nothing_on_the_loopback_but_their_own_ports(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_uid(monkeypatch, "pam", "local")
    c = applied(layout, spawner="local")
    assert c.LocalProcessSpawner.args == ["--KernelManager.transport=ipc"]


def test_containers_on_the_bridge_reach_the_hub_there_and_publish_nothing(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_uid(monkeypatch, "pam", "docker")
    c = applied(layout, spawner="docker")
    assert c.JupyterHub.hub_bind_url == "http://172.17.0.1:8081"
    assert c.DockerSpawner.use_internal_ip is True


def test_secrets_are_made_once_and_for_the_owner_alone(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    as_uid(monkeypatch, "shared-password", "local")
    first = applied(layout, auth="shared-password", spawner="local", admin_users=["boss"])
    second = applied(layout, auth="shared-password", spawner="local", admin_users=["boss"])
    assert first.SharedPasswordAuthenticator == second.SharedPasswordAuthenticator
    assert first.SharedPasswordAuthenticator.user_password == layout.shared_password.read_text().strip()
    assert first.SharedPasswordAuthenticator.admin_password != first.SharedPasswordAuthenticator.user_password
    names = {path.name for path in layout.state.iterdir() if path.is_file()}
    assert names == {"shared_password", "shared_admin_password", "proxy_token", "hubctl_token"}
    assert {stat.S_IMODE((layout.state / name).stat().st_mode) for name in names} == {0o600}


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "proxy_token"
    secret.write_text("abc")
    secret.chmod(0o644)
    with pytest.raises(HubError, match=r"proxy_token can be read by others.*chmod 600"):
        tokens.read_or_make(secret)


def test_pam_uses_the_hubs_own_service_where_there_is_one(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    as_uid(monkeypatch, "pam", "local")
    assert applied(layout, auth="pam").PAMAuthenticator.service == "login"
    layout.pam_service.parent.mkdir()
    layout.pam_service.touch()
    c = applied(layout, auth="pam", allowed_groups=["analysts"])
    assert c.PAMAuthenticator.service == "jupyterhub"
    assert c.PAMAuthenticator.allowed_groups == {"analysts"}


@pytest.mark.parametrize("name", ["hub.key", "hub.crt"])
def test_a_missing_certificate_is_named(layout: Layout, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    as_uid(monkeypatch, "pam", "local")
    (layout.root / "etc/jupyterhub/ssl" / name).unlink()
    with pytest.raises(HubError, match=rf"{name} is not there.*hubctl setup"):
        applied(layout, auth="pam")


def test_idle_servers_are_ended_with_no_more_rights_than_that_needs(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_uid(monkeypatch, "pam", "local")
    c = applied(layout, auth="pam", idle_culler={"timeout": "2h"})
    culler = next(service for service in c.JupyterHub.services if service["name"] == "idle-culler")
    assert culler["command"][-1] == "--timeout=7200"
    role = next(role for role in c.JupyterHub.load_roles if role["name"] == "idle-culler")
    assert set(role["scopes"]) == {"list:users", "read:users:activity", "read:servers", "delete:servers"}
    c = applied(layout, auth="pam", idle_culler={"enabled": False})
    assert [service["name"] for service in c.JupyterHub.services] == ["hubctl"]


def write_settings(layout: Layout, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layout.settings.write_text(text)
    monkeypatch.setenv("HUBFORGE_ROOT", str(layout.root))
    as_uid(monkeypatch, "pam", "local")


def test_jupyterhub_reads_the_environments_configuration_where_no_other_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JupyterHub's own is the folder's alone; forge/wheels/amendments.py has what was changed."""
    environment, elsewhere = tmp_path / "environment", tmp_path / "elsewhere"
    for folder in (environment, elsewhere):
        folder.mkdir()
    monkeypatch.setattr(sys, "prefix", str(environment))
    monkeypatch.chdir(elsewhere)
    named = tmp_path / "named.py"

    def read(*arguments: str) -> str:
        hub = JupyterHub()
        hub.parse_command_line([*arguments])
        return str(hub.config_file)

    assert read() == "jupyterhub_config.py", "as everywhere else"
    for path in (environment / "jupyterhub_config.py", named):
        path.touch()
    assert read() == str(environment / "jupyterhub_config.py")
    assert read("--generate-config") == "jupyterhub_config.py"
    assert read("-f", str(named)) == str(named)
    (elsewhere / "jupyterhub_config.py").touch()
    assert read() == "jupyterhub_config.py"
    assert read("-f", str(named)) == str(named)


def test_the_administrators_python_has_the_last_word_in_order(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    write_settings(layout, "auth: pam\n", monkeypatch)
    (layout.config_folder / "20-late.py").write_text("c.JupyterHub.active_server_limit += 1\n")
    (layout.config_folder / "10-early.py").write_text("get_config().JupyterHub.active_server_limit = 4\n")
    (layout.config_folder / "notes.txt").write_text("not Python")
    c = Config()
    configuration.configure(c)
    assert c.JupyterHub.active_server_limit == 5


@pytest.mark.parametrize("text", ["\nc.x = 1 / 0\n", "\nif:\n", "\nimport no_such_module\n"])
def test_a_mistake_in_the_administrators_python_is_told_with_file_and_line(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    write_settings(layout, "auth: pam\n", monkeypatch)
    path = layout.config_folder / "10-site.py"
    path.write_text(text)
    with pytest.raises(SystemExit) as caught:
        configuration.configure(Config())
    assert str(caught.value).startswith(f"hubctl: {path}:2: ")


def test_wrong_settings_end_the_hub_with_their_lines(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    write_settings(layout, "auth: pam\nporrt: 1\n", monkeypatch)
    with pytest.raises(SystemExit, match=r"hub\.yaml:2: porrt: unknown key"):
        configuration.configure(Config())
