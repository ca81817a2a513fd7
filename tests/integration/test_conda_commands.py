"""What a user of the server does with conda, with no network and the internal channel alone."""

import re
from pathlib import Path

import pytest

from tests.integration.conda_support import Conda, new_user

PUBLIC = re.compile(r"(anaconda|conda)\.(org|com|io)\b")


@pytest.fixture
def conda(prefix: Path, channel: Path, tmp_path: Path) -> Conda:
    return new_user(prefix, channel, tmp_path)


@pytest.fixture
def tool(conda: Conda) -> Conda:
    conda.run("create", "--yes", "--name", "e", "tool=1.0")
    return conda


def test_info_knows_the_internal_channel_alone(conda: Conda) -> None:
    (conda.home / ".condarc").unlink()
    info = conda.read("info")
    assert info["conda_version"] == "24.7.1"
    assert info["channels"] == ["file:///srv/conda/hubforge/linux-64", "file:///srv/conda/hubforge/noarch"]
    assert info["root_prefix"] == str(conda.prefix)


def test_settings_come_from_the_prefix_and_name_no_public_server(conda: Conda) -> None:
    (conda.home / ".condarc").unlink()
    sources = conda.read("config", "--show-sources")
    assert str(conda.prefix / ".condarc") in sources
    shown = conda.run("config", "--show").stdout + conda.run("config", "--describe").stdout
    assert not PUBLIC.search(shown)


def test_no_file_of_conda_names_a_public_channel(prefix: Path) -> None:
    (package,) = prefix.glob("lib/python3.*/site-packages/conda")
    texts = [p for p in package.rglob("*") if p.is_file()]
    assert len(texts) > 300
    programs = [prefix / name for name in ("bin/conda", "condabin/conda", "etc/profile.d/conda.sh", ".condarc")]
    assert [p for p in (*texts, *programs) if PUBLIC.search(p.read_text(errors="replace"))] == []


def test_help_of_every_command_names_no_public_channel(conda: Conda) -> None:
    for command in ("create", "install", "search", "config", "env create", "init"):
        assert not PUBLIC.search(conda.run(*command.split(), "--help").stdout)


def test_base_lists_what_is_installed(conda: Conda) -> None:
    installed = conda.versions("base")
    assert installed["conda"] == "24.7.1"
    assert installed["python"].startswith("3.13.")


def test_pip_finds_conda_and_all_that_it_requires(conda: Conda) -> None:
    conda.run("run", "--name", "base", "python", "-m", "pip", "check")
    shown = conda.run("run", "--name", "base", "python", "-m", "pip", "show", "conda").stdout
    assert "Version: 24.7.1" in shown
    assert "ruamel.yaml" in shown


def test_created_environment_runs_its_programs(tool: Conda) -> None:
    assert tool.versions("e") == {"part": "1.0", "tool": "1.0"}
    assert tool.run("run", "--name", "e", "tool").stdout.strip() == f"tool 1.0 in {tool.home}/envs/e"
    assert str(tool.home / "envs/e") in tool.read("env", "list")["envs"]


def test_create_from_the_internal_channel_offline(conda: Conda) -> None:
    conda.run("create", "--yes", "--offline", "--override-channels", "-c", "hubforge", "--name", "py", "python")
    assert conda.run("run", "--name", "py", "python", "-c", "import ssl; print('works')").stdout.strip() == "works"


def test_install_update_and_remove(conda: Conda) -> None:
    conda.run("create", "--yes", "--name", "e", "part")
    conda.run("install", "--yes", "--name", "e", "tool=1.0")
    assert conda.versions("e")["tool"] == "1.0"
    conda.run("update", "--yes", "--name", "e", "tool")
    assert conda.versions("e")["tool"] == "2.0"
    conda.run("remove", "--yes", "--name", "e", "tool")
    assert "tool" not in conda.versions("e")


def test_update_of_all_takes_the_newest_versions(conda: Conda) -> None:
    conda.run("create", "--yes", "--name", "e", "tool<2")
    conda.run("update", "--yes", "--all", "--name", "e")
    assert conda.versions("e") == {"part": "1.0", "tool": "2.0"}


def test_earlier_revision_comes_back(tool: Conda) -> None:
    tool.run("install", "--yes", "--name", "e", "tool=2.0")
    assert [r["rev"] for r in tool.read("list", "--name", "e", "--revisions")] == [0, 1]
    tool.run("install", "--yes", "--name", "e", "--revision", "0")
    assert tool.versions("e")["tool"] == "1.0"
    assert tool.run("run", "--name", "e", "tool").stdout.startswith("tool 1.0 ")


def test_search_finds_every_version(conda: Conda) -> None:
    assert [r["version"] for r in conda.read("search", "tool")["tool"]] == ["1.0", "2.0"]


