"""pip in an environment of the server: a wheel, and a C source distribution with the system's compiler."""

import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.integration.conda_support import Conda, new_user

SOURCE = {
    "setup.py": "from setuptools import Extension, setup\nsetup(ext_modules=[Extension('answer', ['answer.c'])])\n",
    "pyproject.toml": "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n"
    "[project]\nname = 'answer'\nversion = '1.0'\n",
    "answer.c": """
#include <Python.h>
static PyObject *value(PyObject *self, PyObject *none) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"value", value, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "answer", NULL, -1, methods};
PyMODINIT_FUNC PyInit_answer(void) { return PyModule_Create(&module); }
""",
}


@pytest.fixture(scope="module")
def python(prefix: Path, channel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that a user has made."""
    user: Conda = new_user(prefix, channel, tmp_path_factory.mktemp("home"))
    user.run("create", "--yes", "--name", "mine", "-c", "hubforge", "--offline", "python=3.13", "pip", "setuptools")
    return user.home / "envs" / "mine" / "bin" / "python"


def install(python: Path, *what: str) -> None:
    command = [str(python), "-m", "pip", "install", "--no-index", "--no-build-isolation", "--quiet", *what]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(python.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_c_source_distribution_is_compiled_with_the_systems_compiler(python: Path, tmp_path: Path) -> None:
    for name, text in SOURCE.items():
        (tmp_path / name).write_text(text)
    install(python, str(tmp_path))
    said = subprocess.run([python, "-c", "import answer; print(answer.value())"], capture_output=True, text=True)
    assert (said.stdout, said.stderr) == ("42\n", "")


def test_a_wheel_brings_its_module_and_its_command(python: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "greeter-1.0-py3-none-any.whl"
    info = "greeter-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("greeter.py", "def greet():\n    print('good morning')\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/entry_points.txt", "[console_scripts]\ngreet = greeter:greet\n")
        archive.writestr(f"{info}/RECORD", "")
    install(python, str(wheel))
    assert subprocess.run([python.parent / "greet"], capture_output=True, text=True).stdout == "good morning\n"
