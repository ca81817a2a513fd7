"""``-t``: runs the tests that packages carry, in a copy of each environment, on the server where they were installed.

A package's test may move its own files about or write into them, so none runs in the environment itself, nor in hard
links of the same cache: the copy has files of its own, whose room the header counts, and goes again. Run with base's
own Python: a package's tests are YAML.
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from link import Environment, Package, copy, end, read_release  # type: ignore[import-not-found]
from ruamel.yaml import YAML
from wording import message  # type: ignore[import-not-found]

SECONDS = 600
"""After which a test has failed."""

NOT_FOUND = 127
"""A shell's exit code for a command that is not there (POSIX.1-2017, 2.8.2)."""


@dataclass(frozen=True)
class Outcome:
    """How a test has ended: its exit code, and the last of what it said."""

    code: int
    said: str = ""


@dataclass(frozen=True)
class Trial:
    """One test of a package (CEP 14: a ``python`` or a ``script`` test in ``info/tests/tests.yaml``)."""

    package: Package
    test: dict[str, Any]

    @property
    def script(self) -> str:
        """What the shell runs."""
        if "python" in self.test:
            imports = "; ".join(f"import {name}" for name in self.test["python"].get("imports", ()))
            return f"python -c '{imports}'"
        script = self.test["script"]
        content = script.get("content", "") if isinstance(script, dict) else script
        return content if isinstance(content, str) else "\n".join(content)

    @property
    def wants_more(self) -> bool:
        """Whether it uses what no server has (``requirements.build``): tests of libraries want a compiler."""
        return bool(self.test.get("requirements", {}).get("build"))

    @property
    def folder(self) -> str:
        """The package's files for this test, within the environment; empty for none."""
        script = self.test.get("script")
        return str(script.get("cwd", "")) if isinstance(script, dict) else ""

    def run(self, prefix: Path, work: Path) -> Outcome:
        """Runs it in the environment ``prefix``."""
        scratch = work / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        if self.folder and (prefix / self.folder).is_dir():
            shutil.copytree(prefix / self.folder, scratch)
        else:
            scratch.mkdir()
        activation = "".join(f". '{path}'\n" for path in sorted((prefix / "etc/conda/activate.d").glob("*.sh")))
        record = self.package.record
        environment = {
            "PATH": f"{prefix}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "LANG": "C.UTF-8",
            "PREFIX": str(prefix),
            "CONDA_PREFIX": str(prefix),
            "PKG_NAME": record["name"],
            "PKG_VERSION": record["version"],
        }
        shell = "bash" if shutil.which("bash") else "sh"
        try:
            ran = subprocess.run(
                [shell, "-e", "-c", activation + self.script],
                cwd=scratch,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            return Outcome(1, message("test_slow", seconds=SECONDS))
        lines = ran.stdout.strip().splitlines()
        return Outcome(ran.returncode, " / ".join(lines[-2:]))


def trials(environment: Environment, cache: Path) -> Iterator[Trial]:
    """The tests that the packages of an environment carry."""
    for package in environment.packages:
        file = cache / package.stem / "info/tests/tests.yaml"
        for test in YAML(typ="safe").load(file) if file.is_file() else []:
            if "python" in test or "script" in test:
                yield Trial(package, test)


def part_from_cache(folder: Path) -> None:
    """Gives every file below ``folder`` a content of its own: one that a test writes in place is the cache's, else."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_nlink > 1:
            own = path.with_name(f".{path.name}.own")
            shutil.copy2(path, own)
            own.replace(path)


def run(prefix: Path, work: Path) -> int:
    """Runs all tests, a line for each environment and each failure; how many failed."""
    cache, failed = prefix / "pkgs", 0
    for environment in read_release(work).environments:
        found = list(trials(environment, cache))
        folder = work / "tested" / environment.name
        asyncio.run(copy(environment, folder, cache))
        part_from_cache(folder)
        print(message("tests_found", environment=environment.name, count=len(found)), flush=True)
        for trial in found:
            outcome = trial.run(folder, work)
            if outcome.code == 0:
                continue
            impossible = outcome.code == NOT_FOUND and trial.wants_more
            failed += not impossible
            values = {"environment": environment.name, "package": trial.package.stem, "code": outcome.code}
            print(message("test_impossible" if impossible else "test_failed", why=outcome.said, **values), flush=True)
        shutil.rmtree(folder)
    return failed


def main() -> int:
    """Ends with 0 when every test has passed, else with 1."""
    parser = argparse.ArgumentParser(description="Run the tests of the packages.")
    parser.add_argument("--prefix", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    os.umask(0o022)
    try:
        return 1 if run(options.prefix, options.work) else 0
    except Exception as error:  # people see one line, whatever it was
        print(message("tests_failed", why=error), file=sys.stderr)
        return 1


if __name__ == "__main__":
    end(main())
