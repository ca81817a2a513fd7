"""The rewriting that turns conda-lock's vendored copy back into conda."""

import importlib.util
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

RECIPE = Path(__file__).parents[2] / "recipes/conda"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("restore", RECIPE / "restore.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


restore = load()


def wheel(folder: Path, files: dict[str, str]) -> Path:
    path = folder / "conda_lock-4.0.3-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"conda_lock/_vendor/{name}", text)
    return path


def test_imports_get_their_own_names_back() -> None:
    text = 'from conda_lock._vendor.conda.base import x\nNAME = "conda_lock.vendor.conda.base"\nLOCK = ".conda_lock"\n'
    assert restore.restore_imports(text) == (
        'from conda.base import x\nNAME = "conda.base"\nLOCK = ".conda_lock"\n',
        2,
    )


@pytest.mark.parametrize("domain", ["anaconda", "conda"])
@pytest.mark.parametrize("top", ["org", "com", "io"])
def test_hosts_of_public_channels_are_gone(domain: str, top: str) -> None:
    host = f"{domain}.{top}"
    text = f"See https://repo.{host}/pkgs or user:pw@{host}, or ask {host}. import conda.common.io"
    said = restore.remove_public_hosts(text)
    assert restore.public_hosts(text) != []
    assert restore.public_hosts(said) == []
    assert said == (
        "See https://conda.example/pkgs or user:pw@conda.example, or ask a public channel. import conda.common.io"
    )


def test_unpacked_conda_is_complete_but_for_its_test_helpers(tmp_path: Path) -> None:
    files = {
        "conda/__init__.py": "from conda_lock._vendor.conda import y\n",
        "conda/_version.py": "__version__ = version = '24.7.1'\n",
        "conda/testing/helpers.py": "",
        "grayskull/__init__.py": "",
    }
    tree = tmp_path / "conda"
    restore.unpack(wheel(tmp_path, files), tree)
    restore.restore(tree)
    assert sorted(p.name for p in tree.rglob("*")) == ["__init__.py", "_version.py"]
    assert (tree / "__init__.py").read_text() == "from conda import y\n"
    assert restore.version(tree) == "24.7.1"


def test_wheel_without_conda_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(restore.RestoreError, match=r"conda_lock-4\.0\.3-py3-none-any\.whl"):
        restore.unpack(wheel(tmp_path, {"grayskull/__init__.py": ""}), tmp_path / "conda")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("import os\n", "no import of conda_lock"), ("import conda_lock._vendor as v\n", "still names conda_lock")],
)
def test_source_in_another_form_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "module.py").write_text(text)
    with pytest.raises(restore.RestoreError, match=complaint):
        restore.restore(tmp_path)


def test_licence_that_is_not_condas_is_refused(tmp_path: Path) -> None:
    with pytest.raises(restore.RestoreError, match="not a BSD licence"):
        restore.licence(wheel(tmp_path, {"conda.LICENSE": "ISC License"}))


def test_patches_carry_their_reason_and_no_public_host() -> None:
    patches = sorted((RECIPE / "patches").glob("*.patch"))
    assert patches
    for patch in patches:
        text = patch.read_text()
        assert not text.startswith("---"), f"{patch.name} says why"
        assert restore.public_hosts(text) == []
