"""What is asked, with which answers, and what no answer means."""

import os
from pathlib import Path

import pytest

from tests.unit import installer_stub as stub
from tests.unit.installer_stub import CTRL_C, SHELLS, on_a_terminal, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


@pytest.mark.parametrize("shell", SHELLS)
def test_asks_for_licence_prefix_and_shell(installer: Path, tmp_path: Path, shell: str) -> None:
    prefix = tmp_path / "prefix"
    done = run(installer, "-s", shell=shell, answers=f"perhaps\nyes\n{prefix}\nno\n", HOME=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    others, own = done.stdout.split("Do what you like.")
    for words in ("Rich Felker", "Meta Platforms", "Zig contributors"):  # of musl, zstd, compiler-rt
        assert words in others
    assert own.lstrip().startswith("Do you accept the licence?")
    assert "[/opt/miniconda3]" in done.stdout
    assert (prefix / ".hubforge/installed.json").exists()
    assert not (tmp_path / "conda-was-run").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_prefix_that_will_not_do_is_asked_again_at_once_with_the_reason(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/file").touch()
    prefix = tmp_path / "prefix"
    answers = f"yes\n{tmp_path}/with space\n{tmp_path}/taken\n{prefix}\nno\n"
    done = run(installer, "-s", shell=shell, answers=answers, HOME=str(tmp_path))
    assert done.returncode == 0
    assert ["with space" in line or "taken" in line for line in done.stderr.splitlines()] == [True, True]
    assert "with -p" not in done.stderr, "another is asked for"
    assert done.stdout.count("Where to install?") == 3
    assert done.stdout.count("conda activate") == 1
    assert (prefix / ".hubforge/installed.json").exists()


def test_a_prefix_that_was_given_is_refused_before_the_next_question(installer: Path, tmp_path: Path) -> None:
    done = run(installer, "-s", "-p", tmp_path / "with space", answers="yes\nno\n", HOME=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.endswith("Choose another with -p.\n")
    assert "conda activate" not in done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_an_unclear_answer_about_the_shell_is_asked_again(installer: Path, tmp_path: Path, shell: str) -> None:
    answers = "yes\nmaybe\nyes\n"
    done = run(installer, "-s", "-p", tmp_path / "prefix", shell=shell, answers=answers, HOME=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count('Please answer "yes" or "no".') == 1
    assert (tmp_path / "conda-was-run").exists()


def test_everything_is_said_before_the_first_byte_is_written(installer: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    done = run(installer, "-bs", "-p", prefix)
    before, _ = done.stdout.split("Checking")
    for word in ("2026.11", str(prefix), "MiB", "-s", "log"):
        assert word in before


@pytest.mark.parametrize("shell", SHELLS)
def test_answers_that_end_before_the_questions_end_in_2_with_a_sentence(
    installer: Path, tmp_path: Path, shell: str
) -> None:
    done = run(installer, "-s", shell=shell, answers="yes\n")
    assert done.returncode == 2
    assert "The answers ended before the questions did" in done.stderr


@pytest.mark.parametrize("answers", ["no\n", "", "perhaps\nNO\n"])
def test_a_refused_licence_ends_in_2_and_leaves_nothing(installer: Path, tmp_path: Path, answers: str) -> None:
    assert run(installer, "-p", tmp_path / "prefix", answers=answers).returncode == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "flags", "expected"),
    [
        ("yes", "-s", "init zsh"),
        ("no", "-s", None),
        ("", "-s", None if os.geteuid() == 0 else "init zsh"),
        ("", "-bsc", "init zsh"),
        ("", "-bs", None),
    ],
)
def test_the_shell_is_set_up_only_when_asked(
    installer: Path, tmp_path: Path, answer: str, flags: str, expected: str | None
) -> None:
    answers = f"yes\n{answer}\n"
    prefix = tmp_path / "prefix"
    done = run(installer, flags, "-p", prefix, answers=answers, HOME=str(tmp_path), SHELL="/bin/zsh")
    assert (done.returncode, done.stderr) == (0, "")
    ran = tmp_path / "conda-was-run"
    assert (ran.read_text().strip() if ran.exists() else None) == expected


def test_a_shell_that_cannot_be_set_up_ends_in_5(installer: Path, tmp_path: Path) -> None:
    done = run(installer, "-bsc", "-p", tmp_path / "prefix", HOME="/proc/nowhere")
    assert done.returncode == 5
    assert f"{tmp_path}/prefix/bin/conda init" in done.stderr
    assert (tmp_path / "prefix/.hubforge/installed.json").exists()


def test_the_licence_can_be_read_and_accepted_on_a_terminal(installer: Path, tmp_path: Path) -> None:
    dialogue = [("accept the licence?", "yes\n"), ("conda activate", "no\n")]
    command = ["sh", str(installer), "-sp", str(tmp_path / "prefix"), "--log", "/dev/null"]
    code, shown = on_a_terminal(command, dialogue)
    assert code == 0
    assert "Do what you like." in shown


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("question", ["accept the licence?", "Where to install?", "conda activate"])
def test_ctrl_c_at_a_question_is_answered_on_a_line_of_its_own(
    installer: Path, tmp_path: Path, question: str, shell: str
) -> None:
    answers = {"accept the licence?": "yes\n", "Where to install?": f"{tmp_path}/prefix\n", "conda activate": "no\n"}
    dialogue = [*answers.items()][: [*answers].index(question)]
    command = [*shell.split(), str(installer), "-s", "--log", "/dev/null"]
    code, shown = on_a_terminal(command, [*dialogue, (question, CTRL_C)])
    assert code == 1
    assert shown.replace("\r", "").endswith("\nInterrupted: nothing was changed.\n")
    assert list(tmp_path.iterdir()) == []
