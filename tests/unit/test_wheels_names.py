"""Names: a package has conda-forge's name, so that a mirrored conda-forge fits beside our channel."""

import json
import zipfile
from pathlib import Path

import pytest

from forge.errors import ForgeError
from forge.wheels.names import EXCEPTIONS, MAPPING, Names


def conda_pypi(folder: Path, document: object) -> Path:
    path = folder / "conda_pypi-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MAPPING, json.dumps(document))
    return path


@pytest.fixture
def names(tmp_path: Path) -> Names:
    known = {"msgpack": "msgpack-python", "docker": "docker-py", "typing-extensions": "typing_extensions"}
    return Names.from_wheel(conda_pypi(tmp_path, {name: {"conda_name": conda} for name, conda in known.items()}))


@pytest.mark.parametrize(
    ("pypi", "conda"),
    [
        ("msgpack", "msgpack-python"),
        ("docker", "docker-py"),
        ("typing_extensions", "typing_extensions"),
        ("Typing.Extensions", "typing_extensions"),
        ("jupyterhub", "jupyterhub"),
        ("PyYAML", "pyyaml"),
        ("psycopg-binary", "psycopg-binary"),
        ("importlib-metadata", "importlib-metadata"),
        ("python-dateutil", "python-dateutil"),
        ("jupyter-core", "jupyter_core"),
        ("jupyterlab_server", "jupyterlab_server"),
        ("ruamel.yaml.clib", "ruamel.yaml.clib"),
        ("backports.zstd", "backports.zstd"),
        ("ipython-pygments-lexers", "ipython_pygments_lexers"),
    ],
)
def test_a_project_has_the_name_that_conda_forge_gives_it(names: Names, pypi: str, conda: str) -> None:
    assert names.conda(pypi) == conda


def test_exceptions_are_written_as_pypi_spells_them_canonically() -> None:
    assert all(name == name.lower() and "_" not in name and "." not in name for name in EXCEPTIONS)


@pytest.mark.parametrize("document", [[], {"a": "b"}, {"a": {}}])
def test_another_form_of_the_mapping_is_refused_by_the_wheels_name(tmp_path: Path, document: object) -> None:
    with pytest.raises(ForgeError, match=r"conda_pypi-1-py3-none-any\.whl holds no name mapping"):
        Names.from_wheel(conda_pypi(tmp_path, document))
