"""`hubctl config`: hub.yaml changed from the command line."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import HubUser, ServerRoot
from hubctl import settings_edit, yamledit, yamlfile
from hubctl.config_commands import app
from hubctl.errors import HubError
from hubctl.settings import Settings, load
from typer.testing import CliRunner

SHIPPED = Path(__file__).parents[2] / "config" / "hub.yaml"

Run = Callable[..., str]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A server's hub.yaml, as it is shipped."""
    monkeypatch.setenv("HUBFORGE_ROOT", str(tmp_path))
    path = tmp_path / "etc/jupyterhub/hub.yaml"
    path.parent.mkdir(parents=True)
    shutil.copy(SHIPPED, path)
    return path


@pytest.fixture
def config(file: Path) -> Run:
    """Runs `hubctl config`; gives what it prints."""

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, arguments)
        if done.exception:
            raise done.exception
        return done.output

    return run


def changed_lines(before: str, after: str) -> list[str]:
    """The lines of the new text that the old one does not have."""
    old = before.splitlines()
    return [line for line in after.splitlines() if line not in old]


def comments(text: str) -> list[str]:
    return [line[line.index("#") :] for line in text.splitlines() if "#" in line]


def test_what_is_set_changes_its_line_and_nothing_else(file: Path, config: Run) -> None:
    before = file.read_text()
    assert config("set", "port", "8443") == "port: 8443\n"
    assert changed_lines(before, file.read_text()) == ["port: 8443                      # https"]
    assert load(file).port == 8443


def test_file_that_is_read_and_written_is_the_same_whatever_its_indentation() -> None:
    texts = [SHIPPED.read_text(), "docker:\n    images:\n    - name: a\n      image: b   # c\nlimits:\n    cpu: 1\n"]
    for text in texts:
        assert yamledit.dump(yamlfile.tree(text, SHIPPED), text) == text


@pytest.mark.parametrize(
    "commands",
    [
        [["set", "kerberos.realm", "EX.ORG"], ["unset", "kerberos.realm"]],
        [["add", "admin_users", "alice"], ["remove", "admin_users", "alice"]],
        [["add", "group_limits", "{group: a, memory: 8g}"], ["unset", "group_limits[0]"]],
        [["add", "docker.images", "{name: b, image: b}"], ["unset", "docker.images[1]"]],
        [["set", "pyspark.conf.spark.ui.port", "1"], ["unset", "pyspark.conf.spark.ui.port"]],
        [["unset", "limits"], ["unset", "docker.images"], ["set", "limits.memory", "8g"]],
        [["set", "docker.images", "[{name: b, image: b}]"]],
    ],
    ids=lambda commands: " ".join(commands[0]),
)
def test_comments_about_other_settings_stay_above_them(file: Path, config: Run, commands: list[list[str]]) -> None:
    before = comments(file.read_text())
    inside_images = comments(SHIPPED.read_text().partition("images:")[2].partition("\n\n")[0])
    gone: list[str] = []
    for command in commands:
        config(*command)
        after = comments(file.read_text())
        gone = inside_images if command[1] == "docker.images" and command[0] in ("set", "unset") else gone
        kept = [comment for comment in before if comment not in gone]
        assert [comment for comment in after if comment in kept] == kept
    text = file.read_text()
    assert text.index("# in containers, where the host has them") < text.index("pyspark:")
    assert text.index("limits:    ") < text.index("group_limits:") < text.index("#  - {group: analysts")


COMMENTED = """\
docker:
  images:                       # users choose
    # the one for everybody
    - name: a                   # of a
      image: a
    # the one for Spark
    - name: b                   # of b
      # from the site's registry
      image: b                  # of b, too
    # the one for R
    - name: c
      image: c
    # about the network
  network: bridge
"""


@pytest.mark.parametrize(
    ("key", "gone"),
    [
        ("docker.images[0]", ["# of a"]),
        ("docker.images[1]", ["# of b", "# from the site's registry", "# of b, too"]),
        ("docker.images[2]", []),
        ("docker.images", ["# of a", "# of b", "# of b, too"]),
    ],
)
def test_what_is_taken_away_takes_no_comment_along_but_its_own(
    file: Path, config: Run, key: str, gone: list[str]
) -> None:
    """And the order of those that stay is what it was."""
    file.write_text(COMMENTED)
    config("unset", key)
    assert comments(file.read_text()) == [comment for comment in comments(COMMENTED) if comment not in gone]
    assert changed_lines(COMMENTED, file.read_text()) == []


