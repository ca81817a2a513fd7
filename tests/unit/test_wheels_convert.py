"""Wheels as packages: where files go, byte code, RECORD, scripts, licences; the same bytes every time."""

import csv
import importlib.util
import json
import marshal
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forge import condapkg
from forge.condapkg import PLACEHOLDER, Member, Package
from forge.errors import ForgeError
from forge.files import sha256_of
from forge.wheels import convert, convert_all, from_sdist
from forge.wheels.amendments import REPLACED
from forge.wheels.metadata import Wheel
from forge.wheels.names import MAPPING
from tests.unit.wheels_factory import make_wheel

HERE = sys.version_info
VERSION = ".".join(map(str, HERE[:3]))
SERIES = f"{HERE[0]}.{HERE[1]}"
CP = f"cp{HERE[0]}{HERE[1]}"
PYC = f"cpython-{HERE[0]}{HERE[1]}.pyc"
BINARY = f"{CP}-{CP}-manylinux_2_17_x86_64"
SITE = f"lib/python{SERIES}/site-packages"
EPOCH = 1_790_000_000


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield tmp_path / "cache"


@pytest.fixture
def names(tmp_path: Path) -> Path:
    path = tmp_path / "conda_pypi-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MAPPING, json.dumps({"msgpack": {"conda_name": "msgpack-python"}}))
    return path


def convert_these(names: Path, *wheels: Path, skip: tuple[str, ...] = ()) -> list[Path]:
    files = {wheel.name.split("-")[0]: wheel for wheel in wheels}
    python = Path(sys.executable)
    return convert_all(files, python=python, python_version=VERSION, names=names, skip=skip)


def package_of(names: Path, wheel: Path) -> tuple[Package, dict[str, Member]]:
    package = condapkg.read(convert_these(names, wheel)[0])
    return package, {member.path: member for member in package.members()}


def record_of(members: dict[str, Member], site: str = SITE) -> dict[str, tuple[str, str]]:
    text = members[f"{site}/demo-1.0.dist-info/RECORD"].data.decode()
    return {path: (digest, size) for path, digest, size in csv.reader(text.splitlines())}


def test_a_pure_wheel_is_one_package_for_every_platform(tmp_path: Path, names: Path) -> None:
    files = {
        "demo/__init__.py": b"def main(): pass\n",
        "demo-1.0.dist-info/entry_points.txt": b"[console_scripts]\ndemo = demo:main [fast]\nd2 = demo:main\n",
        "demo-1.0.dist-info/licenses/LICENSE.txt": b"do what you like\n",
        "demo-1.0.data/scripts/demo-old": b"#!python\nprint(1)\n",
        "demo-1.0.data/data/share/jupyter/x.json": b"{}",
    }
    package, members = package_of(names, make_wheel(tmp_path, files=files, metadata=["License-Expression: MIT"]))
    assert (package.index.subdir, package.index.noarch, package.index.license) == ("noarch", "python", "MIT")
    assert set(members) == {
        "python-scripts/demo-old",
        "share/jupyter/x.json",
        "site-packages/demo/__init__.py",
        f"site-packages/demo/__pycache__/__init__.{PYC}",
        *(f"site-packages/demo-1.0.dist-info/{name}" for name in ("INSTALLER", "METADATA", "RECORD", "WHEEL")),
        "site-packages/demo-1.0.dist-info/entry_points.txt",
        "site-packages/demo-1.0.dist-info/licenses/LICENSE.txt",
    }
    link = json.loads(package.info["link.json"])
    assert link["noarch"]["entry_points"] == ["d2 = demo:main", "demo = demo:main"]
    assert package.info["licenses/LICENSE.txt"] == b"do what you like\n"
    assert members["site-packages/demo-1.0.dist-info/INSTALLER"].data == b"conda\n"
    assert members["python-scripts/demo-old"].file_mode == "text"
    assert members["python-scripts/demo-old"].data.startswith(f"#!{PLACEHOLDER}/bin/python\n".encode())


