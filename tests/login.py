"""Logs in through the hub's own form and starts a server, with the standard library alone.

As a program: `python login.py BASE_URL USER`, the password on standard input; prints the version of the running
Jupyter server. Exit code 1 when the login is refused.
"""

import http.cookiejar
import json
import re
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request


class Refused(Exception):
    """The hub's answer to a login that it refuses."""


class Session:
    """A browser's part of the conversation: cookies, redirects, the form's hidden field."""

    def __init__(self, base: str) -> None:
        self.base = base
        # The hub's certificate is its own: a person would confirm it once.
        context = ssl._create_unverified_context()
        self.cookies = http.cookiejar.CookieJar()
        self._open = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context), urllib.request.HTTPCookieProcessor(self.cookies)
        ).open

    def get(self, path: str) -> str:
        """The body of a page, redirects followed."""
        with self._open(self.base + path, timeout=30) as answer:
            return str(answer.read().decode())

    def log_in(self, user: str, password: str) -> None:
        """Fills in the form. Raises Refused with the page's message."""
        token = re.search(r'name="_xsrf" value="([^"]+)"', self.get("/hub/login"))
        assert token, "the login form holds a token against forged requests"
        form = {"username": user, "password": password, "_xsrf": token.group(1)}
        try:
            with self._open(self.base + "/hub/login", urllib.parse.urlencode(form).encode(), timeout=60):
                pass
        except urllib.error.HTTPError as error:
            page = error.read().decode()
            message = re.search(r'class="login_error">\s*(.*?)\s*<', page, re.S)
            raise Refused(message.group(1) if message else f"HTTP {error.code}") from None

    def start_server(self, user: str, seconds: float = 60) -> str:
        """Asks for the user's server and waits for it; gives the Jupyter server's version."""
        deadline = time.monotonic() + seconds
        self.get(f"/hub/spawn/{urllib.parse.quote(user)}")
        while True:
            try:
                return str(json.loads(self.get(f"/user/{urllib.parse.quote(user)}/api"))["version"])
            except (urllib.error.HTTPError, json.JSONDecodeError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)


def main(base: str, user: str) -> None:
    """Logs in, starts the server, opens JupyterLab's page."""
    session = Session(base)
    try:
        session.log_in(user, sys.stdin.readline().rstrip("\n"))
    except Refused as refusal:
        sys.exit(f"refused: {refusal}")
    print(session.start_server(user))
    assert "jupyter-config-data" in session.get(f"/user/{urllib.parse.quote(user)}/lab"), "JupyterLab's page"


if __name__ == "__main__":
    main(*sys.argv[1:])
