"""Names that people type."""

import pytest
from kerberos_support import ANYBODY, REALM, USER, Login

pytest_plugins = ["kerberos_support"]


@pytest.mark.parametrize("typed", [USER, f"{USER}@{REALM}", f"{USER.upper()}@{REALM.lower()}"])
def test_own_realm_may_be_typed(login: Login, typed: str) -> None:
    authenticated = login(username=typed)
    assert authenticated is not None
    assert authenticated["name"] == USER


@pytest.mark.parametrize(
    "typed", [f"{USER}@OTHER.TEST", "-h", "../root", "a/b", "", ".", "..", "nobody\n", "a b", "a\0b", "x" * 10_000_000]
)
def test_strange_names_are_refused(login: Login, typed: str) -> None:
    login.service = ANYBODY
    assert login(username=typed) is None
    assert not login.tickets.exists()
