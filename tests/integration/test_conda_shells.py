"""`conda activate` in the shells whose functions are shipped."""

import subprocess
from pathlib import Path

import pytest

from tests.integration.conda_support import Conda, new_user

POSIX_SHELLS = ("bash", "dash", "zsh")
NO_STARTUP_FILES = {"bash": ["--noprofile", "--norc"], "dash": [], "zsh": ["-f"], "fish": ["--no-config"]}


@pytest.fixture(scope="module")
def conda(prefix: Path, channel: Path, tmp_path_factory: pytest.TempPathFactory) -> Conda:
    """A user with the environment `e`, which no test changes."""
    conda = new_user(prefix, channel, tmp_path_factory.mktemp("user"))
    conda.run("create", "--yes", "--name", "e", "tool=1.0")
    return conda


@pytest.fixture
def fresh(prefix: Path, channel: Path, tmp_path: Path) -> Conda:
    """A user who has done nothing yet."""
    return new_user(prefix, channel, tmp_path)


@pytest.mark.parametrize("shell", POSIX_SHELLS)
def test_activate_and_deactivate_with_conda_sh(conda: Conda, shell: str) -> None:
    script = f"""
        set -eu
        . {conda.prefix}/etc/profile.d/conda.sh
        before=$PATH
        conda activate e
        echo "$CONDA_DEFAULT_ENV $CONDA_SHLVL $TOOL_ACTIVE $(tool)"
        conda deactivate
        echo "${{CONDA_PREFIX-none}} ${{TOOL_ACTIVE-none}}"
        [ "$PATH" = "$before" ] && echo same PATH
    """
    environment = f"{conda.home}/envs/e"
    said = conda.shell(shell, script, *NO_STARTUP_FILES[shell])
    assert said.splitlines() == [f"e 1 1.0 tool 1.0 in {environment}", "none none", "same PATH"]


def test_environments_are_left_in_the_order_they_were_entered(conda: Conda) -> None:
    script = f"""
        . {conda.prefix}/etc/profile.d/conda.sh
        conda activate; echo "$CONDA_PREFIX"
        conda activate e; echo "$CONDA_PREFIX"
        conda deactivate; echo "$CONDA_PREFIX"
        conda deactivate; echo "${{CONDA_PREFIX-none}}"
        conda --version
    """
    environment = f"{conda.home}/envs/e"
    said = conda.shell("bash", script, *NO_STARTUP_FILES["bash"]).splitlines()
    assert said == [str(conda.prefix), environment, str(conda.prefix), "none", "conda 24.7.1"]


def test_prompt_shows_the_environment(conda: Conda) -> None:
    script = f"PS1='$ '; . {conda.prefix}/etc/profile.d/conda.sh; conda activate e; printf '%s' \"$PS1\""
    assert conda.shell("bash", script, *NO_STARTUP_FILES["bash"]) == "(e) $ "


def test_activation_scripts_run_again_after_an_install(fresh: Conda) -> None:
    fresh.run("create", "--yes", "--name", "e", "tool=1.0")
    script = f"""
        . {fresh.prefix}/etc/profile.d/conda.sh
        conda activate e
        conda install --yes --quiet tool=2.0 >/dev/null
        echo "$TOOL_ACTIVE"; tool
    """
    said = fresh.shell("bash", script, *NO_STARTUP_FILES["bash"])
    assert said.splitlines() == ["2.0", f"tool 2.0 in {fresh.home}/envs/e"]


def test_failed_activation_changes_nothing_and_says_so(conda: Conda) -> None:
    script = f"""
        . {conda.prefix}/etc/profile.d/conda.sh
        conda activate e
        conda activate no-such-environment 2>&1 || echo "refused, still in $CONDA_DEFAULT_ENV"
    """
    said = conda.shell("bash", script, *NO_STARTUP_FILES["bash"])
    assert "Could not find conda environment: no-such-environment" in said
    assert said.rstrip().endswith("refused, still in e")


def test_help_of_activate_is_shown_and_not_run(conda: Conda) -> None:
    script = f". {conda.prefix}/etc/profile.d/conda.sh; conda activate --help 2>&1; conda --version"
    said = conda.shell("bash", script, *NO_STARTUP_FILES["bash"])
    assert "usage: conda activate" in said
    assert "command not found" not in said


def test_bin_activate_works_without_any_set_up(conda: Conda) -> None:
    script = f'. {conda.prefix}/bin/activate e; tool; . {conda.prefix}/bin/deactivate; echo "${{CONDA_PREFIX-none}}"'
    said = conda.shell("bash", script, *NO_STARTUP_FILES["bash"])
    assert said.splitlines() == [f"tool 1.0 in {conda.home}/envs/e", "none"]


def test_new_bash_knows_activate_after_conda_init(conda: Conda) -> None:
    (conda.home / ".bashrc").write_text("export MINE=kept\n")
    conda.run("init", "bash")
    assert conda.shell("bash", 'conda activate e; echo "$MINE $(tool)"', "-i").strip() == (
        f"kept tool 1.0 in {conda.home}/envs/e"
    )
    assert "No action taken" in conda.run("init", "bash").stdout
    conda.run("init", "--reverse", "bash")
    assert (conda.home / ".bashrc").read_text().strip() == "export MINE=kept"


def test_new_zsh_knows_activate_after_conda_init(conda: Conda) -> None:
    conda.run("init", "zsh")
    assert conda.shell("zsh", "conda activate e; tool", "-i").strip() == f"tool 1.0 in {conda.home}/envs/e"


def test_new_fish_knows_activate_after_conda_init(conda: Conda) -> None:
    conda.run("init", "fish")
    script = """
        conda activate e; echo $CONDA_DEFAULT_ENV $TOOL_ACTIVE (tool)
        conda activate no-such-environment 2>/dev/null; or echo refused
        conda deactivate; echo $CONDA_DEFAULT_ENV
        set -q TOOL_ACTIVE; or echo gone
    """
    said = conda.shell("fish", script).splitlines()
    assert said == [f"e 1.0 tool 1.0 in {conda.home}/envs/e", "refused", "base", "gone"]


def test_init_writes_nothing_into_the_prefix(fresh: Conda) -> None:
    said = fresh.run("init", "bash", "fish", "zsh").stdout
    changed = [line.split(maxsplit=1)[1] for line in said.splitlines() if line.startswith("modified")]
    assert changed
    assert [path for path in changed if not path.startswith(str(fresh.home))] == []


@pytest.mark.parametrize("shell", ["powershell", "tcsh", "xonsh"])
def test_shell_without_functions_is_refused_with_what_to_do(conda: Conda, shell: str) -> None:
    result = conda.run("init", shell, check=False)
    assert result.returncode != 0
    assert f"no shell functions for {shell}" in result.stderr
    assert "conda run" in result.stderr
    assert not (conda.home / ".tcshrc").exists()


def test_json_of_an_activation_is_for_programs(conda: Conda) -> None:
    command = [str(conda.prefix / "bin/conda"), "shell.posix+json", "activate", "e"]
    result = subprocess.run(command, capture_output=True, text=True, env=conda.environment, check=True)
    assert f'"CONDA_PREFIX": "{conda.home}/envs/e"' in result.stdout
