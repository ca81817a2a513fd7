"""The hub of `make hub` in a browser: log in, JupyterLab opens, a cell computes."""

import os
import pwd
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from forge.hub import Scratch
from tests.e2e.browser import SECONDS, run_cell


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def hub(installer: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A hub without Docker, KDC and accounts: its address and its password."""
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    scratch = Scratch(Path(f"/var/tmp/hubforge-test-{os.getpid()}"), user)
    scratch.folder.mkdir()
    os.chown(scratch.folder, user.pw_uid, -1)
    try:
        copy = shutil.copy(installer, scratch.folder)
        assert scratch.run("bash", copy, "-b", "-s", "-p", scratch.prefix, offline=True) == 0
        control = (scratch.hubctl, "--root", scratch.root)
        assert scratch.run(*control, "setup", "--auth", "shared-password", "--spawner", "local") == 0
        port = free_port()
        settings = scratch.root / "etc" / "jupyterhub" / "hub.yaml"
        text = settings.read_text()
        assert "port: 8000" in text
        settings.write_text(text.replace("port: 8000", f"port: {port}"))
        assert scratch.run(*control, "start") == 0
        try:
            password = (scratch.root / "var" / "lib" / "jupyterhub" / "shared_password").read_text().strip()
            yield f"https://localhost:{port}", password
        finally:
            assert scratch.run(*control, "stop") == 0
    finally:
        shutil.rmtree(scratch.folder)


def test_a_user_logs_in_and_a_cell_computes(hub: tuple[str, str], page: Page) -> None:
    address, password = hub
    page.goto(address)
    page.fill("#username_input", "ada")
    page.fill("#password_input", "not the password")
    page.click("#login_submit")
    expect(page.locator(".login_error")).to_contain_text("Invalid username or password")

    page.fill("#username_input", "ada")
    page.fill("#password_input", password)
    page.click("#login_submit")
    page.wait_for_url("**/user/ada/lab**", timeout=90 * SECONDS)

    page.locator(".jp-LauncherCard[data-category=Notebook]").first.click(timeout=60 * SECONDS)
    assert "42 (3, 13)" in run_cell(page, "import sys; print(6 * 7, sys.version_info[:2])")
