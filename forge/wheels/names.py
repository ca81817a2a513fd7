"""What a PyPI project is called on conda-forge, so that a mirrored conda-forge can be a second channel after ours."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from forge.errors import ForgeError

MAPPING = "conda_pypi/grayskull_pypi_mapping.json"
"""Where conda-pypi's wheel carries its mapping: canonical PyPI name to an object with ``conda_name``."""

EXCEPTIONS: Mapping[str, str] = {
    "backports-tarfile": "backports.tarfile",
    "backports-zstd": "backports.zstd",
    "brotli": "brotli-python",
    "ipython-pygments-lexers": "ipython_pygments_lexers",
    "jupyter-core": "jupyter_core",
    "jupyter-events": "jupyter_events",
    "jupyterlab-server": "jupyterlab_server",
    "ruamel-yaml-clib": "ruamel.yaml.clib",
}
"""Projects that conda-forge names otherwise and conda-pypi's mapping does not know.

Not here on purpose: ``jupyterhub``. conda-forge splits it in ``jupyterhub-base`` and ``jupyterhub`` (which adds the
proxy); here it is one package ``jupyterhub``, and the proxy is a dependency of the environment.
"""


@dataclass(frozen=True)
class Names:
    """From PyPI's names to conda-forge's."""

    mapping: Mapping[str, str]

    @classmethod
    def from_wheel(cls, wheel: Path) -> "Names":
        """Reads the mapping that conda-pypi's wheel carries.

        Raises:
            ForgeError: the wheel has no mapping of the known form.
        """
        try:
            with zipfile.ZipFile(wheel) as archive:
                document = json.loads(archive.read(MAPPING))
            mapping: dict[str, str] = {canonicalize_name(name): entry["conda_name"] for name, entry in document.items()}
        except (OSError, KeyError, TypeError, AttributeError, ValueError, zipfile.BadZipFile) as error:
            raise ForgeError(
                f"{wheel.name} holds no name mapping as {MAPPING} ({error!r}).",
                "Lock a version of conda-pypi that carries one.",
            ) from error
        return cls({**mapping, **EXCEPTIONS})

    def conda(self, pypi: str) -> str:
        """The conda name of a PyPI project, its own canonical name where nobody says otherwise."""
        name = canonicalize_name(pypi)
        return self.mapping.get(name, name)
