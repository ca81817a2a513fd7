"""A HiveServer2 that wants Kerberos tickets: Spark's own, which is Hive's code, out of the users' image."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.ports import listens
from tests.realm_server import REALM, RealmServer
from tests.waiting import wait_for

_NOBODY = 65534


@dataclass(frozen=True)
class HiveServer:
    """Where it listens, and the container that it is in."""

    host: str
    port: int
    container: str

    def wait(self, seconds: float = 180) -> None:
        """Until it listens."""
        wait_for("HiveServer2", lambda: listens((self.host, self.port)), seconds, self.log)

    def log(self) -> str:
        """The last of what it says."""
        command = ["docker", "logs", "--tail=60", self.container]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


@contextmanager
def hive_server(server: RealmServer, image: str) -> Iterator[HiveServer]:
    """It starts; ``wait`` waits until it listens, on the address that containers have for this machine."""
    keytab = server.folder / "kdc" / "hive.keytab"
    os.chown(keytab, _NOBODY, _NOBODY)
    etc = server.root / "etc"
    mounts = {etc / "krb5.conf": "/etc/krb5.conf", etc / "hadoop/conf": "/etc/hadoop/conf", keytab: "/hive.keytab"}
    docker = ["docker", "run", "--detach", "--network=host", f"--user={_NOBODY}"]
    docker += [f"--volume={here}:{there}:ro" for here, there in mounts.items()]
    docker += ["--env=HADOOP_CONF_DIR=/etc/hadoop/conf", "--env=SPARK_LOCAL_IP=127.0.0.1"]
    program = ["spark-submit", "--master", "local[1]", "--conf", "spark.ui.enabled=false"]
    program += ["--class", "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2", "spark-internal"]
    options = {
        "thrift.bind.host": server.gateway,
        "thrift.port": str(server.ports[5]),
        "authentication": "KERBEROS",
        "authentication.kerberos.principal": f"hive/{server.gateway}@{REALM}",
        "authentication.kerberos.keytab": "/hive.keytab",
    }
    for key, value in options.items():
        program += ["--hiveconf", f"hive.server2.{key}={value}"]
    started = subprocess.run([*docker, image, *program], check=True, capture_output=True, text=True)
    running = HiveServer(server.gateway, server.ports[5], started.stdout.strip())
    try:
        yield running
    finally:
        subprocess.run(["docker", "rm", "--force", running.container], check=True, capture_output=True)
