"""The first step of every command: the Debian packages that it needs."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge.paths import ROOT

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A checkout that everybody can read, and a machine where two of Debian's packages are missing."""
    with tempfile.TemporaryDirectory(prefix="hubforge-test-") as folder:
        checkout = Path(folder)
        checkout.chmod(0o755)
        for name in ("forge/bootstrap.sh", "lockfiles/pypi/forge.txt"):
            (checkout / name).parent.mkdir(parents=True)
            shutil.copy(ROOT / name, checkout / name)
        (checkout / "bin").mkdir()
        query = checkout / "bin" / "dpkg-query"
        query.write_text("#!/bin/sh\nfor it; do :; done\ncase $it in bison|tcl) exit 1 ;; *) echo installed ;; esac\n")
        query.chmod(0o755)
        yield checkout


def test_without_root_the_one_apt_command_is_printed_and_nothing_is_done(checkout: Path) -> None:
    environment = {"PATH": f"{checkout}/bin:/usr/bin:/bin", "HOME": str(checkout / "home")}
    command = [*NOBODY, "sh", str(checkout / "forge" / "bootstrap.sh"), "hub"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert [line.strip() for line in done.stderr.splitlines() if line.strip()] == [
        "This needs Debian packages that are not installed. As root, run this once, then the same command again:",
        "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends bison tcl",
    ]
    assert not (checkout / "home").exists()
