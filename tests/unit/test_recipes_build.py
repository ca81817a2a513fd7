"""Builds of tiny recipes, with the real builder: order, cache, failures, and what a build script can see."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from forge import condapkg, interruption
from forge.errors import ForgeError
from forge.files import sha256_of
from forge.paths import ROOT, cache_dir
from forge.recipes import build_all, load_all
from forge.recipes.run import workshop
from tests.unit.forge_command import once_written, start_command
from tests.waiting import is_running

EPOCH = 1_700_000_000


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Recipes:
    """A folder of recipes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "variants.yaml").write_text("c_compiler: [zig]\n")

    def add(self, name: str, script: str, host: str = "", test: str = "true", version: str = "1") -> None:
        """A recipe that runs ``script``, needs ``host``, and is tested by ``test``."""
        (self.folder / name).mkdir(exist_ok=True)
        (self.folder / name / "recipe.yaml").write_text(
            f"package:\n  name: {name}\n  version: '{version}'\n"
            "build:\n  noarch: generic\n  script: build.sh\n"
            """  string: h${{ env.get("HUBFORGE_DIGEST") }}_0\n"""
            f"requirements: {{host: [{host}]}}\n"
            f"tests: [{{script: ['{test}']}}]\n"
            "about: {license: BSD-3-Clause}\n"
        )
        (self.folder / name / "build.sh").write_text(f'set -e\nmkdir -p "$PREFIX/share"\n{script}\n')

    def build(self, *names: str, packages: tuple[Path, ...] = ()) -> dict[str, list[Path]]:
        """Builds them."""
        recipes = load_all(self.folder)
        return build_all(recipes, names or recipes, packages=packages, version="1", epoch=EPOCH)


@pytest.fixture
def recipes(tmp_path: Path) -> Recipes:
    return Recipes(tmp_path / "recipes")


def content(package: Path) -> dict[str, bytes]:
    return {member.path: member.data for member in condapkg.read(package).members()}


def kept() -> list[str]:
    """Everything below the cache of built packages, half-written things included."""
    return sorted(path.name for path in cache_dir("packages").iterdir())


def test_a_recipe_is_built_after_what_it_needs_and_sees_it(recipes: Recipes) -> None:
    recipes.add("above", 'cp "$PREFIX/share/below" "$PREFIX/share/above"', host="below")
    recipes.add("below", 'echo hub > "$PREFIX/share/below"')
    built = recipes.build("above")
    assert set(built) == {"above", "below"}
    assert content(built["above"][0]) == {"share/above": b"hub\n"}


def test_a_recipe_can_need_a_package_that_is_given(recipes: Recipes, tmp_path: Path) -> None:
    index = condapkg.Index(name="wheel-of-ours", version="2", build="0", noarch="generic")
    wheel = condapkg.write(tmp_path, index, [condapkg.Member("share/given", b"hub")], epoch=EPOCH)
    recipes.add("it", 'cp "$PREFIX/share/given" "$PREFIX/share/it"', host="wheel-of-ours")
    assert content(recipes.build(packages=(wheel,))["it"][0]) == {"share/it": b"hub"}


def test_what_is_built_is_not_built_again(recipes: Recipes) -> None:
    recipes.add("it", 'echo hub > "$PREFIX/share/it"')
    (first,) = recipes.build()["it"]
    log = workshop() / "it.log"
    log.unlink()
    assert recipes.build()["it"] == [first]
    assert not log.exists()


def test_a_changed_recipe_is_built_again_and_so_is_what_was_made_from_it(recipes: Recipes) -> None:
    recipes.add("below", 'echo one > "$PREFIX/share/below"')
    recipes.add("above", 'cp "$PREFIX/share/below" "$PREFIX/share/above"', host="below")
    recipes.add("beside", 'echo three > "$PREFIX/share/beside"')
    before = recipes.build()
    recipes.add("below", 'echo two > "$PREFIX/share/below"')
    after = recipes.build()
    assert content(after["above"][0]) == {"share/above": b"two\n"}
    assert after["beside"] == before["beside"]