def test_a_compiled_wheel_lies_in_its_final_places(tmp_path: Path, names: Path) -> None:
    files = {
        "demo/native.so": b"\x7fELF...",
        "demo.libs/libx.so.1": b"\x7fELF RPATH",
        "demo-1.0.dist-info/entry_points.txt": b"[gui_scripts]\ndemo = demo.cli:app.run\n",
        "demo-1.0.data/headers/demo.h": b"#define DEMO\n",
        "demo-1.0.data/scripts/tool": b"\x7fELF tool",
        "demo-1.0.data/platlib/extra.py": b"y = 2\n",
    }
    package, members = package_of(names, make_wheel(tmp_path, tag=BINARY, files=files))
    assert (package.index.subdir, package.index.noarch) == ("linux-64", None)
    assert members[f"{SITE}/demo.libs/libx.so.1"].data == b"\x7fELF RPATH"
    assert members[f"include/python{SERIES}/demo/demo.h"].data == b"#define DEMO\n"
    assert members["bin/tool"] == Member("bin/tool", b"\x7fELF tool", executable=True)
    assert f"{SITE}/__pycache__/extra.{PYC}" in members
    script = members["bin/demo"]
    assert (script.executable, script.file_mode) == (True, "text")
    assert script.data.startswith(f"#!{PLACEHOLDER}/bin/python\n".encode())
    assert b"from demo.cli import app" in script.data
    assert b"sys.exit(app.run())" in script.data


def test_record_tells_the_truth_once_the_package_is_linked(tmp_path: Path, names: Path) -> None:
    files = {
        "demo.py": b"def main(): pass\n",
        "demo-1.0.dist-info/entry_points.txt": b"[console_scripts]\ndemo = demo:main\n",
        "demo-1.0.data/scripts/old": b"#!python\n",
        "demo-1.0.data/data/share/d": b"1",
    }
    _, members = package_of(names, make_wheel(tmp_path, files=files))
    record = record_of(members, "site-packages")
    assert record["../../../bin/demo"] == ("", "")
    assert record["../../../bin/old"] == ("", "")
    assert record[f"__pycache__/demo.{PYC}"] == ("", "")
    assert record["../../../share/d"][1] == "1"
    assert record["demo.py"][0].startswith("sha256=")
    assert record["demo-1.0.dist-info/RECORD"] == ("", "")
    _, members = package_of(names, make_wheel(tmp_path, tag=BINARY, files=files))
    assert set(record_of(members)) == set(record)


