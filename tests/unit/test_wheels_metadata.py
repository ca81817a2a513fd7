"""What the solver is told about a wheel: versions, markers, extras, ABI, the oldest glibc."""

from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from forge.errors import ForgeError
from forge.files import sha256_of
from forge.target import Target
from forge.wheels import metadata
from forge.wheels.metadata import Wheel
from forge.wheels.names import Names
from forge.wheels.relations import Relations, Universe, relations
from forge.wheels.specs import conda_spec
from tests.unit.wheels_factory import make_wheel

TARGET = Target("3.13.5")


def read(path: Path) -> Wheel:
    return metadata.read(path, sha256_of(path), TARGET)


def relate(wheel: Path, *others: Path, recipes: frozenset[str] = frozenset()) -> Relations:
    wheels: dict[str, Wheel] = {found.name: found for found in map(read, (wheel, *others))}
    return relations(read(wheel), Universe(wheels, recipes, Names({"msgpack": "msgpack-python"}), TARGET))


@pytest.mark.parametrize(
    ("pep440", "conda"),
    [
        ("", ""),
        (">=1.2", ">=1.2"),
        ("<2,>=1.2", ">=1.2,<2"),
        ("~=2.2", ">=2.2,2.*"),
        ("~=1.4.5", ">=1.4.5,1.4.*"),
        ("~=2.2.post3", ">=2.2.post3,2.*"),
        ("~=1!2.2", ">=1!2.2,1!2.*"),
        ("==1.2.*", "1.2.*"),
        ("!=1.2.*", "!=1.2.*"),
        ("==1.0-RC1", "==1.0rc1"),
        ("===1.0", "==1.0"),
        ("==1.0.post1", "==1.0.post1"),
        (">=1.0.dev3", ">=1.0.dev3"),
        ("==1.0+cpu", "==1.0+cpu"),
        (">=1!2.0", ">=1!2.0"),
        ("!=1.5,>=1.0,>=1.3,<3,<2.5", ">=1.3,<2.5,!=1.5"),
        (">1.9,>=1.10", ">=1.10,>1.9"),
    ],
)
def test_a_version_specifier_means_the_same_to_conda(pep440: str, conda: str) -> None:
    assert conda_spec(SpecifierSet(pep440), "demo") == conda


def test_an_arbitrary_version_is_refused_by_name() -> None:
    with pytest.raises(ForgeError, match="demo: conda has no spec for ===twelve"):
        conda_spec(SpecifierSet("===twelve"), "demo")


def test_markers_are_evaluated_for_the_server_not_for_the_build_machine(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        requires=[
            "pamela; sys_platform != 'win32'",
            "pywin32; sys_platform == 'win32'",
            "arm-thing; platform_machine == 'aarch64'",
            "msgpack>=1; python_version >= '3.13'",
            "pypy-thing; implementation_name == 'pypy'",
        ],
    )
    found = relate(wheel, make_wheel(tmp_path, "pamela"), make_wheel(tmp_path, "msgpack"))
    assert found.depends == ("msgpack-python >=1", "pamela", "python >=3.13")


def test_one_package_for_all_pythons_is_limited_to_those_that_its_dependencies_suit(tmp_path: Path) -> None:
    old = make_wheel(tmp_path, requires=["tomli; python_version < '3.11'"])
    assert relate(old).depends == ("python >=3.11",)
    new = make_wheel(tmp_path, "other", requires=["legacy-cgi; python_version >= '3.15'"])
    assert relate(new).depends == ("python >=3.9,<3.15.0a0",)
    free = make_wheel(tmp_path, "free", requires=["pamela; sys_platform == 'linux'"])
    assert relate(free, make_wheel(tmp_path, "pamela")).depends == ("pamela", "python >=3.9")


def test_extras_become_dependencies_of_the_one_who_asks(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, requires=["jsonschema[format_nongpl]>=4"])
    schema = make_wheel(
        tmp_path,
        "jsonschema",
        "4.26.0",
        requires=[
            "attrs",
            "fqdn>=1; extra == 'format-nongpl'",
            "jsonschema[net]; extra == 'format-nongpl'",
            "httpx; extra == 'net'",
            "never; extra == 'other'",
        ],
    )
    rest = [make_wheel(tmp_path, name) for name in ("attrs", "fqdn", "httpx")]
    assert relate(wheel, schema, *rest).depends == ("fqdn >=1", "httpx", "jsonschema >=4", "python >=3.9")
    assert relate(schema, wheel, *rest).depends == ("attrs", "python >=3.9")


