"""A site of a hub with containers, where any password is right and a small program plays Jupyter's server."""

from pathlib import Path

PREFIX = "hubforge-test-spawn"
"""The containers' names begin so."""

# Plays jupyterhub-singleuser: tells whose server it is, and does what its address says.
# Only small modules: python3-minimal has no more.
SERVER = """\
#!/usr/bin/python3
import os, socket, sys, time
user = os.environ["JUPYTERHUB_USER"]
if user == "fails":
    print("there is no room on the disk")
    raise SystemExit(3)
while user.startswith("slow") and not os.path.exists(os.environ["HOME"] + "/go"):
    time.sleep(0.1)
host, port = os.environ["JUPYTERHUB_SERVICE_URL"].split("/")[2].split(":")
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((host, int(port)))
listener.listen()
print("listening", flush=True)
while user == "silent":
    listener.accept()[0].close()
def eat():
    food = [bytearray(b"x" * 2**24) for _ in range(1000)]
websockets = []
while True:
    connection, _ = listener.accept()
    request = connection.recv(65536)
    path = (request.split(b" ") + [b""])[1].decode()
    if b"pgrade: websocket" in request:
        upgraded = (b"HTTP/1.1 101 Switching Protocols", b"Connection: Upgrade", b"Upgrade: websocket", b"", b"")
        connection.sendall(b"\\r\\n".join(upgraded))
        websockets.append(connection)
        continue
    body = user
    if path.endswith("/exit"):
        print("the end is near", flush=True)
        os._exit(3)
    if path.endswith("/eat"):
        eat()
    if path.endswith("/child-eats"):
        child = os.fork()
        if child == 0:
            eat()
        body = str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    if path.endswith("/env"):
        body = repr(dict(os.environ))
    if "/sh/" in path:
        with os.popen("exec 2>&1; " + bytes.fromhex(path.rpartition("/")[2]).decode()) as output:
            body = output.read()
    body = body.encode()
    connection.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
    connection.close()
"""


LOCAL = """\
# in place of `python -m jupyterhub.singleuser`
c.LocalProcessSpawner.cmd = [*c.LocalProcessSpawner.cmd[:-3], {script!r}]
c.LocalProcessSpawner.interrupt_timeout = 0
"""

CONTAINERS = """\
c.DockerSpawner.prefix = {prefix!r}
c.DockerSpawner.read_only_volumes = {{{script!r}: '/usr/local/bin/jupyterhub-singleuser'}}
# the small program has no manners
kwargs = c.DockerSpawner.extra_create_kwargs
c.DockerSpawner.extra_create_kwargs = lambda spawner: {{**kwargs(spawner), 'stop_signal': 'SIGKILL'}}
"""


def lay_out_site(root: Path, python: str = "", *, local: bool = False) -> None:
    """Writes the program and the administrator's Python below ``root``, which is the hub's.

    Args:
        python: more of the administrator's.
        local: servers are processes of this host.
    """
    script = root / "singleuser"
    script.write_text(SERVER)
    script.chmod(0o755)
    folder = root / "etc/jupyterhub/jupyterhub_config.d"
    folder.mkdir(exist_ok=True)
    (folder / "10-test.py").write_text(
        "c.JupyterHub.authenticator_class = 'dummy'\nc.Authenticator.allow_all = True\n"
        + (LOCAL if local else CONTAINERS).format(script=str(script), prefix=PREFIX)
        + python
    )
