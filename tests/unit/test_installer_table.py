"""Every flag and every exit code in one table, under each shell: what is typed, what was there, how it ends."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from forge.files import sha256_of
from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, run


@dataclass(frozen=True)
class Row:
    """One call.

    Attributes:
        typed: the arguments; PREFIX and DIR stand for folders, and LOG for a file.
        code: how it ends.
        said: a piece of what it says, on either output.
        before: what is in PREFIX: ``nothing``, ``somebody's`` file, an ``installed`` release or a ``newer`` one.
        after: the same at the end.
        answers: what is typed when it asks.
        file: which installer it is; ``unlucky`` is the ``sound`` one on a machine where linking fails.
    """

    typed: str
    code: int
    said: str
    before: str = "nothing"
    after: str = "nothing"
    answers: str = ""
    file: str = "sound"


TABLE = (
    Row("-b -p PREFIX", 0, "Installed", after="installed"),
    Row("-bs -p PREFIX", 0, "left alone (-s)", after="installed"),
    Row("-bk -p PREFIX", 0, "Installed", after="installed"),
    Row("-bm -p PREFIX", 0, "Installed", after="installed"),
    Row("-bst -p PREFIX", 0, "Running the tests", after="installed"),
    Row("-bsc -p PREFIX", 0, "conda init", after="installed"),
    Row("-s -p PREFIX", 0, "accept the licence?", after="installed", answers="yes\nno\n"),
    Row("-s", 0, "[/opt/miniconda3]", after="installed", answers="yes\nPREFIX\nno\n"),
    Row("-bs -p PREFIX", 1, "-u", before="somebody's", after="somebody's"),
    Row("-bs -p PREFIX", 1, "-f", before="somebody's", after="somebody's"),
    Row("-bsf -p PREFIX", 0, "Installed", before="somebody's", after="installed"),
    Row("-bs -p PREFIX", 1, "-u", before="installed", after="installed"),
    Row("-bsu -p PREFIX", 0, "Installed", before="installed", after="installed"),
    Row("-bsf -p PREFIX", 0, "Installed", before="installed", after="installed"),
    Row("-bsu -p PREFIX", 1, "--allow-downgrade", before="newer", after="installed"),
    Row("-bsu --allow-downgrade -p PREFIX", 0, "Installed", before="newer", after="installed"),
    Row("-bsu --restart -p PREFIX", 0, "Installed", before="installed", after="installed"),
    Row("-bs -p PREFIX --log LOG", 0, "LOG", after="installed"),
    Row("-bs -p PREFIX --log /dev/null/below", 1, "--log"),
    Row("-bs -p /dev/null/below", 1, "not a folder"),
    Row("-bs -p /", 1, "root folder"),
    Row("-h", 0, "Exit codes"),
    Row("--check -p PREFIX", 0, "every sha256 is right"),
    Row("--check -p PREFIX", 1, "stop", before="somebody's", after="somebody's"),
    Row("--list", 0, "demo"),
    Row("--sbom", 0, "CycloneDX"),
    Row("--extract-channel DIR", 0, "The channel is in"),
    Row("--extract-channel /dev/null/below", 1, "not a folder"),
    Row("--uninstall -b -p PREFIX", 0, "was removed", before="installed"),
    Row("--uninstall -p PREFIX", 0, "Remove it?", before="installed", answers="yes\n"),
    Row("--uninstall -p PREFIX", 1, "Nothing was removed", before="installed", after="installed", answers="no\n"),
    Row("--uninstall -b -p PREFIX", 1, "no installation", before="somebody's", after="somebody's"),
    Row("--uninstall --purge -b -p PREFIX", 0, "was removed", before="installed"),
    Row("-x", 2, "-x"),
    Row("-b -p", 2, "wants a value"),
    Row("-b --log", 2, "wants a value"),
    Row("-b --purge -p PREFIX", 2, "--uninstall"),
    Row("--list --sbom", 2, "one run"),
    Row("-p PREFIX", 2, "not accepted", answers="no\n"),
    Row("-bs -p PREFIX", 3, "damaged", file="damaged"),
    Row("--check -p PREFIX", 3, "damaged", file="damaged"),
    Row("-bs -p PREFIX", 4, "same command", file="unlucky", after="begun"),
    Row("-b -p PREFIX", 5, "hubctl setup", file="unlucky on the host", after="installed"),
)


@pytest.fixture(scope="module")
def installers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("installers")
    sound = stub.build(folder, name="sound.sh")
    damaged = folder / "damaged.sh"
    damaged.write_bytes(sound.read_bytes()[:-1] + b"?")
    plan = stub.plan(folder / "packages")
    without_host = replace(plan, post_install="exit 7\n")
    return {
        "sound": sound,
        "newer": stub.build(folder, stub.newer(folder / "packages", plan), "newer.sh"),
        "damaged": damaged,
        "unlucky": sound,
        "unlucky on the host": stub.build(folder, without_host, "host.sh"),
    }


def state(prefix: Path) -> str:
    """What is in the prefix."""
    if (prefix / ".hubforge/installed.json").exists() and (prefix / "envs/jupyterhubenv/bin/demo").exists():
        return "installed"
    if (prefix / ".hubforge/installing").exists():
        return "begun"
    return "somebody's" if (prefix / "file").exists() else "nothing"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.typed} over {row.before}: {row.code}")
def test_flags_and_exit_codes(installers: dict[str, Path], tmp_path: Path, row: Row, shell: str) -> None:
    prefix = tmp_path / "prefix"
    if row.before == "somebody's":
        prefix.mkdir()
        (prefix / "file").touch()
    elif row.before in ("installed", "newer"):
        before = installers["sound" if row.before == "installed" else "newer"]
        assert run(before, "-bs", "-p", prefix, shell=shell).returncode == 0
    places = {"PREFIX": prefix, "DIR": tmp_path / "dir", "LOG": tmp_path / "log"}
    typed = [str(places.get(word, word)) for word in row.typed.split()]
    answers = row.answers.replace("PREFIX", str(prefix))
    machine = stub.before_linking(tmp_path / "commands", "exit 1") if row.file == "unlucky" else {}
    done = run(installers[row.file], *typed, shell=shell, answers=answers, HOME=str(tmp_path), LC_ALL="C", **machine)
    assert done.returncode == row.code, done.stderr
    assert str(places.get(row.said, row.said)) in done.stdout + done.stderr
    assert (done.stderr == "") == (row.code == 0)
    assert state(prefix) == row.after


def test_the_table_has_every_exit_code_and_every_flag(installers: dict[str, Path]) -> None:
    words = {word for row in TABLE for word in row.typed.split()}
    words |= {f"-{letter}" for word in words if word[0] == "-" != word[1] for letter in word[1:]}
    assert {row.code for row in TABLE} == {0, 1, 2, 3, 4, 5}
    assert set(re.findall(r"^  (-[\w-]+)", run(installers["sound"], "-h").stdout, re.MULTILINE)) - words == set()


def test_a_finished_prefix_says_its_release_and_the_sha256_of_every_package(
    installers: dict[str, Path], tmp_path: Path
) -> None:
    run(installers["sound"], "-bs", "-p", tmp_path / "prefix")
    run(installers["sound"], "--extract-channel", tmp_path / "channel")
    marker = json.loads((tmp_path / "prefix/.hubforge/installed.json").read_text())
    assert marker["version"] == "2026.11"
    hashes = {path.name.removesuffix(".conda"): sha256_of(path) for path in (tmp_path / "channel").rglob("*.conda")}
    for environment in ("base", "jupyterhubenv"):
        named = dict(entry.split() for entry in marker["environments"][environment]["packages"].values())
        assert named
        assert named.items() <= hashes.items()
