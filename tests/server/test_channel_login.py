"""The login that `hubctl channel set` keeps in `~/.netrc`, beside whatever stands there."""

import netrc
from pathlib import Path

import pytest
from conftest import self_signed
from hubctl import channel_commands, condaconfig, localchannel, revisions
from hubctl.condaconfig import Login
from hubctl.errors import HubError
from hubctl.layout import Layout

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


@pytest.mark.parametrize("gone", ["python", "conda"])
def test_a_base_that_is_not_whole_is_what_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("python", "conda"):
        (tmp_path / "bin" / name).touch()
    (tmp_path / "bin" / gone).unlink()
    monkeypatch.setattr("hubctl.layout.base_prefix", lambda: tmp_path)
    monkeypatch.setenv("HUBFORGE_ROOT", str(tmp_path / "root"))
    told = f"{tmp_path}/bin/{gone} is not there: the installer of this release puts it back"
    with pytest.raises(HubError, match=told):
        channel_commands.set_address("file:///srv/elsewhere")
    assert not condaconfig.file().exists()
    with pytest.raises(HubError, match=told):
        revisions.history()
    if gone == "python":
        with pytest.raises(HubError, match=told):
            localchannel.add(tmp_path, tmp_path / "channel")
        assert not (tmp_path / "channel").exists()


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


def test_a_file_of_another_encoding_is_named_and_stays_as_it_is(file: Path) -> None:
    before = "# für mich\nmachine other.test login me password mine\n".encode("latin-1")
    file.write_bytes(before)
    assert condaconfig.login_of("other.test") is None
    with pytest.raises(HubError, match=f"{file} is not in UTF-8"), condaconfig.undone_on_failure():
        condaconfig.remember(OURS)
    assert file.read_bytes() == before


def test_a_channel_that_wants_no_login_is_set_whatever_that_file_holds(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """conda, which then lists the channel, is left out."""
    monkeypatch.setattr("hubctl.layout.base_prefix", lambda: tmp_path / "prefix")
    monkeypatch.setattr(channel_commands, "releases", lambda _: ["2026.11"])
    monkeypatch.setenv("HUBFORGE_ROOT", str(tmp_path))
    (tmp_path / "prefix").mkdir()
    file.write_bytes("# für mich\n".encode("latin-1"))
    channel_commands.set_address("file:///srv/channel")
    assert "file:///srv/channel" in condaconfig.file().read_text()
    with pytest.raises(HubError, match=f"{file} is not in UTF-8"):
        channel_commands.set_address("https://mirror.test/channel")
    assert "file:///srv/channel" in condaconfig.file().read_text()


def test_a_server_without_packages_of_its_own_can_leave_a_web_server_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubctl.layout.base_prefix", lambda: tmp_path / "prefix")
    monkeypatch.setattr(channel_commands, "releases", lambda _: ["2026.11"])
    monkeypatch.setenv("HUBFORGE_ROOT", str(tmp_path))
    (tmp_path / "prefix").mkdir()
    channel_commands.set_address("https://mirror.test/channel")

    def refuse(channel: str) -> list[str]:
        raise HubError(f"conda can't read {channel}")

    monkeypatch.setattr(channel_commands, "releases", refuse)
    with pytest.raises(HubError, match="can't read"):
        channel_commands.set_address("https://gone.test/channel")
    own = Layout.current()
    channel_commands.set_address(own.channel.as_uri())
    assert condaconfig.addresses(condaconfig.read(own), own) == []
    assert not condaconfig.file().exists()


@pytest.mark.parametrize("address", ["https://[::1/x", "https://[bad]/x", "https://anna@[::1/x"])
def test_an_address_with_a_bracket_too_few_is_refused_without_its_words(address: str) -> None:
    with pytest.raises(HubError, match="no address of a channel") as refused:
        channel_commands.set_address(address)
    assert "anna" not in str(refused.value)


def test_certificates_with_comments_in_another_encoding_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubctl.layout.base_prefix", lambda: tmp_path / "prefix")
    (tmp_path / "prefix").mkdir()
    self_signed(tmp_path)
    pem = (tmp_path / "hub.crt").read_bytes()
    (tmp_path / "ca.crt").write_bytes("# Behörde\n".encode("latin-1") + pem + b"# the same again\n" + pem)
    channel_commands._keep_certificates(tmp_path / "ca.crt")
    assert condaconfig.ca_file().read_bytes() == pem * 2
