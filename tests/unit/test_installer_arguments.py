"""The installer's command line: every flag, every exit code, what is asked, and in which language."""

import json
import os
import pty
import re
import select
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from forge.installer.assemble import FOLDER, HEADER
from tests.russian import LOCALES, RUSSIAN, messages
from tests.unit import installer_stub as stub
from tests.unit.installer_stub import SHELLS, mounted, run


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stub.build(tmp_path_factory.mktemp("installer"))


# ---- usage ----


def flags_of_the_parser() -> set[str]:
    text = (FOLDER / "header/arguments.sh").read_text()
    patterns = re.findall(r"^        ((?:-[\w-]+(?: \| )?)+)\)", text, re.MULTILINE)
    return {flag for pattern in patterns for flag in pattern.split(" | ")} - {"--help"}


def variables_of_the_header() -> set[str]:
    return {name for path in FOLDER.glob("header/*.sh") for name in re.findall(r"\$\{([A-Z_]+):-", path.read_text())}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("language", ["C", "ru_RU.UTF-8"])
def test_h_names_every_flag_variable_and_exit_code(installer: Path, shell: str, language: str) -> None:
    shown = run(installer, "-h", shell=shell, LC_ALL=language)
    assert shown.returncode == 0
    named = set(re.findall(r"^  (-[\w-]+)", shown.stdout, re.MULTILINE))
    assert named == flags_of_the_parser()
    assert {name for name in variables_of_the_header() if name not in shown.stdout} == set()
    assert "/opt/miniconda3" in shown.stdout
    assert [line.split()[0] for line in shown.stdout.splitlines()[-6:]] == ["0", "1", "2", "3", "4", "5"]


