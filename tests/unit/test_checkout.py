"""What holds for the checkout as a whole."""

import re
import subprocess

import pytest

from forge.paths import ROOT

# None is spelled whole here: this file is looked at, too.
REGISTRIES = {
    "PyPI": ("pypi" + ".org", "pythonhosted" + ".org"),
    "npm": ("npmjs" + ".org", "npmjs" + ".com", "yarnpkg" + ".com"),
    "Debian": ("debian" + ".org", "debian" + ".net"),
    "Anaconda": ("anaconda" + ".org", "anaconda" + ".com", "continuum" + ".io", "prefix" + ".dev"),
}


def tracked() -> list[str]:
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("registry", REGISTRIES)
def test_no_file_names_the_host_of_a_registry(registry: str) -> None:
    hosts = re.compile("|".join(rf"(?<![\w@-]){re.escape(host)}\b" for host in REGISTRIES[registry]), re.IGNORECASE)
    texts = {name: (ROOT / name).read_text(errors="replace") for name in tracked()}
    assert len(texts) > 300
    named = [f"{name}: {match[0]}" for name, text in texts.items() for match in hosts.finditer(text)]
    assert named == []


def test_make_help_and_the_readme_tell_of_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    readme = (ROOT / "README.md").read_text()
    [phony] = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    said = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    helped = re.findall(r"^make (\S+) ", said, re.MULTILINE)
    assert sorted(helped) == sorted({*phony.split()} - {"help"})
    assert [target for target in helped if not re.search(rf"\bmake {target}\b", readme)] == []
