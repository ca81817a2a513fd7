"""Everybody comes at the same moment, as after a lecture's first sentence."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crowd import come_at_once, containers_made
from tests.realm_server import RealmServer, realm_server

CROWD = tuple(f"user{number:02}" for number in range(20))


@pytest.fixture(scope="module")
def server(installer: Path, notebook_image: str) -> Iterator[RealmServer]:
    with realm_server(installer, CROWD) as running:
        yield running


def test_everybody_who_logs_in_and_starts_at_once_gets_one_server(server: RealmServer) -> None:
    with containers_made(CROWD) as made:
        visits = come_at_once(server, CROWD)
    assert tuple(visit.user for visit in visits) == CROWD
    assert sorted(made) == list(CROWD), "none was started twice"
    assert server.containers() == list(CROWD)
