"""The login that `hubctl channel set` keeps in `~/.netrc`, beside whatever stands there."""

import netrc
from pathlib import Path

import pytest
from hubctl import condaconfig
from hubctl.condaconfig import Login
from hubctl.errors import HubError

OURS = Login("mirror.test", "anna", 'se"cr et\\#1')


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".netrc"


def kept(file: Path, host: str) -> tuple[str, str] | None:
    found = netrc.netrc(file).authenticators(host)
    return (found[0], found[2]) if found else None


def test_it_is_written_where_only_its_owner_reads_it(file: Path) -> None:
    condaconfig.remember(OURS)
    assert kept(file, "mirror.test") == (OURS.user, OURS.password)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "entry",
    [
        "machine mirror.test login old password older\n",
        "machine mirror.test\n  login old\n  password older\n",
        "  machine mirror.test login old account x password older",
    ],
)
def test_an_earlier_login_for_the_host_is_replaced_and_others_stay(file: Path, entry: str) -> None:
    others = "machine mirror.test.example login me password mine\n"
    file.write_text(f"# mine\n{others}{entry}\ndefault login anybody password x\n")
    condaconfig.remember(OURS)
    assert kept(file, "mirror.test") == (OURS.user, OURS.password)
    assert kept(file, "mirror.test.example") == ("me", "mine")
    assert kept(file, "elsewhere.test") == ("anybody", "x")
    assert "older" not in file.read_text()
    assert "# mine\n" in file.read_text()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("default login any password x machine mirror.test login old password older\n", "already"),
        ("machine other.test login me password mine\nmacdef init\ncd /\n", "can't be read"),
    ],
)
def test_a_file_that_would_not_give_it_back_is_named(file: Path, text: str, reason: str) -> None:
    file.write_text(text)
    with pytest.raises(HubError, match=f"{file}.*{reason}"):
        condaconfig.remember(OURS)


def test_a_failure_gives_the_file_its_content_and_mode_back(file: Path) -> None:
    file.write_text("machine other.test login me password mine\n")
    file.chmod(0o640)
    with pytest.raises(HubError), condaconfig.undone_on_failure():
        condaconfig.remember(OURS)
        raise HubError("no such channel")
    assert file.read_text() == "machine other.test login me password mine\n"
    assert file.stat().st_mode & 0o777 == 0o640