def test_two_machines_make_the_same_bytes(recipes: Recipes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipes.add("it", 'echo "I am in $PREFIX, from $PWD" > "$PREFIX/share/it"')
    (here,) = recipes.build()["it"]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine's longer folder"))
    (there,) = recipes.build()["it"]
    assert here != there
    assert sha256_of(here) == sha256_of(there)


def test_other_content_has_another_file_name(recipes: Recipes) -> None:
    recipes.add("it", 'echo one > "$PREFIX/share/it"')
    (before,) = recipes.build()["it"]
    recipes.add("it", 'echo two > "$PREFIX/share/it"')
    (after,) = recipes.build()["it"]
    assert before.name != after.name


def test_a_new_release_changes_only_what_has_its_version(recipes: Recipes) -> None:
    recipes.add("tool", "true")
    recipes.add("release", "true", version='${{ env.get("HUBFORGE_VERSION") }}')
    known = load_all(recipes.folder)
    old = build_all(known, known, version="1", epoch=EPOCH)
    new = build_all(known, known, version="2", epoch=EPOCH + 1)
    assert old["tool"] == new["tool"]
    dates = [condapkg.read(*built["release"]).index.timestamp for built in (old, new)]
    assert dates == [EPOCH * 1000, (EPOCH + 1) * 1000]


def test_another_users_build_is_named_and_left_alone(
    recipes: Recipes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forge.recipes.run.PLACES", str(tmp_path / "build-{name}"))
    (tmp_path / "build-it").mkdir()
    (tmp_path / "build-it" / "theirs").touch()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    recipes.add("it", "true")
    with pytest.raises(ForgeError, match="build-it, which belongs to "):
        recipes.build()
    assert (tmp_path / "build-it" / "theirs").exists()


def test_nothing_of_this_machines_environment_reaches_a_build(
    recipes: Recipes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRIVATE_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("CFLAGS", "-march=native")
    recipes.add("it", 'env > "$PREFIX/share/it"; echo "$CFLAGS" > "$PREFIX/share/flags"')
    seen = content(recipes.build()["it"][0])
    assert b"secret" not in seen["share/it"]
    assert b"PYTHONPATH" not in seen["share/it"]
    assert b"march" not in seen["share/flags"]


def test_a_failed_build_is_named_with_the_end_of_its_log(recipes: Recipes) -> None:
    recipes.add("it", "echo 'the compiler is not amused'; exit 3")
    with pytest.raises(ForgeError) as caught:
        recipes.build()
    message = str(caught.value)
    assert "The recipe it: its build failed" in message
    assert "the compiler is not amused" in message
    assert str(workshop() / "it.log") in message
    assert kept() == []


def test_a_failed_test_is_told_from_a_failed_build(recipes: Recipes) -> None:
    recipes.add("it", 'echo hub > "$PREFIX/share/it"', test="test -e nothing-here")
    with pytest.raises(ForgeError, match="The recipe it: a test of its package failed"):
        recipes.build()
    assert kept() == []


def test_after_a_failure_the_next_run_goes_on(recipes: Recipes) -> None:
    recipes.add("below", 'echo one > "$PREFIX/share/below"')
    recipes.add("above", "exit 1", host="below")
    with pytest.raises(ForgeError):
        recipes.build()
    (workshop() / "below.log").unlink()
    recipes.add("above", 'echo two > "$PREFIX/share/above"', host="below")
    assert set(recipes.build()) == {"above", "below"}
    assert not (workshop() / "below.log").exists()


def test_a_need_that_nothing_provides_is_named_before_anything_is_built(recipes: Recipes) -> None:
    recipes.add("it", "true", host="nowhere-to-be-found")
    with pytest.raises(ForgeError, match=r"The recipe it needs .*: nowhere-to-be-found"):
        recipes.build()


def test_a_circle_is_named(recipes: Recipes) -> None:
    recipes.add("one", "true", host="two")
    recipes.add("two", "true", host="one")
    with pytest.raises(ForgeError, match=r"circle: .*one"):
        recipes.build()


def test_a_full_disk_is_called_a_full_disk(recipes: Recipes) -> None:
    recipes.add("it", "cat /dev/zero > /dev/full")
    with pytest.raises(ForgeError, match="The recipe it: the disk is full"):
        recipes.build()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_compilers_too_and_leaves_nothing(
    recipes: Recipes, tmp_path: Path, sign: signal.Signals
) -> None:
    started = tmp_path / "started"
    recipes.add("it", f"echo $$ > {started}; sleep 600")
    process = in_a_process_of_its_own(recipes, started)
    process.send_signal(sign)
    assert process.wait(60) == interruption.EXIT_CODE
    assert not is_running(int(started.read_text()))
    assert kept() == []


def test_a_build_that_outlives_forge_keeps_its_place_to_itself(recipes: Recipes, tmp_path: Path) -> None:
    started, goes_on = tmp_path / "started", tmp_path / "goes-on"
    script = f'[ -e {started} ] || {{ echo $$ > {started}; sleep 3; cp {started} "$PREFIX/share/it"; : > {goes_on}; }}'
    recipes.add("it", f'{script}\necho hub > "$PREFIX/share/it"')
    process = in_a_process_of_its_own(recipes, started)
    process.kill()
    process.wait()
    (built,) = recipes.build()["it"]
    assert goes_on.exists()  # undisturbed to its end, and only then was the place cleaned
    assert content(built) == {"share/it": b"hub\n"}


def in_a_process_of_its_own(recipes: Recipes, started: Path) -> "subprocess.Popen[str]":
    """Builds all, and returns once a build script has written ``started``."""
    program = (
        "from pathlib import Path\nfrom forge.recipes import build_all, load_all\n"
        f"recipes = load_all(Path({str(recipes.folder)!r}))\nbuild_all(recipes, recipes, version='1', epoch=0)"
    )
    process = start_command(program, stderr=subprocess.DEVNULL)
    once_written(started)
    return process