def test_a_package_never_depends_on_itself(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, requires=["demo[all]", "attrs; extra == 'all'"])
    assert relate(wheel, make_wheel(tmp_path, "attrs")).depends == ("attrs", "python >=3.9")


def test_a_dependency_that_nobody_locked_is_an_error_with_both_names(tmp_path: Path) -> None:
    with pytest.raises(ForgeError, match=r"demo 1\.0 needs Missing_Thing, which is neither locked nor built"):
        relate(make_wheel(tmp_path, requires=["Missing_Thing>=2"]))


def test_what_a_recipe_builds_counts_as_there(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, requires=["pycosat>=0.6"])
    assert "pycosat >=0.6" in relate(wheel, recipes=frozenset({"pycosat"})).depends
    extra = make_wheel(tmp_path, "other", requires=["pycosat[fast]"])
    with pytest.raises(ForgeError, match=r"other 1\.0 needs pycosat\[fast\]"):
        relate(extra, recipes=frozenset({"pycosat"}))


def test_a_requirement_from_an_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ForgeError, match="wants pamela from an address"):
        relate(make_wheel(tmp_path, requires=["pamela @ https://example.invalid/pamela.whl"]))


@pytest.mark.parametrize(
    ("tag", "depends"),
    [
        (
            "cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64",
            ("__glibc >=2.17", "python >=3.13,<3.14.0a0", "python_abi 3.13.* *_cp313"),
        ),
        ("cp39-abi3-manylinux_2_28_x86_64", ("__glibc >=2.28", "python >=3.13,<3.14.0a0")),
        ("py3-none-manylinux2014_x86_64", ("__glibc >=2.17", "python >=3.13,<3.14.0a0")),
    ],
)
def test_compiled_wheels_are_pinned_to_what_they_were_compiled_for(
    tmp_path: Path, tag: str, depends: tuple[str, ...]
) -> None:
    found = relate(make_wheel(tmp_path, tag=tag))
    assert (found.depends, found.subdir, found.build) == (depends, "linux-64", "py313")


def test_a_wheel_for_any_platform_that_holds_libraries_is_a_package_for_this_one(tmp_path: Path) -> None:
    found = relate(make_wheel(tmp_path, files={"demo/attach_linux_amd64.so": b"\x7fELF"}))
    assert (found.depends, found.subdir) == (("__glibc >=2.28", "python >=3.13,<3.14.0a0"), "linux-64")


@pytest.mark.parametrize(
    "tag",
    [
        "cp312-cp312-manylinux_2_17_x86_64",
        "cp313-cp313t-manylinux_2_17_x86_64",
        "cp313-cp313-manylinux_2_34_x86_64",
        "cp313-cp313-musllinux_1_2_x86_64",
        "cp313-cp313-manylinux_2_17_aarch64",
        "cp313-cp313-linux_x86_64",
        "cp314-abi3-manylinux_2_17_x86_64",
        "py2-none-any",
    ],
)
def test_a_wheel_that_cannot_run_on_the_server_is_refused_by_name(tmp_path: Path, tag: str) -> None:
    with pytest.raises(ForgeError, match=rf"demo-1\.0-{tag}\.whl is not for CPython 3\.13"):
        read(make_wheel(tmp_path, tag=tag))


def test_a_wheel_for_newer_pythons_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ForgeError, match=r"wants Python >=3\.14, here is 3\.13\.5"):
        read(make_wheel(tmp_path, python=">=3.14"))


def test_the_licence_is_told_in_the_best_words_that_the_wheel_has(tmp_path: Path) -> None:
    def licence(name: str, *lines: str) -> str | None:
        return read(make_wheel(tmp_path, name, metadata=lines)).license

    assert licence("a", "License-Expression: MIT") == "MIT"
    assert licence("b", "License: BSD 3-Clause") == "BSD 3-Clause"
    assert licence("c", "Classifier: License :: OSI Approved :: MIT License") == "MIT License"
    assert licence("d") is None
    assert licence("e", "License: UNKNOWN", "Classifier: License :: OSI Approved :: ISC License") == "ISC License"


def test_a_file_that_is_no_wheel_is_named(tmp_path: Path) -> None:
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    path.write_bytes(b"not a zip")
    with pytest.raises(ForgeError, match=r"demo-1\.0-py3-none-any\.whl is no usable wheel"):
        read(path)
