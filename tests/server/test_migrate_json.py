"""`hubctl migrate --json`: for programs, what is said to people."""

import json
from pathlib import Path
from typing import Any

from oldsite_support import SECRETS, Pair

pytest_plugins = ["oldsite_support"]


def told(pair: Pair, *arguments: str) -> dict[str, Any]:
    done = pair.migrate("--json", *arguments)
    assert done.returncode == 0, done.stderr
    assert [secret for secret in SECRETS if secret in done.stdout] == []
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_program_reads_what_would_be_carried_over_and_then_what_was(pair: Pair) -> None:
    planned = told(pair)
    assert (planned["config"], planned["state"], planned["before"]) == (str(pair.old.config), "planned", None)
    by_key = {entry["key"]: entry for entry in planned["settings"]}
    lines = pair.old.config.read_text().splitlines()
    assert by_key["limits.memory"] == {
        "line": lines.index('c.Spawner.mem_limit = "2G"') + 1,
        "old": "Spawner.mem_limit",
        "key": "limits.memory",
        "value": "2g",
        "instead": "8g",
        "is_new": True,
    }
    database = pair.old.prefix / "jupyterhub.sqlite"
    assert planned["database"] == {"file": str(database), "users": ["alice", "bob", "eve"], "admins": ["alice"]}
    ssl = pair.old.prefix / "ssl"
    assert planned["tls"] == {"key": str(ssl / "hub.key"), "cert": str(ssl / "hub.crt")}
    (services,) = (person for person in planned["persons"] if person["what"] == "JupyterHub.services")
    assert services["line"] == lines.index("c.JupyterHub.services = [") + 1
    assert services["do"].startswith("services beside the one for idle servers")
    assert planned["running"] is None
    assert "JupyterHub.cookie_secret" in planned["unneeded"]
    assert not pair.layout.database.exists()

    applied = told(pair, "--apply")
    assert applied["state"] == "applied"
    assert Path(applied["before"]).is_file()
    assert {**applied, "state": "planned", "before": None} == planned

    again = told(pair, "--apply")
    assert (again["state"], again["before"], again["database"], again["tls"]) == ("done", None, None, None)
    assert not any(entry["is_new"] for entry in again["settings"])
