"""An old `jupyterhub_config.py` is read, not run: what it sets, and what is left to a person."""

import re
from pathlib import Path
from typing import Any

import pytest
from hubctl.errors import HubError
from hubctl.oldsite import carry, reading
from hubctl.oldsite.expressions import Symbol, Unknown
from hubctl.oldsite.findings import Findings


def options(tmp_path: Path, text: str) -> dict[str, Any]:
    """The value of each option that a file sets."""
    file = tmp_path / "jupyterhub_config.py"
    file.write_text(text)
    return {name: option.value for name, option in reading.read(file).options.items()}


def sorted_out(tmp_path: Path, text: str) -> Findings:
    (tmp_path / "jupyterhub_config.py").write_text(text)
    return carry.sort(reading.read(tmp_path / "jupyterhub_config.py"))


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


@pytest.mark.parametrize(
    "text",
    [
        "c['JupyterHub']['port'] = 443",
        "c.JupyterHub['port'] = 443",
        "c['JupyterHub'].port = 443",
        "get_config()['JupyterHub'].port = 443",
        "cfg = get_config()\ncfg.JupyterHub.port = 443",
        "config = c\nconfig.JupyterHub['port'] = 443",
        "hub = c.JupyterHub\nhub.port = 443",
        "try:\n    cfg = get_config()\nexcept NameError:\n    raise\ncfg.JupyterHub.port = 443",
        "from traitlets.config import get_config\nx = get_config()\nx.JupyterHub.port = 443",
        "c.merge({'JupyterHub': {'port': 443}})",
        "c.update({'JupyterHub': {'port': 443}})",
        "c.update(JupyterHub={'port': 443})",
        "c.JupyterHub.update({'port': 443})",
        "c.JupyterHub.update(port=443)",
        "c.JupyterHub.merge(dict(port=443))",
        "more = {'JupyterHub': {'port': 443}}\nc.merge(more)",
        "more = {'port': 443}\nc.JupyterHub.update(**more)",
        "from traitlets.config import Config\nc.merge(Config({'JupyterHub': {'port': 443}}))",
        "from traitlets.config import Config\nc.JupyterHub = Config(port=443)",
        "c |= {'JupyterHub': {'port': 443}}",
        "c['JupyterHub'] |= {'port': 443}",
        "setattr(c.JupyterHub, 'port', 443)",
        "for name, value in {'port': 443}.items():\n    c.JupyterHub[name] = value",
        "for part, own in {'JupyterHub': {'port': 443}}.items():\n    c[part].update(own)",
        "c.JupyterHub.ip = '10.0.0.1'\nc.update({'JupyterHub': {'port': 443}})",
        "c.JupyterHub.port, other = 443, 1",
    ],
)
def test_an_option_is_read_however_it_is_set(tmp_path: Path, text: str) -> None:
    """As traitlets' Config has it: `update` of the whole takes the place of a section."""
    assert options(tmp_path, f"{text}\n") == {"JupyterHub.port": 443}
    assert [person.what for person in sorted_out(tmp_path, f"{text}\n").persons if person.line] == []


def test_options_of_a_dictionary_have_the_lines_that_they_stand_in(tmp_path: Path) -> None:
    text = "c.merge({\n    'JupyterHub': {\n        'port': 443,\n        'base_url': find(),\n    },\n})\n"
    found = sorted_out(tmp_path, text)
    assert [(entry.old, entry.line) for entry in found.carried] == [("JupyterHub.port", 3)]
    assert [(person.what, person.line) for person in found.persons if person.line] == [("JupyterHub.base_url", 4)]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("c.merge(load())", "c"),
        ("c.merge({'JupyterHub': load()})", "c.JupyterHub"),
        ("c.JupyterHub.update(load())", "c.JupyterHub"),
        ("c.JupyterHub[name()] = 443", "c.JupyterHub"),
        ("c[name()].port = 443", "c"),
        ("setattr(c.JupyterHub, name(), 443)", "c.JupyterHub"),
        ("configure(c)", "c"),
        ("done = configure(c.JupyterHub)", "c.JupyterHub"),
        ("c.JupyterHub = load()", "c.JupyterHub"),
        ("def configure():\n    c.JupyterHub.port = 443", "c.JupyterHub.port"),
        ("def configure():\n    get_config().JupyterHub.port = 443", "c.JupyterHub.port"),
        ("[setattr(c.JupyterHub, name, 1) for name in names()]", "c.JupyterHub"),
        ("cfg = c if debug() else None\ncfg.JupyterHub.port = 443", "c"),
        ("everything = [c]", "c"),
        ("c |= load()", "c"),
        ("del c.JupyterHub", "c.JupyterHub"),
        ("port = c.JupyterHub.setdefault('port', 443)", "c.JupyterHub"),
        ("found = c.Authenticator.whitelist.pop()", "c.Authenticator.whitelist"),
        ("match mode():\n    case 1:\n        c.JupyterHub.port = 443", "c.JupyterHub.port"),
        ("for name in names():\n    pass\nelse:\n    c.JupyterHub.port = 443", "c.JupyterHub.port"),
        ("from traitlets.config import Config\ncfg = Config()\ncfg.JupyterHub.port = 443\nc.merge(cfg)", "c"),
        ("c = load()\nc.JupyterHub.port = 443", "c.JupyterHub.port"),
    ],
)
def test_what_is_done_to_the_configuration_and_can_not_be_read_is_a_persons(
    tmp_path: Path, text: str, part: str
) -> None:
    found = sorted_out(tmp_path, f"{text}\n")
    (told,) = [person for person in found.persons if person.line]
    lines = text.splitlines()
    assert (told.what, found.carried) == (part, [])
    assert re.search(r"\b(c|cfg|get_config)\b", lines[(told.line or 0) - 1])
    assert "look" in told.do


def test_who_only_looks_at_an_option_changes_nothing(tmp_path: Path) -> None:
    text = (
        "c.DockerSpawner.image = 'site/spark:3'\n"
        "images = {'Spark': c.DockerSpawner.image, 'Other': c['DockerSpawner']['image'].lower()}\n"
        "def hook(spawner):\n    return c.DockerSpawner.image\n"
        "def client(c):\n    return c.images.pull('x')\n"
        "names = [c.strip() for c in 'a,b'.split(',')]\n"
        "if False:\n    configure(c)\n"
        "for name in []:\n    configure(c)\n"
    )
    told = [person for person in sorted_out(tmp_path, text).persons if person.line]
    assert [person.what for person in told] == ["DockerSpawner.image"]


@pytest.mark.parametrize(
    "text",
    [
        "c.DockerSpawner.volumes = v = {'/a': '/a', '/b': '/b'}\nv.pop('/b')",
        "c.DockerSpawner.volumes = v = {'/a': '/a', '/b': '/b'}\ndel v['/b']",
        "c.DockerSpawner.volumes = {'/a': '/a', '/b': '/b'}\nc['DockerSpawner'].volumes.pop('/b')",
        "c.DockerSpawner.volumes = {'/a': '/a'}\ndel c.DockerSpawner.volumes",
    ],
)
def test_what_was_taken_away_is_not_carried_over(tmp_path: Path, text: str) -> None:
    assert options(tmp_path, f"{text}\n") == {"DockerSpawner.volumes": Unknown()}


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
