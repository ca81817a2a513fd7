"""`make hub` on machines that can't do what it needs."""

import subprocess
import sys

from forge.paths import ROOT


def test_where_the_network_cannot_be_cut_off_that_is_said_before_anything_is_built() -> None:
    """Root without SYS_ADMIN, as in an ordinary container."""
    command = ["setpriv", "--bounding-set=-sys_admin", "--", sys.executable, "-m", "forge", "hub"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert refused.returncode == 1
    words = refused.stderr.splitlines()
    assert "unshare failed" in words[0]
    assert words[1].startswith("error: the network can't be cut off")
    assert "SYS_ADMIN" in words[2]
