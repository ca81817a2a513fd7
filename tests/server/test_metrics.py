"""Metrics of a running hub, asked for as Prometheus does, and the dashboard that shows them."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import ServerRoot, self_signed
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

DASHBOARD = Path(__file__).parents[2] / "config/grafana-dashboard.json"


@pytest.fixture(scope="module")
def scraped(module_root: ServerRoot) -> dict[str, Any]:
    """A running hub, and what `hubctl metrics` printed before it was started."""
    printed = module_root.hubctl("metrics")
    assert printed.returncode == 0, printed.stderr
    assert "`hubctl restart`" in printed.stderr
    started = module_root.hubctl("start")
    assert started.returncode == 0, started.stderr
    (entry,) = YAML(typ="safe").load(printed.stdout)
    assert isinstance(entry, dict)
    return entry


def scrape(entry: dict[str, Any], token: str) -> requests.Response:
    """What Prometheus gets with such an entry."""
    url = f"{entry['scheme']}://{entry['static_configs'][0]['targets'][0]}{entry['metrics_path']}"
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": f"Bearer {token}"}
        return session.get(url, headers=headers, verify=entry["tls_config"]["ca_file"])


def credentials(entry: dict[str, Any]) -> str:
    return Path(entry["authorization"]["credentials_file"]).read_text().strip()


def test_prometheus_gets_the_metrics_with_what_the_command_prints(scraped: dict[str, Any]) -> None:
    answer = scrape(scraped, credentials(scraped))
    assert answer.status_code == 200
    assert "jupyterhub_running_servers 0.0" in answer.text


def test_nobody_gets_them_without_the_token(scraped: dict[str, Any]) -> None:
    assert scrape(scraped, "a-guess").status_code == 403


def test_the_token_is_good_for_nothing_else(scraped: dict[str, Any]) -> None:
    assert scrape(scraped | {"metrics_path": "/hub/api/users"}, credentials(scraped)).status_code == 403


def test_the_token_is_its_owners_alone_and_is_neither_printed_nor_logged(
    module_root: ServerRoot, scraped: dict[str, Any]
) -> None:
    again = module_root.hubctl("metrics")
    assert (again.returncode, again.stderr) == (0, "")
    assert Path(scraped["authorization"]["credentials_file"]).stat().st_mode & 0o077 == 0
    assert credentials(scraped) not in again.stdout + module_root.read_log()


def test_a_token_whose_file_was_removed_is_worth_nothing_after_a_restart(server_root: ServerRoot) -> None:
    (entry,) = YAML(typ="safe").load(server_root.hubctl("metrics").stdout)
    token = credentials(entry)
    assert server_root.hubctl("start").returncode == 0
    assert scrape(entry, token).status_code == 200
    Path(entry["authorization"]["credentials_file"]).unlink()
    for command in ("stop", "start"):
        assert server_root.hubctl(command).returncode == 0
    assert scrape(entry, token).status_code == 403
    for command in ("metrics", "stop", "start"):
        assert server_root.hubctl(command).returncode == 0
    assert scrape(entry, credentials(entry)).status_code == 200
    assert scrape(entry, token).status_code == 403


def test_a_host_without_a_full_name_is_named_as_others_may_know_it(server_root: ServerRoot) -> None:
    """`hubctl setup` puts `localhost` first into the certificate where a host's full name is not known."""
    self_signed(server_root.certificate.parent, "DNS:localhost,DNS:hub7,IP:127.0.0.1")
    for file in ("hub.key", "hub.crt"):
        os.chown(server_root.certificate.with_name(file), server_root.user.uid, server_root.user.gid)
    assert f'targets: ["hub7:{server_root.port}"]' in server_root.hubctl("metrics").stdout


def test_the_dashboard_asks_for_nothing_that_the_hub_does_not_have(scraped: dict[str, Any]) -> None:
    exported = set(names_of_series(scrape(scraped, credentials(scraped)).text))
    asked = {name for query in queries() for name in names_in(query)}
    assert "jupyterhub_running_servers" in asked
    assert "jupyterhub_server_spawn_duration_seconds_bucket" in asked
    assert asked - exported == {"up"}, "up is Prometheus's own: whether the hub answered"


def names_of_series(text: str) -> Iterator[str]:
    """Names that queries can use; a histogram or counter with labels has no samples before the first event."""
    endings = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",)}
    for family in text_string_to_metric_families(text):
        yield from (family.name + ending for ending in endings.get(family.type, ("",)))


def queries() -> list[str]:
    dashboard = json.loads(DASHBOARD.read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    lists = [variable["query"] for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    return found + [re.sub(r"label_values\((\w+), \w+\)", r"\1", query) for query in lists]


def names_in(query: str) -> list[str]:
    """The metrics of a PromQL expression: names that are neither functions, labels, ranges nor operators' words."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\bby \([^)]*\)", "", query)
    return re.findall(r"\b[a-z_]\w*\b(?! ?\()", re.sub(r"\b(sum|by)\b", "", bare))