def test_exported_environment_is_created_again(tool: Conda) -> None:
    exported = tool.home / "environment.yml"
    exported.write_text(tool.run("env", "export", "--name", "e").stdout)
    tool.run("env", "create", "--name", "again", "--file", str(exported))
    assert tool.versions("again") == tool.versions("e")


def test_clone_has_paths_of_its_own(tool: Conda) -> None:
    tool.run("create", "--yes", "--offline", "--name", "copy", "--clone", "e")
    assert tool.run("run", "--name", "copy", "tool").stdout.strip() == f"tool 1.0 in {tool.home}/envs/copy"


def test_doctor_finds_what_was_changed_and_what_is_gone(tool: Conda) -> None:
    assert "no packages with altered files" in tool.run("doctor", "--name", "e").stdout
    (tool.home / "envs/e/share/part.txt").unlink()
    (tool.home / "envs/e/bin/tool").write_text("changed\n")
    report = tool.run("doctor", "--verbose", "--name", "e").stdout
    assert "share/part.txt" in report
    assert "bin/tool" in report


def test_doctor_is_content_with_base(conda: Conda) -> None:
    report = conda.run("doctor", "--verbose", "--name", "base").stdout
    assert "no packages with missing files" in report
    assert "no packages with altered files" in report


def test_clean_empties_the_cache_of_the_user(tool: Conda) -> None:
    assert list((tool.home / "pkgs").glob("tool-*"))
    tool.run("remove", "--yes", "--all", "--name", "e")
    tool.run("clean", "--yes", "--all")
    assert not list((tool.home / "pkgs").glob("tool-*"))


def test_absent_channel_folder_is_named(conda: Conda) -> None:
    elsewhere = {"CONDA_CHANNEL_ALIAS": "file:///nowhere"}
    result = conda.run("create", "--yes", "--name", "e", "tool", check=False, variables=elsewhere)
    assert result.returncode == 1
    assert "The channel is a folder, /nowhere/" in result.stderr
    assert "noarch/repodata.json" in result.stderr


def test_offline_the_package_cache_is_enough_where_no_channel_is(conda: Conda) -> None:
    elsewhere = {"CONDA_CHANNEL_ALIAS": "file:///nowhere", "CONDA_PKGS_DIRS": str(conda.prefix / "pkgs")}
    done = conda.run("create", "--yes", "--offline", "--name", "e", "idna", variables=elsewhere)
    assert done.stderr == ""
    assert "idna" in conda.versions("e")


def test_absent_package_is_named(conda: Conda) -> None:
    result = conda.run("create", "--yes", "--name", "e", "no-such-package", check=False)
    assert result.returncode == 1
    assert "no-such-package" in result.stderr
    assert not PUBLIC.search(result.stderr)


@pytest.mark.parametrize("link", ["prefix", "prefix/envs", "prefix/envs/jupyterhubenv"])
def test_a_release_is_hubctls_when_the_environment_is_named_by_a_link(conda: Conda, link: str) -> None:
    (conda.home / link).parent.mkdir(parents=True, exist_ok=True)
    (conda.home / link).symlink_to(conda.prefix.parent / link)
    named = str(conda.home / "prefix/envs/jupyterhubenv")
    root = {"HUBFORGE_ROOT": str(conda.home)}
    done = conda.run("install", "--yes", "-p", named, "hubforge=1999.01", check=False, variables=root)
    assert f"this does it: {conda.prefix}/envs/jupyterhubenv/bin/hubctl upgrade --to 1999.01 --yes" in done.stdout


def test_a_release_for_an_environment_that_is_not_there_is_condas_own_matter(conda: Conda) -> None:
    done = conda.run("install", "--yes", "-p", str(conda.home / "none"), "hubforge=1999.01", check=False)
    assert "EnvironmentLocationNotFound" in done.stderr


def test_solver_that_is_not_here_is_refused_with_those_that_are(conda: Conda) -> None:
    result = conda.run("create", "--yes", "--name", "e", "--solver", "libmamba", "tool", check=False)
    assert result.returncode != 0
    assert "'libmamba' (choose from" in result.stderr
    conda.run("config", "--set", "solver", "libmamba")
    result = conda.run("create", "--yes", "--name", "e", "tool", check=False)
    assert result.returncode == 1
    assert "Choose one of: classic" in result.stderr


def test_signature_checks_that_cannot_be_made_are_said(conda: Conda) -> None:
    variables = {"CONDA_EXTRA_SAFETY_CHECKS": "true", "CONDA_SIGNING_METADATA_URL_BASE": "file:///nowhere"}
    result = conda.run("create", "--yes", "--name", "e", "tool", variables=variables)
    assert "`conda-content-trust` is not installed" in result.stderr


def test_environment_kept_on_a_server_is_refused(conda: Conda) -> None:
    result = conda.run("env", "create", "someone/environment", check=False)
    assert result.returncode == 1
    assert "Give a file instead" in result.stderr