def test_byte_code_is_valid_whatever_the_date_of_the_source_and_names_no_build_folder(
    tmp_path: Path, names: Path
) -> None:
    source = b"# -*- coding: latin-1 -*-\nname = '\xe9'\n"
    _, members = package_of(names, make_wheel(tmp_path, files={"demo.py": source}))
    pyc = members[f"site-packages/__pycache__/demo.{PYC}"].data
    assert pyc[:4] == importlib.util.MAGIC_NUMBER
    assert pyc[4:8] == b"\1\0\0\0"
    assert pyc[8:16] == importlib.util.source_hash(source)
    assert marshal.loads(pyc[16:]).co_filename == f"{SITE}/demo.py"
    package_folder = tmp_path / "linked"
    (package_folder / "__pycache__").mkdir(parents=True)
    (package_folder / "demo.py").write_bytes(source)
    (package_folder / f"__pycache__/demo.{PYC}").write_bytes(pyc)
    os.utime(package_folder / "demo.py", (1, 1))
    show = "import sys; sys.dont_write_bytecode = True; import demo; print(ascii(demo.name), demo.__cached__)"
    done = subprocess.run([sys.executable, "-c", show], cwd=package_folder, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == r"'\xe9'"


def test_source_that_is_not_valid_python_is_shipped_without_byte_code(tmp_path: Path, names: Path) -> None:
    files = {"demo/template.py": b"print {{ name }}", "demo/__init__.py": b"", "demo/nul.py": b"x = '\0'"}
    _, members = package_of(names, make_wheel(tmp_path, files=files))
    assert [name for name in members if name.endswith(".pyc")] == [f"site-packages/demo/__pycache__/__init__.{PYC}"]
    assert members["site-packages/demo/template.py"].data == b"print {{ name }}"


def test_byte_code_that_the_wheel_brought_along_is_replaced(tmp_path: Path, names: Path) -> None:
    files = {"demo.py": b"x = 1\n", f"__pycache__/demo.{PYC}": b"stale", "__pycache__/demo.cpython-27.pyc": b"stale"}
    _, members = package_of(names, make_wheel(tmp_path, files=files))
    cached = {name: member.data for name, member in members.items() if "__pycache__" in name}
    assert list(cached) == [f"site-packages/__pycache__/demo.{PYC}"]
    assert b"stale" not in cached[f"site-packages/__pycache__/demo.{PYC}"]


def test_the_same_wheel_gives_the_same_bytes_from_another_place(
    tmp_path: Path, names: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(tmp_path, files={"demo.py": b"x = {'a', 'b'}\ndef f(y): return y in {'c', 'd', 'e'}\n"})
    first = convert_these(names, wheel)[0]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    moved = shutil.copy(wheel, tmp_path / "cache" / wheel.name)
    os.utime(moved, (1, 1))
    second = convert_these(names, Path(moved))[0]
    assert first != second
    assert (first.name, first.read_bytes()) == (second.name, second.read_bytes())


def test_nothing_is_converted_twice(tmp_path: Path, names: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(tmp_path)
    first = convert_these(names, wheel)
    monkeypatch.setattr(convert, "_run", lambda *_: pytest.fail("converted again"))
    assert convert_these(names, wheel) == first


def test_other_dependencies_make_another_file_name(tmp_path: Path, names: Path) -> None:
    wheel = make_wheel(tmp_path, requires=["base[x]"])
    plain = make_wheel(tmp_path / "a", "base")
    rich = make_wheel(tmp_path / "b", "base", requires=["more; extra == 'x'"])
    before = convert_these(names, wheel, plain)[1]
    after = convert_these(names, wheel, rich, make_wheel(tmp_path, "more"))[1]
    assert (before.name[:9], after.name[:9]) == ("demo-1.0-", "demo-1.0-")
    assert before.name != after.name


def test_another_licence_makes_another_file_name(tmp_path: Path, names: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(tmp_path)
    before = convert_these(names, wheel)[0]
    monkeypatch.setattr(Wheel, "license", "MIT")
    after = convert_these(names, wheel)[0]
    assert condapkg.read(after).index.license == "MIT"
    assert before.name != after.name


def test_the_date_is_the_wheels_own_and_never_newer_than_the_release(tmp_path: Path, names: Path) -> None:
    package, _ = package_of(names, make_wheel(tmp_path))
    assert json.loads(package.info["index.json"])["timestamp"] == 1_714_979_290_000


def test_packages_say_which_wheel_they_were(tmp_path: Path, names: Path) -> None:
    wheel = make_wheel(tmp_path, metadata=["Summary: A demo", "Project-URL: Homepage, https://example.invalid"])
    package, _ = package_of(names, wheel)
    assert package.about["extra"]["wheel"] == wheel.name
    assert (package.about["summary"], package.about["home"]) == ("A demo", "https://example.invalid")


def test_a_helper_that_asks_for_a_newer_glibc_is_left_out_and_not_recorded(tmp_path: Path, names: Path) -> None:
    helper = "debugpy/_vendored/pydevd/pydevd_attach_to_process/attach_linux_amd64.so"
    wheel = make_wheel(tmp_path, "debugpy", tag=BINARY, files={"debugpy/__init__.py": b"", helper: b"compiled"})
    _, members = package_of(names, wheel)
    assert f"{SITE}/debugpy/__init__.py" in members
    assert not any(path.endswith("attach_linux_amd64.so") for path in members)
    assert b"attach_linux_amd64" not in members[f"{SITE}/debugpy-1.0.dist-info/RECORD"].data


def test_icons_that_no_page_names_are_left_out_and_their_fonts_stay(tmp_path: Path, names: Path) -> None:
    icons = "share/jupyterhub/static/components/@fortawesome/fontawesome-free"
    kept = ["css/solid.css", "webfonts/fa-solid-900.woff2", "LICENSE.txt"]
    gone = [
        "svgs/solid/eye.svg",
        "svgs-full/solid/eye.svg",
        "sprites/solid.svg",
        "sprites-full/solid.svg",
        "metadata/i",
    ]
    files = {f"jupyterhub-1.0.data/data/{icons}/{name}": b"x" for name in (*kept, *gone)}
    wheel = make_wheel(tmp_path, "jupyterhub", files={"jupyterhub/__init__.py": b"", **files})
    _, members = package_of(names, wheel)
    assert sorted(path for path in members if path.startswith(icons)) == sorted(f"{icons}/{name}" for name in kept)
    record = next(member.data for path, member in members.items() if path.endswith("/RECORD"))
    assert b"eye.svg" not in record


UPSTREAM = (
    b"".join(old for old, _ in REPLACED["rfc3987-syntax"]["rfc3987_syntax/syntax_helpers.py"])
    + b"""\
            return True
        except LarkError:
            return False
    return syntax_validator
"""
)


def test_a_library_that_takes_long_to_import_makes_its_parsers_when_they_are_used(tmp_path: Path, names: Path) -> None:
    wheel = make_wheel(tmp_path, "rfc3987_syntax", files={"rfc3987_syntax/syntax_helpers.py": UPSTREAM})
    _, members = package_of(names, wheel)
    made: list[str] = []

    class Lark:
        def __init__(self, grammar: str, start: str, parser: str) -> None:
            made.append(start)

        def parse(self, text: str) -> None:
            if text != "good":
                raise ValueError(text)

    values: dict[str, Any] = {"Lark": Lark, "LarkError": ValueError, "grammar": "", "RFC3987_SYNTAX_PARSER_TYPE": ""}
    exec(members["site-packages/rfc3987_syntax/syntax_helpers.py"].data, values)
    validators = [values["make_syntax_validator"](rule) for rule in ("iri", "port")]
    assert made == []
    assert [validators[0](text) for text in ("good", "bad", "good")] == [True, False, True]
    assert made == ["iri"]


def test_a_version_that_an_amendment_does_not_fit_is_refused(tmp_path: Path, names: Path) -> None:
    wheel = make_wheel(tmp_path, "rfc3987_syntax", files={"rfc3987_syntax/syntax_helpers.py": b"all = 'new'\n"})
    with pytest.raises(ForgeError, match="Look whether this version still needs that"):
        convert_these(names, wheel)


def test_a_licence_that_upstream_leaves_out_of_its_wheel_is_in_the_package(tmp_path: Path, names: Path) -> None:
    package, _ = package_of(names, make_wheel(tmp_path, "py_rattler", files={"rattler/__init__.py": b""}))
    assert b"Prefix GmbH" in package.info["licenses/LICENSE"]


def test_a_wheel_whose_record_lies_is_refused(tmp_path: Path, names: Path) -> None:
    wheel = make_wheel(tmp_path)
    broken = tmp_path / "broken" / wheel.name
    broken.parent.mkdir()
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(broken, "w") as new:
        for item in old.infolist():
            new.writestr(item, b"evil = 1\n" if item.filename == "demo.py" else old.read(item))
    with pytest.raises(ForgeError, match=r"demo-1\.0-py3-none-any\.whl cannot be unpacked.*didn't match RECORD"):
        convert_these(names, broken)


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("demo/tool", "is for any platform, but site-packages/demo/tool is compiled code"),
        ("demo-1.0.data/headers/x.h", "has C headers"),
        ("demo-1.0.data/odd/x", "cannot be unpacked"),
        ("other-1.0.data/scripts/x", "has its data in other-1.0.data"),
        ("../../bin/sh.txt", "no place in a prefix"),
    ],
)
def test_what_is_odd_is_refused_by_name(tmp_path: Path, names: Path, path: str, complaint: str) -> None:
    with pytest.raises(ForgeError, match=complaint) as caught:
        convert_these(names, make_wheel(tmp_path, files={path: b"text" if path.endswith(".txt") else b"\x7fELF"}))
    assert "demo-1.0" in str(caught.value)
    assert not list((tmp_path / "cache").rglob("demo*.conda"))


def test_two_projects_with_one_conda_name_are_refused(tmp_path: Path, names: Path) -> None:
    both = make_wheel(tmp_path, "msgpack"), make_wheel(tmp_path, "msgpack_python")
    with pytest.raises(ForgeError, match="msgpack and msgpack-python would both be the conda package msgpack-python"):
        convert_these(names, *both)


def test_what_a_recipe_builds_is_not_converted(tmp_path: Path, names: Path) -> None:
    demo = make_wheel(tmp_path, requires=["Spawner_X"])
    assert len(convert_these(names, demo, make_wheel(tmp_path, "spawner_x"), skip=("spawner-x",))) == 1


def test_an_interpreter_of_another_series_is_refused(tmp_path: Path, names: Path) -> None:
    with pytest.raises(ForgeError, match=r"makes byte code for cpython-\d+, the packages are for cpython-399"):
        convert_all({}, python=Path(sys.executable), python_version="3.99.0", names=names)


def sdist(folder: Path, setup: str, files: dict[str, str]) -> Path:
    root = folder / "src" / "puresd-1.0"
    root.mkdir(parents=True)
    for name, text in {
        "setup.py": setup,
        "PKG-INFO": "Metadata-Version: 1.0\nName: puresd\nVersion: 1.0\n",
        **files,
    }.items():
        (root / name).write_text(text)
    return Path(shutil.make_archive(str(folder / "puresd-1.0"), "gztar", root.parent, root.name))


def test_a_pure_source_distribution_is_converted_as_well(tmp_path: Path, names: Path) -> None:
    setup = "from setuptools import setup\nsetup(name='puresd', version='1.0', py_modules=['puresd'])\n"
    source = sdist(tmp_path, setup, {"puresd.py": "x = 1\n"})
    package = condapkg.read(convert_these(names, source)[0])
    assert package.index.stem.startswith("puresd-1.0-pyh")
    assert "site-packages/puresd.py" in {entry.path for entry in package.paths}
    again = from_sdist(source, tmp_path / "again")
    assert package.about["extra"]["wheel_sha256"] == sha256_of(again)


def test_a_source_distribution_with_c_code_needs_a_recipe(tmp_path: Path) -> None:
    setup = (
        "from setuptools import setup\nfrom setuptools.dist import Distribution\n"
        "class D(Distribution):\n    def has_ext_modules(self): return True\n"
        "setup(name='puresd', version='1.0', py_modules=['puresd'], distclass=D)\n"
    )
    source = sdist(tmp_path, setup, {"puresd.py": "x = 1\n"})
    with pytest.raises(ForgeError, match=r"puresd-1\.0\.tar\.gz has compiled code") as caught:
        from_sdist(source, tmp_path / "out")
    assert "Write a recipe" in str(caught.value)


def test_a_source_distribution_that_does_not_build_shows_why(tmp_path: Path) -> None:
    source = sdist(tmp_path, "raise SystemExit('no such luck')\n", {})
    with pytest.raises(ForgeError, match=r"(?s)could not make a wheel of puresd-1\.0\.tar\.gz.*no such luck"):
        from_sdist(source, tmp_path / "out")