@pytest.mark.parametrize(
    "arguments",
    [
        *(["-x"], ["-bx"], ["--lists"], ["prefix"], ["-p"], ["-p", ""], ["--extract-channel"], ["--extract-channel="]),
        *(["--log"], ["--log="], ["--list", "--sbom"], ["--check", "--extract-channel", "/nowhere"]),
    ],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_wrong_usage_ends_in_2(installer: Path, arguments: list[str], shell: str) -> None:
    done = run(installer, *arguments, shell=shell)
    assert done.returncode == 2
    assert "-h" in done.stderr


def test_flags_may_be_joined_and_a_value_may_follow_at_once(installer: Path, tmp_path: Path) -> None:
    assert run(installer, f"-bskmp{tmp_path}/one", f"--log={tmp_path}/log").returncode == 0
    assert (tmp_path / "one/.hubforge/installed.json").exists()
    assert (tmp_path / "log").exists()


# ---- what is inside ----


@pytest.mark.parametrize("shell", SHELLS)
def test_list_names_every_package_with_its_environments(installer: Path, shell: str) -> None:
    shown = run(installer, "--list", shell=shell)
    rows = [line.split() for line in shown.stdout.splitlines()]
    assert ["demo", "1.0", "h0_0", "jupyterhubenv"] in rows
    assert ["python", "3.13.5", "0_cp313", "base,jupyterhubenv"] in rows
    assert ["only-in-1.0", "1.0", "0", "jupyterhubenv"] in rows
    assert len(rows) == 6


@pytest.mark.parametrize("shell", SHELLS)
def test_sbom_names_every_package_with_hash_and_dependencies(installer: Path, shell: str) -> None:
    bill = json.loads(run(installer, "--sbom", shell=shell).stdout)
    assert (bill["bomFormat"], bill["metadata"]["component"]["version"]) == ("CycloneDX", "2026.11")
    components = {component["name"]: component for component in bill["components"]}
    packages = {"conda", "demo", "libz", "only-in-1.0", "py-rattler", "python"}
    assert set(components) == packages | {"compiler-rt", "musl", "zstd"}
    assert components["zstd"]["licenses"] == [{"expression": "BSD-3-Clause OR GPL-2.0-only"}]
    demo = components["demo"]
    assert demo["purl"].startswith("pkg:conda/demo@1.0?build=h0_0&channel=file:///srv/conda/hubforge&")
    assert re.fullmatch(r"[0-9a-f]{64}", demo["hashes"][0]["content"])
    needs = {entry["ref"]: entry["dependsOn"] for entry in bill["dependencies"]}
    assert needs[demo["bom-ref"]] == [components["python"]["bom-ref"]]
    assert len(needs["Hubforge"]) == 9


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("task", ["--list", "--sbom", "--check", "-h"])
def test_what_cannot_be_shown_to_the_end_says_so(installer: Path, tmp_path: Path, task: str, shell: str) -> None:
    with Path("/dev/full").open("w") as full:
        command = [*shell.split(), str(installer), "-p", str(tmp_path / "prefix"), task]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "is the disk of the output full?" in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_a_reader_that_has_seen_enough_is_no_failure(installer: Path, shell: str) -> None:
    done = subprocess.run(f"{shell} {installer} --sbom | true", shell=True, capture_output=True, text=True)
    assert done.stderr == ""


# ---- questions ----


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
    assert done.stdout.count("Where to install?") == 3
    assert done.stdout.count("conda activate") == 1
    assert (prefix / ".hubforge/installed.json").exists()


def test_a_prefix_that_was_given_is_refused_before_the_next_question(installer: Path, tmp_path: Path) -> None:
    done = run(installer, "-s", "-p", tmp_path / "with space", answers="yes\nno\n", HOME=str(tmp_path))
    assert done.returncode == 1
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


# ---- what is shown while it works ----


def on_a_terminal(command: list[str], dialogue: Sequence[tuple[str, str]] = ()) -> tuple[int, str]:
    """Runs ``command`` with a terminal of its own, where each answer is typed when its question is shown.

    Returns:
        Its exit code, and what was shown.
    """
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    shown, waiting = b"", list(dialogue)
    while select.select([terminal], [], [], 60)[0]:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux reports the end of a terminal as an error
            break
        shown += piece
        if waiting and waiting[0][0].encode() in shown:
            os.write(terminal, waiting.pop(0)[1].encode())
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()


def test_on_a_terminal_one_line_moves_and_is_wiped(installer: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = ["sh", str(installer), "-bs", "-p", str(tmp_path / "prefix"), "--log", str(log)]
    code, shown = on_a_terminal(command)
    assert code == 0
    assert "\r\x1b[K  unpacking 100 %" in shown
    assert shown.rfind("\r\x1b[K") < shown.index("Linking")
    assert "\x1b" not in log.read_text()


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
    code, shown = on_a_terminal(command, [*dialogue, (question, "\x03")])
    assert code == 1
    assert shown.replace("\r", "").endswith("\nInterrupted: nothing was changed.\n")
    assert list(tmp_path.iterdir()) == []


def test_without_a_terminal_there_are_a_few_plain_lines(installer: Path, tmp_path: Path) -> None:
    done = run(installer, "-bs", "-p", tmp_path / "prefix")
    assert not re.search(r"[\r\x1b]", done.stdout)
    assert len(done.stdout.splitlines()) < 25


# ---- the log ----


def test_the_log_holds_what_was_said_and_the_command(installer: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("of an earlier run\n")
    done = run(installer, "-b", "-p", tmp_path / "prefix", "--log", log)
    text = log.read_text()
    assert text.startswith("of an earlier run\n==== ")
    assert f"-b -p {tmp_path}/prefix" in text
    said = done.stdout[done.stdout.index("Unpacking") :]
    assert text.endswith(said)


def test_errors_are_in_the_log_too(installer: Path, tmp_path: Path) -> None:
    unlucky = stub.before_linking(tmp_path / "commands", "echo out of luck >&2; exit 1")
    done = run(installer, "-bs", "-p", tmp_path / "prefix", "--log", tmp_path / "log", **unlucky)
    assert done.returncode == 4
    assert "out of luck" in done.stderr
    assert done.stderr == (tmp_path / "log").read_text()[-len(done.stderr) :]


@pytest.mark.parametrize("log", ["missing/log", ".", "/proc/log"])
def test_a_log_that_cannot_be_written_is_refused(installer: Path, tmp_path: Path, log: str) -> None:
    done = run(installer, "-bs", "-p", tmp_path / "prefix", "--log", tmp_path / log)
    assert done.returncode == 1
    assert "--log" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_log_on_a_read_only_disk_is_refused(installer: Path, tmp_path: Path, shell: str) -> None:
    done = mounted(
        f"mkdir {tmp_path}/disk; mount -t tmpfs -o ro none {tmp_path}/disk\n"
        f"{shell} {installer} -bs -p {tmp_path}/prefix --log {tmp_path}/disk/log"
    )
    assert done.returncode == 1
    assert f'Cannot write the log "{tmp_path}/disk/log"' in done.stderr
    assert not (tmp_path / "prefix").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_log_that_takes_nothing_is_said_once(installer: Path, tmp_path: Path, shell: str) -> None:
    done = run(installer, "-bs", "-p", tmp_path / "prefix", "--log", "/dev/full", shell=shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count('The log "/dev/full" cannot be written') == 1


@pytest.mark.parametrize("shell", SHELLS)
def test_where_the_usual_log_cannot_be_written_that_is_said_once(installer: Path, tmp_path: Path, shell: str) -> None:
    done = mounted(f"mount -t tmpfs -o ro none /var/log\n{shell} {installer} -bs -p {tmp_path}/prefix")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count('The log "/var/log/hubforge-install.log" cannot be written') == 1


@pytest.mark.parametrize("shell", SHELLS)
def test_the_installer_is_not_taken_for_its_own_log(installer: Path, tmp_path: Path, shell: str) -> None:
    copy = tmp_path / "copy.sh"
    copy.write_bytes(installer.read_bytes())
    (tmp_path / "log").symlink_to(copy)
    done = run(copy, "-bs", "-p", tmp_path / "prefix", "--log", tmp_path / "log", shell=shell)
    assert done.returncode == 2
    assert copy.read_bytes() == installer.read_bytes()
    assert not (tmp_path / "prefix").exists()


def test_without_root_the_log_is_beside_the_prefix(installer: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o755)
    (tmp_path / "installer.sh").write_bytes(installer.read_bytes())
    fake = tmp_path / "fake"
    fake.mkdir()
    (fake / "id").write_text("#!/bin/sh\necho 1000\n")
    (fake / "id").chmod(0o755)
    command = ["sh", str(installer), "-bs", "-p", str(tmp_path / "prefix")]
    subprocess.run(command, env={**os.environ, "PATH": f"{fake}:{os.environ['PATH']}"}, check=True)
    assert "Installed" in (tmp_path / "prefix-install.log").read_text()


# ---- languages ----


def test_both_languages_have_the_same_messages_with_the_same_values() -> None:
    english, russian = messages("en"), messages("ru")
    assert list(english) == list(russian)
    assert [text for text in (*english.values(), *russian.values()) if text.startswith("-")] == [], "printf's own flags"
    values = {key: re.findall(r"%.", text) for key, text in english.items()}
    assert {key: re.findall(r"%.", text) for key, text in russian.items()} == values
    assert {value for found in values.values() for value in found} <= {"%s"}


def test_every_message_is_used_and_every_used_one_is_there() -> None:
    text = "\n".join((FOLDER / f"{name}.sh").read_text() for name in HEADER if name.startswith("header/"))
    text = re.sub(r"(^|\s)# .*", "", text)
    said = r"\b(?:say|die \d|fine|warn|refuse|message|agreed|agreed_or \w+|answer_is) \"?([a-z_]+)\b"
    used = set(re.findall(said, text))
    plans = ("prepared", "skipped", "not_root", "of_another")
    used = (used - {"summary_host_"}) | {f"summary_host_{plan}" for plan in plans}
    assert used == set(messages("en"))


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("environment", "russian"), LOCALES)
def test_speaks_russian_where_the_locale_can_show_it(
    installer: Path, shell: str, environment: dict[str, str], russian: bool
) -> None:
    shown = run(installer, "-h", shell=shell, **{**RUSSIAN, **environment}).stdout
    assert shown.startswith("Использование" if russian else "Usage")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_russian_answer_accepts_the_licence(installer: Path, tmp_path: Path, shell: str) -> None:
    prefix = tmp_path / "prefix"
    done = run(installer, "-s", shell=shell, answers=f"может\nда\n{prefix}\nнет\n", **RUSSIAN)  # noqa: RUF001
    assert (done.returncode, done.stderr) == (0, "")
    assert "Установлено: Hubforge 2026.11" in done.stdout


# ---- the text itself ----


def test_shellcheck_has_nothing_to_say(installer: Path, tmp_path: Path) -> None:
    header = tmp_path / "header.sh"
    header.write_bytes(installer.read_bytes().split(b'\nmain "$@"\n')[0] + b'\nmain "$@"\n')
    done = subprocess.run(["shellcheck", "--shell=sh", str(header)], capture_output=True, text=True)
    assert done.stdout == ""
