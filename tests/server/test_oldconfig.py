"""An old `jupyterhub_config.py` is read, not run: what it sets, and what is left to a person."""

from pathlib import Path
from typing import Any

import pytest
from hubctl.errors import HubError
from hubctl.oldsite import carry, oldconfig
from hubctl.oldsite.expressions import Symbol, Unknown


def options(tmp_path: Path, text: str) -> dict[str, Any]:
    """The value of each option that a file sets."""
    file = tmp_path / "jupyterhub_config.py"
    file.write_text(text)
    return {name: option.value for name, option in oldconfig.read(file).options.items()}


def sorted_out(tmp_path: Path, text: str) -> carry.Findings:
    (tmp_path / "jupyterhub_config.py").write_text(text)
    return carry.sort(oldconfig.read(tmp_path / "jupyterhub_config.py"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("443", 443),
        ("'4' + 'G'", "4G"),
        ("2 * 1024 ** 3", 2147483648),
        ("not True", False),
        ("-1", -1),
        ("set(['a', 'b'])", {"a", "b"}),
        ("{'a'} | {'b'}", {"a", "b"}),
        ("['a'] + ['b']", ["a", "b"]),
        ("'a b'.split()", ["a", "b"]),
        ("dict(a='b')", {"a": "b"}),
        ("{'a': 'b'}['a']", "b"),
        ("f'{NAME}:1'", "site:1"),
        ("'{}:{tag}'.format(NAME, tag=2)", "site:2"),
        ("'%s:%s' % (NAME, 3)", "site:3"),
        ("os.path.join('/srv', NAME)", "/srv/site"),
        ("NAME if DEBUG else 'x'", "x"),
        ("dockerspawner.DockerSpawner", Symbol("dockerspawner.DockerSpawner")),
        ("os.environ['TOKEN']", Unknown()),
        ("os.environ.get('TOKEN', 'x')", Unknown()),
        ("open('token').read()", Unknown()),
        ("[NAME, secrets.token_hex()]", ["site", Unknown()]),
        ("'%1000000000s' % NAME", Unknown()),
        ("'{:>1000000000}'.format(NAME)", Unknown()),
        ("'a' * 10**12", Unknown()),
        ("9 ** 9 ** 9", Unknown()),
        ("1 / 0", Unknown()),
        ("__import__('os').getpid()", Unknown()),
        ("[x for x in NAME]", Unknown()),
    ],
)
def test_expressions_have_their_values_or_are_unknown(tmp_path: Path, text: str, value: Any) -> None:
    before = "import os, dockerspawner, secrets\nNAME = 'site'\nDEBUG = False\n"
    assert options(tmp_path, f"{before}c.Spawner.x = {text}\n") == {"Spawner.x": value}


def test_nothing_of_the_file_is_run(tmp_path: Path) -> None:
    made = tmp_path / "made"
    options(tmp_path, f"from pathlib import Path\nPath('{made}').touch()\nc.JupyterHub.port = Path('{made}').touch()\n")
    assert not made.exists()


def test_lists_grow_by_whatever_name_they_have(tmp_path: Path) -> None:
    """As JupyterHub's own examples have it."""
    text = (
        "c.Authenticator.whitelist = whitelist = set()\n"
        "c.Authenticator.admin_users = admin = set()\n"
        "for name in ('alice', 'bob'):\n    whitelist.add(name)\n    if name == 'alice':\n        admin.add(name)\n"
        "c.DockerSpawner.volumes = {}\nc.DockerSpawner.volumes['/data'] = '/data'\n"
        "c.JupyterHub.services.append({'name': 'x'})\nc.JupyterHub.services += [{'name': 'y'}]\n"
        "c.Authenticator.admin_users.update({'eve'})\n"
    )
    assert options(tmp_path, text) == {
        "Authenticator.whitelist": {"alice", "bob"},
        "Authenticator.admin_users": {"alice", "eve"},
        "DockerSpawner.volumes": {"/data": "/data"},
        "JupyterHub.services": [{"name": "x"}, {"name": "y"}],
    }


