"""Debian's Prometheus asks a hub with what `hubctl metrics` prints, and understands the dashboard's questions."""

import json
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from forge.paths import DOCS, ROOT
from tests.containers import Container, base_image, running
from tests.product import ENVIRONMENT
from tests.waiting import wait_for

HUBCTL = f"{ENVIRONMENT}/bin/hubctl"
CONFIG = "/etc/prometheus/prometheus.yml"


def as_documented(printed: str) -> tuple[list[str], str]:
    """The commands of docs/monitoring.md that take token and certificate to Prometheus; what was printed, with the new
    places, as the page says."""
    commands = re.findall(r"^install .*$", (DOCS / "monitoring.md").read_text(), re.MULTILINE)
    places = {"credentials_file": "/etc/prometheus/jupyterhub.token", "ca_file": "/etc/prometheus/jupyterhub.crt"}
    for key, place in places.items():
        assert any(place in command for command in commands), f"the page does not say how {place} gets there"
        printed = re.sub(rf"{key}: .*", f"{key}: {place}", printed)
    return commands, printed


@pytest.fixture(scope="module")
def server(installer: Path) -> Iterator[Container]:
    """A hub that runs, and Prometheus beside it, as a user of its own."""
    with running(base_image("bookworm", ("prometheus",)), mounts={installer.parent: "/dist"}) as container:
        container.shell("grep -q bare /etc/hosts || echo 127.0.0.1 bare >>/etc/hosts")
        container.run("bash", f"/dist/{installer.name}", "-b")
        commands, entry = as_documented(container.run(HUBCTL, "metrics").stdout)
        container.run(HUBCTL, "start")
        container.shell("\n".join(commands))
        # an answer may take as long as it is until the next question
        text = f"global: {{scrape_interval: 10s}}\nscrape_configs:\n{textwrap.indent(entry, '  ')}"
        container.run("sh", "-c", f"cat >{CONFIG}", text=text)
        options = f"--config.file={CONFIG} --storage.tsdb.path=/tmp/tsdb --web.listen-address=127.0.0.1:9090"
        container.shell(
            f"setpriv --reuid=prometheus --regid=prometheus --clear-groups prometheus {options} >/tmp/log 2>&1 &"
        )
        yield container


def asked(server: Container, path: str, **parameters: str) -> Any:
    """What Prometheus's API answers (Prometheus, HTTP API)."""
    url = f"http://127.0.0.1:9090/api/v1/{path}?{urlencode(parameters)}"
    program = "import sys, urllib.request, urllib.error\ntry: answer = urllib.request.urlopen(sys.argv[1])\n"
    program += "except urllib.error.HTTPError as error: answer = error\nprint(answer.read().decode())"
    answer = json.loads(server.run(f"{ENVIRONMENT}/bin/python", "-c", program, url).stdout)
    assert answer["status"] == "success", answer
    return answer["data"]


@pytest.fixture(scope="module")
def series(server: Container) -> dict[str, str]:
    """The families of series that Prometheus has from the hub, and the kind of each."""

    def answers() -> bool:
        asking = "import socket; socket.create_connection(('127.0.0.1', 9090))"
        return server.run(f"{ENVIRONMENT}/bin/python", "-c", asking, check=False).returncode == 0

    wait_for("Prometheus", answers, 120, lambda: server.shell("cat /tmp/log"))
    wait_for(
        "series",
        lambda: asked(server, "query", query="jupyterhub_running_servers")["result"],
        120,
        lambda: targets(server),
    )
    return {name: told[0]["type"] for name, told in asked(server, "metadata").items()}


def targets(server: Container) -> str:
    return str(asked(server, "targets"))


def questions() -> list[str]:
    """The dashboard's, as Grafana sends them."""
    dashboard = json.loads((ROOT / "config/grafana-dashboard.json").read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return [text.replace("$job", "jupyterhub").replace("$__rate_interval", "1m") for text in found]


def test_the_printed_configuration_is_one(server: Container) -> None:
    assert "SUCCESS" in server.run("promtool", "check", "config", CONFIG).stdout


def test_prometheus_has_the_hubs_series(server: Container, series: dict[str, str]) -> None:
    (target,) = asked(server, "targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    (found,) = asked(server, "query", query="jupyterhub_running_servers")["result"]
    assert (found["metric"]["job"], found["value"][1]) == ("jupyterhub", "0")
    assert len([name for name in series if name.startswith("jupyterhub_")]) > 10


def test_prometheus_understands_each_question_of_the_dashboard(server: Container, series: dict[str, str]) -> None:
    for question in questions():
        asked(server, "query", query=question)


def test_the_dashboard_asks_for_series_that_there_are(series: dict[str, str]) -> None:
    names = {name for question in questions() for name in re.findall(r"(\w+)\{", question)} - {"up"}
    assert len(names) > 10
    for name in names:
        family = re.sub(r"_(bucket|count|sum)$", "", name)
        assert series.get(family) == ("histogram" if family != name else series.get(name, "none")), name


def test_the_token_is_nobody_elses_to_read(server: Container) -> None:
    (command,) = [text for text in as_documented("")[0] if "token" in text]
    assert shlex.split(command)[1:5] == ["-o", "prometheus", "-m", "0400"]
    assert server.shell("stat -c '%U %a' /etc/prometheus/jupyterhub.token") == "prometheus 400\n"
