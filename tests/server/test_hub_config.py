"""JupyterHub's configuration made from the settings: JupyterHub accepts it, and it is as safe as it says."""

import itertools
import logging
import os
import pwd
import stat
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hubctl import configuration, containers, homes, kernels, krb5conf, login, names, tokens
from hubctl.errors import HubError
from hubctl.layout import Layout
from hubctl.settings import Settings
from jupyterhub.app import JupyterHub
from traitlets.config import Config
from traitlets.utils.importstring import import_item

COMBINATIONS = list(itertools.product(["kerberos", "pam", "shared-password"], ["docker", "local"]))
REALM = {"realm": "EX.TEST"}
ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    for path in ("etc/jupyterhub/ssl", "etc/jupyterhub/jupyterhub_config.d", "var/lib/jupyterhub"):
        (tmp_path / path).mkdir(parents=True)
    for name in ("hub.key", "hub.crt"):
        (tmp_path / "etc/jupyterhub/ssl" / name).touch()
    return layout


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Docker Engine is asked, and the tests' own environment stays as it is."""
    monkeypatch.setattr(containers, "bridge", lambda: ("172.17.0.0/16", "172.17.0.1"))
    monkeypatch.setattr(kernels, "mounts", lambda settings, layout, image: {})
    monkeypatch.setattr(containers, "_skipped", set())
    for name in ("PATH", "NODE_OPTIONS", "HUBFORGE_SERVERS", "HUBFORGE_GUARDED"):
        monkeypatch.setenv(name, os.environ.get(name, ""))


def settings(**values: Any) -> Settings:
    return Settings.model_validate(values)


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


@pytest.mark.parametrize("auth", ["kerberos", "pam", "shared-password"])
def test_authenticators_are_entry_points(auth: str) -> None:
    assert login.AUTHENTICATORS[auth] in entry_points(group="jupyterhub.authenticators").names


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
    c = applied(layout, spawner="docker", docker={"network": "host", "port_range": {"first": 21000, "last": 21999}})
    assert c.JupyterHub.hub_bind_url == "http://127.0.0.1:8081"
    assert c.DockerSpawner.network_name == "host"
    assert c.DockerSpawner.host_port_range == (21000, 21999)
    assert c.DockerSpawner.args == ["--KernelManager.transport=ipc"]


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


def spawner(image: str = "hubforge/notebook", name: str = ME) -> Any:
    return SimpleNamespace(
        user=SimpleNamespace(name=name), image=image, environment={}, user_options={}, log=logging.getLogger("spawner")
    )


def test_containers_have_the_users_rights_and_no_more(layout: Layout) -> None:
    values = settings(auth="pam", spawner="docker", limits={"memory": "3g", "pids": 100})
    host = containers.host_config(spawner(), settings=values, layout=layout)
    assert host["cap_drop"] == ["ALL"]
    assert host["security_opt"] == ["no-new-privileges"]
    assert (host["mem_limit"], host["pids_limit"]) == ("3g", 100)
    entry = pwd.getpwnam(ME)
    create = containers.create_arguments(spawner(), settings=values, layout=layout)
    assert create["user"] == f"{entry.pw_uid}:{entry.pw_gid}"
    assert host["cap_add"] == []
    writable = {source: bind["bind"] for source, bind in host["binds"].items() if bind["mode"] == "rw"}
    assert writable == {f"{entry.pw_dir}/work": entry.pw_dir}


def test_an_image_can_have_limits_of_its_own(layout: Layout) -> None:
    own = {"name": "B", "image": "b", "memory": "16g", "pids": 99}
    values = settings(auth="pam", spawner="docker", docker={"images": [{"name": "A", "image": "a"}, own]})
    limits = [containers.host_config(spawner(i), settings=values, layout=layout) for i in ("a", "b")]
    assert [(host["mem_limit"], host["pids_limit"]) for host in limits] == [("4g", 512), ("16g", 99)]


