"""What a recipe has copied into its prefix becomes a package that pip knows, with byte code."""

import base64
import csv
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from forge.paths import RECIPES

SITE = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


def finished(prefix: Path, *files: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(RECIPES / "python_tools/finish_package.py"), "demo", "1.0", *files]
    return subprocess.run(command, env=os.environ | {"PREFIX": str(prefix)}, capture_output=True, text=True)


def copied(prefix: Path, code: str) -> None:
    for name, text in {f"{SITE}/demo/core.py": code, f"{SITE}/demo-1.0.dist-info/METADATA": "", "bin/demo": ""}.items():
        (prefix / name).parent.mkdir(parents=True)
        (prefix / name).write_text(text)


def test_all_files_are_recorded_and_those_that_differ_by_prefix_or_python_have_no_hash(tmp_path: Path) -> None:
    copied(tmp_path, "answer = 42\n")
    done = finished(tmp_path, "bin/demo")
    assert done.returncode == 0, done.stderr
    with (tmp_path / SITE / "demo-1.0.dist-info/RECORD").open(newline="") as file:
        rows = {name: (digest, size) for name, digest, size in csv.reader(file)}
    hashed = base64.urlsafe_b64encode(hashlib.sha256(b"answer = 42\n").digest()).rstrip(b"=").decode()
    byte_code = f"demo/__pycache__/core.{sys.implementation.cache_tag}.pyc"
    assert rows.pop("demo/core.py") == (f"sha256={hashed}", "12")
    assert rows.pop("demo-1.0.dist-info/METADATA")[1] == "0"
    assert rows == dict.fromkeys([byte_code, "../../../bin/demo", "demo-1.0.dist-info/RECORD"], ("", ""))
    assert str(tmp_path).encode() not in (tmp_path / SITE / byte_code).read_bytes()


def test_a_file_that_does_not_compile_ends_the_build(tmp_path: Path) -> None:
    copied(tmp_path, "answer =\n")
    done = finished(tmp_path)
    assert (done.returncode, done.stderr) == (1, "a file of demo does not compile under this Python\n")
