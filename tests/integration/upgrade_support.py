"""A server that goes from release to release: the older one, the one that is built, the newer ones of its channel."""

import json
import subprocess
from collections.abc import Mapping

from forge import construct
from forge.paths import CONSTRUCT
from tests import newer_release, older_release
from tests.containers import Container
from tests.product import ENVIRONMENT, PREFIX

OLD, BUILT = older_release.VERSION, construct.read(CONSTRUCT).version
NEWER, BROKEN = newer_release.VERSION, newer_release.BROKEN

HUBCTL = f"{ENVIRONMENT}/bin/hubctl"
CONDA = f"{PREFIX}/bin/conda"
FINISH = f"{PREFIX}/.hubforge/upgrade/finish"
DATABASE = "/var/lib/jupyterhub/jupyterhub.sqlite"
KILLING = f"$(ls -d {PREFIX}/pkgs/python-3.*/bin/python3.13) -B /tests/killing.py"
"""By the Python in the package cache: nothing takes that away."""

GO_ON, GO_BACK = "Go on? [Y/n]: ", "Go back? [Y/n]: "
AGAIN = "Start the hub, which runs, again at the end? [y/N]: "


def packages(server: Container, environment: str = "jupyterhubenv") -> dict[str, str]:
    """Names and versions, as conda has them."""
    listed = json.loads(server.shell(f"{CONDA} list --json -n {environment}"))
    return {package["name"]: package["version"] for package in listed}


def releases(server: Container) -> tuple[str, str]:
    """Those of the hub's environment and of base; every file is whole and for everybody, and none was left over."""
    found = json.loads(server.run(HUBCTL, "verify", "--json", check=False).stdout)
    assert found["files"] == []
    assert server.shell(f"find {PREFIX} -name '*.c~' -not -path '*/pkgs/*'") == ""
    # but for what conda makes for its own eyes, and byte code, which Python goes without
    closed = f"find {PREFIX} ! -type l ! -perm -o=r ! -name '.tmp????????' ! -name '*.pyc'"
    assert server.shell(f"{closed}; find {PREFIX} -type d ! -perm -o=x") == ""
    assert server.shell(f"ls {PREFIX}/.hubforge") == "installed.json\n"
    return packages(server)["hubforge"], packages(server, "base")["hubforge-base"]


def schema(server: Container) -> str:
    """What JupyterHub's tool for migrations has noted, and the tables; the database is whole."""
    query = "SELECT version_num FROM alembic_version UNION ALL SELECT name FROM sqlite_master WHERE type = 'table'"
    program = (
        f"import sqlite3; database = sqlite3.connect('{DATABASE}'); "
        "assert database.execute('PRAGMA integrity_check').fetchall() == [('ok',)]; "
        f'print(database.execute("{query}").fetchall())'
    )
    return server.run(f"{ENVIRONMENT}/bin/python", "-c", program).stdout


def kill_at(server: Container, point: str, script: str, old: str = OLD, new: str = BUILT) -> None:
    """Ends a shell's script, and all that it has started, when it comes to a point on the way from ``old`` to ``new``.

    A script that is there when it begins, or ends before, is not killed on its way, and fails the test.
    """
    command = f"exec {KILLING} {PREFIX} {old} {new} '{point}' sh -c '{script}'"
    done = server.run("sh", "-euc", command, check=False)
    assert done.returncode == 0, f"not killed on its way: {point}\n{done.stdout}\n{done.stderr}"


def on_a_terminal(server: Container, *command: str, answers: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """hubctl with an administrator, whose new files are for nobody else, and who answers what it asks.

    Errors are in the output. All the questions are asked.
    """
    program = f'umask 077; exec {ENVIRONMENT}/bin/python -B /tests/answering.py {HUBCTL} "$@"'
    done = server.run("sh", "-euc", program, "sh", *command, text=json.dumps(answers), check=False)
    assert done.stderr == ""
    return done