def test_what_depends_on_the_running_hub_is_unknown(tmp_path: Path) -> None:
    text = (
        "c.Authenticator.whitelist = whitelist = set()\n"
        "with open('userlist') as file:\n    for line in file:\n        whitelist.add(line.split()[0])\n"
        "c.JupyterHub.port = 8000\n"
        "if os.path.exists('/etc/site'):\n    c.JupyterHub.port = 443\n"
        "try:\n    c.JupyterHub.ip = lookup()\nexcept OSError:\n    c.JupyterHub.ip = '10.0.0.1'\n"
        "if False:\n    c.JupyterHub.base_url = '/x'\n"
    )
    assert options(tmp_path, text) == {
        "Authenticator.whitelist": Unknown(),
        "JupyterHub.port": Unknown(),
        "JupyterHub.ip": Unknown(),
    }
    told = {person.what: person for person in sorted_out(tmp_path, text).persons}
    assert (told["JupyterHub.port"].line, told["JupyterHub.ip"].line) == (7, 11)
    assert "only the running hub knows the value" in told["Authenticator.whitelist"].do


@pytest.mark.parametrize(
    ("text", "setting", "value"),
    [
        ("c.JupyterHub.ip = ''", "bind", "0.0.0.0"),
        ("c.JupyterHub.hub_port = 9081", "internal_ports.hub", 9081),
        ("c.JupyterHub.proxy_api_port = 9001", "internal_ports.proxy_api", 9001),
        ("c.ConfigurableHTTPProxy.api_url = 'http://127.0.0.1:9001'", "internal_ports.proxy_api", 9001),
        ("c.JupyterHub.admin_users = {'eve'}", "admin_users", ["eve"]),
        ("c.LocalAuthenticator.group_whitelist = {'analysts'}", "allowed_groups", ["analysts"]),
        ("c.PAMAuthenticator.admin_groups = {'wheel'}", "admin_groups", ["wheel"]),
        ("c.JupyterHub.authenticator_class = 'pam'", "auth", "pam"),
        ("class A(PAMAuthenticator):\n    pass\nc.JupyterHub.authenticator_class = A", "auth", "pam"),
        ("c.JupyterHub.spawner_class = 'simple'", "spawner", "local"),
        ("class S(DockerSpawner):\n    pass\nc.JupyterHub.spawner_class = S", "spawner", "docker"),
        ("c.DockerSpawner.network_name = 'host'", "docker.network", "host"),
        ("c.DockerSpawner.container_image = 'x:1'", "docker.images", [{"name": "x:1", "image": "x:1"}]),
        ("c.DockerSpawner.image_whitelist = ['x', 'y']", "docker.images", [{"name": n, "image": n} for n in "xy"]),
        ("c.Spawner.mem_limit = 1073741824", "limits.memory", "1g"),
        ("c.SystemUserSpawner.mem_limit = '1.5G'", "limits.memory", "1536m"),
        ("c.DockerSpawner.volumes = {'/d': '/x:ro'}", "mounts", [{"host": "/d", "container": "/x"}]),
        (
            "c.DockerSpawner.volumes = {'/etc/passwd.d': '/x:ro'}",
            "mounts",
            [{"host": "/etc/passwd.d", "container": "/x"}],
        ),
        ("c.JupyterHub.services = [{'command': 'cull_idle --timeout 60'}]", "idle_culler.timeout", "10m"),
        (
            "c.JupyterHub.allow_named_servers = True\nc.JupyterHub.named_server_limit_per_user = 3",
            "named_servers",
            3,
        ),
    ],
)
def test_settings_are_carried_over(tmp_path: Path, text: str, setting: str, value: Any) -> None:
    found = {".".join(map(str, entry.where)): entry.value for entry in sorted_out(tmp_path, f"{text}\n").carried}
    assert found == {setting: value}


