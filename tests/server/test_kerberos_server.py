"""What a user's server is told."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

from kerberos_support import USER, Login, as_user, modes

pytest_plugins = ["kerberos_support"]


def test_server_is_told_where_the_ticket_is_and_gets_the_folder(login: Login) -> None:
    auth = login.authenticator()
    spawner = SimpleNamespace(environment={"A": "b"}, volumes={"/shared": "/shared"})
    asyncio.run(auth.pre_spawn_start(SimpleNamespace(name=USER), spawner))
    folder = str(login.tickets / USER)
    assert spawner.environment == {"A": "b", "KRB5CCNAME": f"FILE:{folder}/krb5cc"}
    assert spawner.volumes == {"/shared": "/shared", folder: folder}
    assert modes(Path(folder)) == (0o700, as_user().uid)


def test_server_without_volumes_is_told_where_the_ticket_is(login: Login) -> None:
    spawner = SimpleNamespace(environment={})
    asyncio.run(login.authenticator().pre_spawn_start(SimpleNamespace(name=USER), spawner))
    assert spawner.environment == {"KRB5CCNAME": f"FILE:{login.cache}"}
