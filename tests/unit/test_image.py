"""What goes into the users' image beside the linked environment."""

from pathlib import Path

import pytest

from forge import channel, condapkg, environments, image
from forge.condapkg import Index, Member


def test_the_licences_of_all_packages_are_in_the_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    texts = {"one": {"LICENSE": b"do what you like", "vendored/COPYING": b"and so on"}, "two": {"LICENSE": b"don't"}}
    packages = [
        condapkg.write(tmp_path, Index(name, "1", "0"), [Member(f"share/{name}")], epoch=0, licenses=licenses)
        for name, licenses in texts.items()
    ]
    channel.publish(packages, tmp_path / "channel")
    records = environments.solve(list(texts), [tmp_path / "channel"])
    image._write_licenses(records, tmp_path / "licenses")
    for name, licenses in texts.items():
        assert {file: (tmp_path / "licenses" / name / file).read_bytes() for file in licenses} == licenses