def test_an_address_is_bind_and_port(tmp_path: Path) -> None:
    found = sorted_out(tmp_path, "c.JupyterHub.bind_url = 'https://127.0.0.1:8443/'\n").carried
    assert {entry.where: entry.value for entry in found} == {("port",): 8443, ("bind",): "127.0.0.1"}


@pytest.mark.parametrize(
    "text",
    [
        "c.JupyterHub.port = 'no number'",
        "c.JupyterHub.bind_url = 8000",
        "c.Spawner.cpu_limit = 'two'",
        "c.JupyterHub.authenticator_class = 'ldapauthenticator.LDAPAuthenticator'",
        "c.JupyterHub.authenticator_class = 'dummy'",
        "c.JupyterHub.spawner_class = 'kubespawner.KubeSpawner'",
        "c.JupyterHub.ip = 'hub.example.org'",
        "c.JupyterHub.base_url = '/jupyter'",
        "c.JupyterHub.api_tokens = {'s3cret': 'alice'}",
        "c.JupyterHub.admin_access = True",
        "c.JupyterHub.allow_named_servers = True",
        "c.DockerSpawner.network_name = 'jupyterhub'",
        "c.DockerSpawner.volumes = {'jupyterhub-user-{username}': '/home/jovyan/work'}",
        "c.DockerSpawner.volumes = {'/var/run/docker.sock': '/var/run/docker.sock'}",
        "c.DockerSpawner.extra_host_config = {'shm_size': '1g'}",
        "c.DockerSpawner.pre_spawn_hook = hook",
        "c.DockerSpawner.image = os.environ['IMAGE']",
        "c.DockerSpawner.image_whitelist = images()",
        "c.JupyterHub.allow_named_servers = wanted()",
        "c.JupyterHub.db_url = address()",
        "c.JupyterHub.services = services()",
        "c.DockerSpawner.mem_limit = lambda spawner: '1G'",
        "c.Spawner.environment = {'PASSWORD': 's3cret'}",
        "c.Authenticator.admin_users = {'no account'}",
        "c.SomethingOfTheSite.password = 's3cret'",
        "load_subconfig('more.py')",
    ],
)
def test_what_can_not_be_carried_over_is_a_persons_and_no_value_is_shown(tmp_path: Path, text: str) -> None:
    found = sorted_out(tmp_path, f"{text}\n")
    told = [person for person in found.persons if person.line]
    assert [person.line for person in told] == [1]
    assert (found.carried, "s3cret" in str(told)) == ([], False)


def test_the_realm_is_the_one_that_is_written_in_the_class_or_beside_it(tmp_path: Path) -> None:
    use = "c.JupyterHub.authenticator_class = K\n"
    in_class = "class K(Authenticator):\n    run = 'kinit alice@SITE.EXAMPLE'\n"
    beside = "REALM = 'SITE.EXAMPLE'\nclass K(Authenticator):\n    run = f'kinit alice@{REALM}'\n"
    set_ = "class K(Authenticator):\n    '''kinit'''\nc.K.realm = 'SITE.EXAMPLE'\n"
    for text in (in_class, beside, set_):
        found = sorted_out(tmp_path, text + use)
        assert {entry.where: entry.value for entry in found.carried} == {
            ("auth",): "kerberos",
            ("kerberos", "realm"): "SITE.EXAMPLE",
        }
    two = in_class.replace("kinit alice", "kinit bob@OTHER.EXAMPLE alice")
    assert "several realms" in str(sorted_out(tmp_path, two + use).persons)


@pytest.mark.parametrize("text", ["print 'Python 2'\n", "c.JupyterHub.password = 'x\n", "\0"])
def test_what_is_no_python_3_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(HubError) as refused:
        options(tmp_path, text)
    assert str(tmp_path / "jupyterhub_config.py") in str(refused.value)
    assert "'x" not in str(refused.value)
