"""A terminal in a user's JupyterLab, over a websocket that stays open.

As a program: `python terminal.py BASE_URL USER`, the password as the first line of standard input, then a number a
line; prints its double, as the user's shell computes it, and fails when the websocket has been closed.
"""

import json
import ssl
import sys
import urllib.request
from pathlib import Path

import websocket

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.login import Session


class Terminal:
    """A shell on the user's server, which is started for it."""

    def __init__(self, base: str, user: str, password: str) -> None:
        session = Session(base)
        session.log_in(user, password)
        session.start_server(user)
        session.get(f"/user/{user}/lab")  # the server's own cookie comes with its first page
        sent = [cookie for cookie in session.cookies if cookie.path in ("/", f"/user/{user}/")]
        cookies = {cookie.name: cookie.value or "" for cookie in sent}
        request = urllib.request.Request(f"{base}/user/{user}/api/terminals", b"{}")
        request.add_header("X-XSRFToken", cookies["_xsrf"])
        with session._open(request, timeout=60) as answer:
            name = json.load(answer)["name"]
        self._socket = websocket.create_connection(
            f"{base.replace('https', 'wss')}/user/{user}/terminals/websocket/{name}",
            sslopt={"cert_reqs": ssl.CERT_NONE, "check_hostname": False},
            header={"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())},
            timeout=120,
        )

    def double(self, number: int) -> int:
        """Has the shell compute it."""
        self._socket.send(json.dumps(["stdin", f"echo =$((2*{number}))=\n"]))
        said = ""
        while f"={2 * number}=" not in said:
            kind, *content = json.loads(self._socket.recv())
            said += "".join(map(str, content)) if kind == "stdout" else ""
        return 2 * number

    def close(self) -> None:
        self._socket.close()


def main(base: str, user: str) -> None:
    """Computes what comes in."""
    terminal = Terminal(base, user, sys.stdin.readline().rstrip("\n"))
    for line in sys.stdin:
        print(terminal.double(int(line)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