def test_setting_and_unsetting_leaves_the_file_as_it_was(file: Path, config: Run) -> None:
    before = file.read_text()
    config("set", "docker.images[0].memory", "6g")
    config("set", "docker.images[0].cpu", "1.5")
    assert load(file).docker.images[0].memory == 6 * 1024**3
    config("unset", "docker.images[0].memory")
    config("unset", "docker.images[0].cpu")
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["set", "port", "99999"], "port: expected at most 65535, got 99999"),
        (["set", "auth", "ldap"], "auth: expected 'kerberos', 'pam' or 'shared-password', got 'ldap'"),
        (["set", "limits.memory", "8"], "limits.memory: expected a memory size with its unit (k, m, g, t)"),
        (["set", "prot", "1"], "prot: unknown key, did you mean port?"),
        (["set", "port.number", "1"], "port.number: unknown key; port has none below it"),
        (["set", "limits.disk", "1"], "limits.disk: unknown key; known here: cpu, memory, pids"),
        (["set", "port", "null"], "null is no value for port: `hubctl config unset port`"),
        (["set", "port", "[8000"], "port: expected a whole number, got '[8000'"),
        (["set", "docker.images[4].memory", "1g"], "there is no docker.images[4]: docker.images has 1 items"),
        (["set", "kerberos.ticket_lifetime", "30d"], "expected renewable_lifetime to be at least ticket_lifetime"),
        (["set", "pyspark.driver_memory", "[64g]"], "pyspark.driver_memory[0]: expected at most 0.8 of limits.memory"),
        (["add", "port", "1"], "port is no list: `hubctl config set port VALUE` sets it"),
        (["add", "admin_users", "-x"], "admin_users[0]: expected a user or group name, got '-x'"),
        (["add", "allowed_groups", "jupyterhub"], "allowed_groups has jupyterhub already"),
        (["remove", "admin_users", "bob"], "admin_users does not have bob: it has nothing"),
        (["unset", "docker.images[0]"], "docker.images"),
        (["unset", "kerberos.realm"], "kerberos.realm is not set"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_not_possible_is_told_and_changes_nothing(
    file: Path, config: Run, command: list[str], told: str
) -> None:
    before = file.read_text()
    with pytest.raises(HubError) as caught:
        config(command[0], "--", *command[1:])
    assert told in str(caught.value)
    assert file.read_text() == before
    assert [path.name for path in file.parent.iterdir()] == ["hub.yaml"]


def test_names_that_look_like_numbers_are_names(file: Path, config: Run) -> None:
    config("add", "admin_users", "1234")
    assert load(file).admin_users == ["1234"]
    config("remove", "admin_users", "1234")
    assert load(file).admin_users == []


def test_list_that_the_file_does_not_have_grows_from_the_default(file: Path, config: Run) -> None:
    file.write_text("# nothing yet\n")
    config("add", "allowed_groups", "analysts")
    config("set", "docker.images[0].memory", "6g")
    assert load(file).allowed_groups == ["jupyterhub", "analysts"]
    assert load(file).docker.images[0].name == "Notebook"
    assert file.read_text().startswith("# nothing yet\nallowed_groups: [jupyterhub, analysts]\n")


def test_owner_mode_and_link_of_the_file_stay(file: Path, config: Run, hub_user: HubUser, tmp_path: Path) -> None:
    real = tmp_path / "kept-in-git.yaml"
    file.rename(real)
    file.symlink_to(real)
    real.chmod(0o640)
    os.chown(real, -1, hub_user.gid)
    os.setxattr(real, "user.hubforge", b"x")
    config("set", "port", "8443")
    assert file.is_symlink()
    assert load(real).port == 8443
    found = real.stat()
    assert (found.st_mode & 0o7777, found.st_gid) == (0o640, hub_user.gid)
    assert os.getxattr(real, "user.hubforge") == b"x"


def test_changes_at_the_same_time_are_all_made(file: Path) -> None:
    names = [f"user{number}" for number in range(16)]
    with ThreadPoolExecutor(len(names)) as pool:
        for job in [pool.submit(settings_edit.add, file, "admin_users", name) for name in names]:
            job.result()
    assert sorted(load(file).admin_users) == sorted(names)


def test_difference_to_the_defaults_is_shown(file: Path, config: Run) -> None:
    assert config("diff") == "Every setting has its default.\n"
    config("set", "limits.memory", "8g")
    config("set", "pyspark.conf.spark.ui.port", "4050")
    assert config("diff").splitlines() == [
        "limits.memory: 4g -> 8g",
        "pyspark.conf.spark.ui.port: not set -> '4050'",
    ]
    assert json.loads(config("diff", "--json"))[0] == {"key": "limits.memory", "default": "4g", "in force": "8g"}


def diff_on_a_terminal(root: ServerRoot, columns: int) -> str:
    ours, theirs = pty.openpty()
    command = root.user.wrap(sys.executable, "-B", "-m", "hubctl", "--root", root.path, "config", "diff")
    done = subprocess.run(command, stdout=theirs, cwd="/", env=os.environ | {"TERM": "dumb", "COLUMNS": str(columns)})
    os.close(theirs)
    said = os.read(ours, 10000).decode()
    os.close(ours)
    assert done.returncode == 0
    return said


def test_lists_are_whole_in_the_table_of_a_terminal(server_root: ServerRoot) -> None:
    assert server_root.hubctl("config", "set", "admin_users", "[alice, bold]").returncode == 0
    said = diff_on_a_terminal(server_root, 200)
    assert re.search(r"^ *admin_users +\[\] +\[alice, bold\] *\r?$", said, re.MULTILINE), said


def test_long_value_is_whole_in_the_table_of_a_narrow_terminal(server_root: ServerRoot) -> None:
    key = "/etc/pki/tls/private/hub.example.org.department.key"
    assert server_root.hubctl("config", "set", "tls.key", key).returncode == 0
    lines = diff_on_a_terminal(server_root, 60).splitlines()
    first = next(number for number, line in enumerate(lines) if "tls.key" in line)
    column = lines[first].index("/etc/pki")
    assert "".join(line[column:].strip() for line in lines[first:])[: len(key)] == key


def test_one_setting_is_shown_for_people_and_for_programs(config: Run) -> None:
    assert config("show", "limits.memory") == "4g\n"
    assert config("show", "limits") == "memory: 4g\ncpu: 2.0\npids: 512\n"
    assert json.loads(config("show", "--json"))["limits"] == {"memory": "4g", "cpu": 2.0, "pids": 512}


def test_every_key_of_the_settings_can_be_named() -> None:
    known: dict[str, Any] = settings_edit.in_force(Settings())
    for key in settings_edit.all_keys():
        settings_edit.key_path(key)
        assert key.split(".")[0] in known


def test_server_that_runs_is_told_of(server_root: ServerRoot) -> None:
    assert server_root.hubctl("start").returncode == 0
    done = server_root.hubctl("config", "set", "named_servers", "1")
    assert done.stdout == "named_servers: 1\nThe hub that runs takes it up with `hubctl restart`.\n"
    before = json.loads(server_root.hubctl("status", "--json").stdout)["hub_pid"]
    assert server_root.hubctl("restart").returncode == 0
    assert json.loads(server_root.hubctl("status", "--json").stdout)["hub_pid"] not in (None, before)


def test_restart_that_could_not_start_does_not_stop(server_root: ServerRoot) -> None:
    assert server_root.hubctl("start").returncode == 0
    server_root.settings.write_text("port: x\n")
    assert server_root.hubctl("restart").returncode == 1
    server_root.settings.write_text(
        f"auth: shared-password\nspawner: local\nbind: 127.0.0.1\nport: {server_root.port}\n"
    )
    key = server_root.certificate.with_name("hub.key")
    key.write_bytes(subprocess.run(["openssl", "genrsa"], check=True, capture_output=True).stdout)
    refused = server_root.hubctl("restart")
    assert (refused.returncode, "are no pair (" in refused.stderr) == (1, True), refused.stderr
    assert json.loads(server_root.hubctl("status", "--json").stdout)["answers"]
