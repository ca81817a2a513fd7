"""conda as a user of the server runs it, and a channel of tiny packages for it to move between."""

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLACEHOLDER = "/opt/tiny_placeholder_of_the_prefix"


@dataclass(frozen=True)
class Conda:
    """The conda of an installed prefix, run by a user with a home, a cache and environments of their own."""

    prefix: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the user's shell exports; nothing of the machine that runs the tests is in it."""
        return {
            "HOME": str(self.home),
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "CONDA_ENVS_DIRS": str(self.home / "envs"),
            "CONDA_PKGS_DIRS": str(self.home / "pkgs"),
        }

    def run(
        self, *arguments: str, check: bool = True, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs ``conda ARGUMENTS`` with further ``variables``; a failure, or a traceback in any case, ends the test."""
        command = [str(self.prefix / "bin/conda"), *arguments]
        result = subprocess.run(
            command, capture_output=True, text=True, env={**self.environment, **(variables or {})}, cwd=self.home
        )
        said = f"conda {' '.join(arguments)} gave {result.returncode}:\n{result.stdout}\n{result.stderr}"
        assert "Traceback" not in result.stdout + result.stderr, said
        assert not check or result.returncode == 0, said
        return result

    def read(self, *arguments: str) -> Any:
        """What ``conda ARGUMENTS --json`` says."""
        return json.loads(self.run(*arguments, "--json").stdout)

    def versions(self, name: str) -> dict[str, str]:
        """The packages of the environment ``name`` and their versions."""
        return {record["name"]: record["version"] for record in self.read("list", "-n", name)}

    def shell(self, shell: str, script: str, *options: str) -> str:
        """What ``script`` prints when ``shell`` runs it; its failure ends the test."""
        command = [shell, *options, "-c", script]
        result = subprocess.run(command, capture_output=True, text=True, env=self.environment, cwd=self.home)
        assert result.returncode == 0, f"{shell}: {script}\ngave {result.returncode}:\n{result.stdout}\n{result.stderr}"
        return result.stdout


def tiny_channel(folder: Path) -> None:
    """Writes a channel with `tool` 1.0 and 2.0, which needs `part` 1.0; `tool` has activation scripts."""
    (folder / "linux-64").mkdir(parents=True)
    (folder / "noarch").mkdir()
    packages = dict([_package(folder, "part", "1.0", [], {"share/part.txt": "part\n"})])
    for version in ("1.0", "2.0"):
        files = {
            "bin/tool": f"#!/bin/sh\necho tool {version} in {PLACEHOLDER}\n",
            "etc/conda/activate.d/tool.sh": f"export TOOL_ACTIVE={version}\n",
            "etc/conda/deactivate.d/tool.sh": "unset TOOL_ACTIVE\n",
            "etc/conda/activate.d/tool.fish": f"set -gx TOOL_ACTIVE {version}\n",
            "etc/conda/deactivate.d/tool.fish": "set -e TOOL_ACTIVE\n",
        }
        packages |= dict([_package(folder, "tool", version, ["part >=1.0"], files)])
    for subdir, records in (("linux-64", packages), ("noarch", {})):
        repodata = {"info": {"subdir": subdir}, "packages": records, "packages.conda": {}, "repodata_version": 1}
        (folder / subdir / "repodata.json").write_text(json.dumps(repodata))


def _package(
    channel: Path, name: str, version: str, depends: list[str], files: dict[str, str]
) -> tuple[str, dict[str, Any]]:
    """Writes one package; returns its file name and its record for repodata.json."""
    index = {
        "name": name,
        "version": version,
        "build": "0",
        "build_number": 0,
        "depends": depends,
        "subdir": "linux-64",
    }
    paths = [_path_entry(path, text) for path, text in sorted(files.items())]
    content = {
        **files,
        "info/index.json": json.dumps(index),
        "info/files": "".join(f"{path}\n" for path in sorted(files)),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}),
    }
    archive = channel / "linux-64" / f"{name}-{version}-0.tar.bz2"
    with tarfile.open(archive, "w:bz2") as tar:
        for path, text in content.items():
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            member.mode = 0o755 if path.startswith("bin/") else 0o644
            tar.addfile(member, io.BytesIO(text.encode()))
    data = archive.read_bytes()
    hashes = {"md5": hashlib.md5(data).hexdigest(), "sha256": hashlib.sha256(data).hexdigest()}
    return archive.name, {**index, **hashes, "size": len(data)}


def _path_entry(path: str, text: str) -> dict[str, Any]:
    data = text.encode()
    entry = {
        "_path": path,
        "path_type": "hardlink",
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_in_bytes": len(data),
    }
    return entry | ({"file_mode": "text", "prefix_placeholder": PLACEHOLDER} if PLACEHOLDER in text else {})


def new_user(prefix: Path, channel: Path, home: Path) -> Conda:
    """A user whose settings find the channels `tiny` and `hubforge` below their home."""
    channels = home / "channels"
    tiny_channel(channels / "tiny")
    (channels / "hubforge").symlink_to(channel)
    (home / ".condarc").write_text(f"channel_alias: file://{channels}\nchannels: [tiny]\n")
    return Conda(prefix, home)
