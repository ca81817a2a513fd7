"""Logs in through the hub's own form and starts a server, with the standard library alone.

As a program: `python login.py BASE_URL USER`, the password on standard input; prints the version of the running
Jupyter server. Exit code 1 when the login is refused.
"""

import html
import http.client
import http.cookiejar
import json
import re
import ssl
import sys
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

    def open(self, path: str, form: dict[str, str] | None = None) -> http.client.HTTPResponse:
        """The answer to a request, redirects followed; a form is sent. A minute without a byte is an error."""
        body = None if form is None else urllib.parse.urlencode(form).encode()
        answer: http.client.HTTPResponse = self._open(self.base + path, body, timeout=60)
        return answer

    def get(self, path: str) -> str:
        """The body of a page."""
        with self.open(path) as answer:
            return answer.read().decode()

    def log_in(self, user: str, password: str, token: str | None = None) -> str:
        """Fills in the form; gives the page that it leads to.

        Args:
            token: what ``login_token`` has given, where the form has been opened before.

        Raises:
            Refused: with the page's message.
        """
        form = {"username": user, "password": password, "_xsrf": token or self.login_token()}
        try:
            with self.open("/hub/login", form) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            page = error.read().decode()
            message = re.search(r'class="login_error">\s*(.*?)\s*<', page, re.S)
            raise Refused(message.group(1) if message else f"HTTP {error.code}") from None

    def login_token(self) -> str:
        """Opens the login form; gives its token against forged requests."""
        token = re.search(r'name="_xsrf" value="([^"]+)"', self.get("/hub/login"))
        assert token, "the login form holds a token against forged requests"
        return token.group(1)

    def api(self, method: str, path: str) -> int:
        """Asks the hub's REST API as its pages do; gives the status of the answer."""
        token = next(cookie.value for cookie in self.cookies if (cookie.name, cookie.path) == ("_xsrf", "/hub/"))
        headers = {"X-XSRFToken": token or "", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.base}/hub/api{path}", b"{}", headers, method=method)
        with self._open(request, timeout=60) as answer:
            return int(answer.status)

    def start_server(self, user: str) -> str:
        """Asks for the user's server, and waits for it.

        Returns:
            The Jupyter server's version.
        """
        self.start_any_server(user)
        return str(json.loads(self.get(f"/user/{urllib.parse.quote(user)}/api"))["version"])

    def start_any_server(self, user: str) -> None:
        """The same, whatever the server is, with the defaults of what can be chosen."""
        page = self.get(f"/hub/spawn/{urllib.parse.quote(user)}")
        if form := re.search(r'id="spawn_form"[^>]* action="([^"]+)"', page):
            with self._open(urllib.parse.urljoin(self.base, html.unescape(form.group(1))), b"", timeout=60):
                pass
        self.wait_for_server(user)

    def wait_for_server(self, user: str) -> None:
        """Reads the events that move the progress bar, until the server is there.

        Raises:
            AssertionError: it will not be.
        """
        with self.open(f"/hub/api/users/{urllib.parse.quote(user)}/server/progress") as events:
            for line in events:
                event = json.loads(line.removeprefix(b"data: ")) if line.startswith(b"data: ") else {}
                assert not event.get("failed"), f"{user}: {event}"
                if event.get("ready"):
                    return
        raise AssertionError(f"the page of {user} was told nothing more")


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
