"""Source distributions of pure Python become wheels; what has compiled code needs a recipe."""

import os
import sys
import tempfile
from pathlib import Path
from subprocess import PIPE, STDOUT

from packaging.utils import parse_wheel_filename

from forge import processes
from forge.dates import newest
from forge.errors import ForgeError
from forge.files import place

FOLDER = "hubforge-sdist-"
"""How the names of the folders begin that it is built in."""


def from_sdist(sdist: Path, into: Path) -> Path:
    """Builds the wheel of a pure source distribution with pip and the build backends of forge's own environment.

    Its files bear the newest date in the source distribution (``SOURCE_DATE_EPOCH``).

    Args:
        sdist: the file.
        into: the folder that the wheel goes to.

    Returns:
        The wheel.

    Raises:
        ForgeError: it does not build, or there is compiled code in it.
    """
    # Its code runs: it sees nothing of this machine's environment, where addresses with passwords may stand.
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC", "PIP_CONFIG_FILE": os.devnull}
    environment |= {"SOURCE_DATE_EPOCH": str(newest(sdist))}
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--no-cache-dir",
    ]
    with tempfile.TemporaryDirectory(prefix=FOLDER) as folder:
        done = processes.run(
            [*command, "--disable-pip-version-check", "--wheel-dir", folder, str(sdist)],
            stdout=PIPE,
            stderr=STDOUT,
            env=environment | {"HOME": folder, "TMPDIR": folder},
            umask=0o022,
        )
        built = list(Path(folder).glob("*.whl"))
        if done.returncode != 0 or len(built) != 1:
            tail = "\n".join(done.stdout.splitlines()[-15:])
            raise ForgeError(f"pip could not make a wheel of {sdist.name}:\n{tail}", "Write a recipe for it.")
        tags = parse_wheel_filename(built[0].name)[3]
        if {tag.platform for tag in tags} != {"any"}:
            raise ForgeError(f"{sdist.name} has compiled code: its wheel is {built[0].name}.", "Write a recipe for it.")
        target = into / built[0].name
        place(built[0], target)
    return target