def test_the_account_root_gets_no_server_of_an_image_that_does_not_say_so(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = homes.Account("root", 0, 0, (), "/root", Path("/root/work"), True)
    monkeypatch.setattr(containers, "account", lambda *_: account)
    with pytest.raises(Exception, match="does not run as root"):
        containers.prepare(spawner(name="root"), settings=settings(spawner="docker"), layout=layout)


def test_two_entries_of_one_image_have_each_its_limits(layout: Layout) -> None:
    entries = [{"name": "Small", "image": "a"}, {"name": "Large", "image": "a", "memory": "16g"}]
    values = settings(auth="pam", spawner="docker", docker={"images": entries})
    large = spawner("a")
    large.user_options = {"image": "Large"}
    assert containers.host_config(large, settings=values, layout=layout)["mem_limit"] == "16g"


def test_only_an_image_that_says_so_runs_as_root_and_even_that_has_few_rights(layout: Layout) -> None:
    images = [{"name": "A", "image": "a"}, {"name": "B", "image": "b", "root": True}]
    values = settings(auth="pam", spawner="docker", docker={"images": images})
    users = [containers.create_arguments(spawner(i), settings=values, layout=layout)["user"] for i in ("a", "b")]
    assert users[0] != "0:0" or os.geteuid() == 0
    assert users[1] == "0:0"
    host = containers.host_config(spawner("b"), settings=values, layout=layout)
    assert host["cap_drop"] == ["ALL"]
    assert "SYS_ADMIN" not in host["cap_add"]
    assert host["security_opt"] == ["no-new-privileges"]


def test_a_name_of_a_shared_password_gets_no_rights_of_the_account(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    values = settings(auth="shared-password", spawner="docker")
    create = containers.create_arguments(spawner(name="root"), settings=values, layout=layout)
    assert create["user"] == "65534:65534"
    host = containers.host_config(spawner(name="root"), settings=values, layout=layout)
    writable = [source for source, bind in host["binds"].items() if bind["mode"] == "rw"]
    assert writable == [str(layout.homes / "root")]


def test_mounts_apply_where_they_exist_and_skipped_ones_are_logged_once(
    layout: Layout, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("parcels", "data"):
        (layout.root / "opt" / name).mkdir(parents=True)
    wanted = [
        {"host": "/opt/parcels"},
        {"host": "/opt/data", "container": "/data", "writable": True},
        {"host": "/opt/gone"},
    ]
    values = settings(auth="pam", spawner="docker", mounts=wanted)
    binds = [containers.host_config(spawner(), settings=values, layout=layout)["binds"] for _ in range(2)][1]
    assert binds[f"{layout.root}/opt/parcels"] == {"bind": "/opt/parcels", "mode": "ro"}
    assert binds[f"{layout.root}/opt/data"] == {"bind": "/data", "mode": "rw"}
    assert f"{layout.root}/opt/gone" not in binds
    assert caplog.messages == ["/opt/gone is not on this host: not mounted into containers"]
    (layout.root / "opt/gone").mkdir()
    assert f"{layout.root}/opt/gone" in containers.host_config(spawner(), settings=values, layout=layout)["binds"]


def test_kernelspecs_are_mounted_read_only(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "mounts", lambda settings, layout, image: {"/k/1g": f"/kernels/{image}"})
    values = settings(auth="pam", spawner="docker")
    binds = containers.host_config(spawner(), settings=values, layout=layout)["binds"]
    assert binds["/k/1g"] == {"bind": "/kernels/hubforge/notebook", "mode": "ro"}


def test_names_of_the_user_and_of_the_host_are_known_inside(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    values = settings(auth="pam", spawner="docker")
    group = SimpleNamespace(gr_name="analysts", gr_mem=["alice", "bob"])
    monkeypatch.setattr(names.grp, "getgrgid", lambda gid: group)
    account = homes.Account("alice", 60123, 60124, (), "/home/alice", Path("/home/alice/work"), True)
    monkeypatch.setattr(containers, "account", lambda *_: account)
    binds = containers.host_config(spawner(), settings=values, layout=layout)["binds"]
    inside = {
        bind["bind"]: Path(source).read_text().splitlines() for source, bind in binds.items() if "names" in source
    }
    assert inside["/etc/passwd"][0] == "alice:x:60123:60124:alice:/home/alice:/bin/bash"
    assert inside["/etc/group"][0] == "analysts:x:60124:alice,bob"
    assert any(line.startswith("root:") for line in inside["/etc/passwd"])
    assert {bind["mode"] for source, bind in binds.items() if "names" in source} == {"ro"}


def test_what_krb5_conf_includes_comes_along(layout: Layout) -> None:
    """A folder's link that leads elsewhere, as RHEL's crypto-policies, would lead nowhere in a container."""
    etc = layout.root / "etc"
    (etc / "krb5.conf.d").mkdir()
    (etc / "elsewhere").write_text("[libdefaults]\npermitted_enctypes = aes256-cts\n")
    (etc / "krb5.conf.d/crypto-policies").symlink_to(etc / "elsewhere")
    (etc / "krb5.conf.d/notes.txt~").write_text("not read by Kerberos")
    (etc / "krb5.conf.d/dangling").symlink_to("/no/such/file")
    (etc / "krb5.conf").write_text("[realms]\nincludedir /etc/krb5.conf.d\nEX.TEST = {\n kdc = kdc.ex.test\n}\n")
    values = settings(auth="kerberos", spawner="docker")
    binds = containers.host_config(spawner(), settings=values, layout=layout)["binds"]
    (source,) = (source for source, bind in binds.items() if bind["bind"] == "/etc/krb5.conf")
    lines = Path(source).read_text().splitlines()
    assert lines == [
        *("[realms]", "[libdefaults]", "permitted_enctypes = aes256-cts"),
        *("[realms]", "EX.TEST = {", " kdc = kdc.ex.test", "}"),
    ]


def test_an_included_file_that_includes_itself_ends(layout: Layout) -> None:
    (layout.root / "etc/krb5.conf").write_text("include /etc/krb5.conf\n[libdefaults]\n")
    binds = krb5conf.write(layout)
    assert Path(next(iter(binds))).read_text() == "[libdefaults]\n"


def test_a_user_without_account_is_told_so(layout: Layout) -> None:
    values = settings(auth="pam", spawner="docker")
    with pytest.raises(Exception, match="no account no-such-user") as caught:
        containers.prepare(spawner(name="no-such-user"), settings=values, layout=layout)
    assert "Ask the administrator" in caught.value.jupyterhub_message  # type: ignore[attr-defined]


def test_a_missing_home_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    account = homes.Account(ME, os.geteuid(), os.getegid(), (), "/home/x", tmp_path / "x" / "work", True)
    homes.ensure(account)
    homes.ensure(account)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o700
    assert stat.S_IMODE(account.folder.stat().st_mode) == 0o700


def test_a_home_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "work").symlink_to("/etc")
    account = homes.Account(ME, os.geteuid(), os.getegid(), (), "/home/x", tmp_path / "x" / "work", True)
    with pytest.raises(homes.NoHomeError, match="is a link"):
        homes.ensure(account)


def test_a_home_on_a_disk_that_can_only_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = homes.Account(ME, os.geteuid(), os.getegid(), (), "/home/x", tmp_path / "x" / "work", True)
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_RDONLY))
    with pytest.raises(homes.NoHomeError, match=r"can only be read.*administrator"):
        homes.ensure(account)


def test_an_account_without_home_gets_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = SimpleNamespace(pw_dir="/", pw_uid=1, pw_gid=1)
    monkeypatch.setattr(pwd, "getpwnam", lambda name: entry)
    with pytest.raises(homes.NoHomeError, match="no home folder"):
        homes.of_host("alice")


@pytest.mark.parametrize(("inside", "mounted"), [("own", True), ("other", False)])
def test_a_home_that_was_replaced_while_the_container_started_is_noticed(
    tmp_path: Path, inside: str, mounted: bool
) -> None:
    for name in ("own", "other"):
        (tmp_path / name).mkdir()
    account = homes.Account(ME, 1, 1, (), str(tmp_path / inside), tmp_path / "own", True)
    assert homes.is_mounted(account, os.getpid()) is mounted
    (tmp_path / "link").symlink_to(tmp_path / "own")
    with pytest.raises(OSError, match="link"):
        homes.is_mounted(homes.Account(ME, 1, 1, (), str(tmp_path / "link"), tmp_path / "own", True), os.getpid())


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
