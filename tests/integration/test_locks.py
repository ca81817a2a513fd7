"""The written locks, used as a site would use them."""

from pathlib import Path

from forge import locks
from tests.integration.conda_support import new_user


def test_conda_makes_the_environment_of_an_explicit_lock_without_network(
    prefix: Path, channel: Path, tmp_path: Path
) -> None:
    user = new_user(prefix, channel, tmp_path)
    command = ["create", "--yes", "--quiet", "--offline", "--name", "same", "--file", str(locks.explicit_path("base"))]
    user.run(*command, variables={"CHANNEL_ROOT": str(channel)})
    made = {
        record["name"]: f"{record['version']} {record['build_string']}" for record in user.read("list", "-n", "same")
    }
    assert made == locks.read("base")
