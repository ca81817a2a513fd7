"""`make hub` and `make hub-stop`, with a folder and ports of the test's own."""

import pytest

import forge.hub
from tests.e2e.scratch_hub import ports, scratch_folder
from tests.ports import free_port


def test_a_hub_is_started_says_how_to_log_in_and_is_stopped(capfd: pytest.CaptureFixture[str]) -> None:
    def said() -> str:
        return "".join(capfd.readouterr())

    with scratch_folder() as scratch:
        forge.hub.stop(scratch)
        assert "There is no hub" in said()
        port = free_port()
        settings = ports(port)
        try:
            forge.hub.start(scratch, settings)
            words = said()
            assert "The hub runs (process " in words
            assert f": https://localhost:{port}\n" in words
            password = scratch.root / "var/lib/jupyterhub/shared_password"
            assert f"Log in with any user name; the password is in {password}\n" in words
            assert password.read_text().strip()
            assert "`make hub-stop` ends the hub" in words

            forge.hub.start(scratch, settings)
            words = said()
            assert "Installing" not in words, "it is the same installer's still"
            assert f"on https://localhost:{port}\n" in words
            assert "The hub runs already" in words
        finally:
            forge.hub.stop(scratch)
        assert "The hub was stopped." in said()
        forge.hub.stop(scratch)
        assert "The hub does not run." in said()
