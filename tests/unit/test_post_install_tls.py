"""The TLS pair: made where there is none, checked where one was given, and never written over."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from post_install.cli import ensure
from post_install.host import Host, StepError, run_command
from post_install.steps import s20_folders, s40_tls

from .post_install_scratch import listing, make_host, mode


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = make_host(tmp_path)
    made.run = run_command
    s20_folders.ensure(made)
    return made


def openssl(*arguments: str | Path) -> str:
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True).stdout


def give(host: Host, *options: str) -> tuple[Path, Path]:
    """A pair as a site's own CA would give it."""
    key, certificate = host.at(s40_tls.KEY), host.at(s40_tls.CERTIFICATE)
    kind = [] if "-newkey" in options else ["-newkey", "rsa:2048", "-nodes"]
    openssl("req", "-x509", *kind, "-subj", "/CN=hub.ex.test", "-keyout", key, "-out", certificate, *options)
    for file in (key, certificate):
        file.chmod(0o600)
    return key, certificate


def expire(host: Host) -> tuple[Path, Path]:
    """A pair that ended in 2020."""
    key, certificate = give(host)
    work = host.root / "ca"
    work.mkdir()
    (work / "index").touch()
    (work / "serial").write_text("01\n")
    (work / "ca.cnf").write_text(
        f"[ca]\ndefault_ca=x\n[x]\ndatabase={work}/index\nserial={work}/serial\nnew_certs_dir={work}\n"
        "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n"
    )
    openssl("req", "-new", "-key", key, "-subj", "/CN=hub.ex.test", "-out", work / "request")
    dates = ["-startdate", "20190101000000Z", "-enddate", "20200101000000Z"]
    files: list[str | Path] = ["-in", work / "request", "-out", certificate, "-keyfile", key]
    openssl("ca", "-batch", "-selfsign", "-config", work / "ca.cnf", *files, *dates)
    return key, certificate


def assert_refused(host: Host, *words: str) -> None:
    """Both say what is wrong, with the file's name and what to do, and nothing is written."""
    before = listing(host.root)
    problems = s40_tls.check(host)
    assert len(problems) == 1
    with pytest.raises(StepError, match=re.escape(problems[0])):
        s40_tls.ensure(host)
    assert ensure(host) == 5
    after = listing(host.root)
    assert {path: after[path] for path in before if "/ssl" in path} == {p: before[p] for p in before if "/ssl" in p}
    for word in words:
        assert word in problems[0]


def test_a_pair_is_made_for_the_names_of_the_host(host: Host) -> None:
    (change,) = s40_tls.ensure(host)
    assert "localhost" in change and "127.0.0.1" in change
    text = openssl("x509", "-in", host.at(s40_tls.CERTIFICATE), "-noout", "-text")
    assert f"DNS:{os.uname().nodename}" in text and "DNS:localhost" in text and "IP Address:127.0.0.1" in text
    assert "CA:FALSE" in text and "TLS Web Server Authentication" in text and "(2048 bit)" in text
    assert [path.name for path in sorted(host.at(s40_tls.KEY).parent.iterdir())] == ["hub.crt", "hub.key"]
    assert mode(host, s40_tls.KEY) == mode(host, s40_tls.CERTIFICATE) == 0o600
    assert s40_tls.check(host) == [] and s40_tls.ensure(host) == []


def test_a_host_name_longer_than_a_common_name_still_gets_a_certificate(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "a" * 60 + "." + "b" * 60
    monkeypatch.setattr("socket.gethostname", lambda: name)
    s40_tls.ensure(host)
    assert f"DNS:{name}" in openssl("x509", "-in", host.at(s40_tls.CERTIFICATE), "-noout", "-text")


@pytest.mark.parametrize("kind", ["rsa:2048", "ec"])
def test_a_given_pair_is_taken_as_it_is(host: Host, kind: str) -> None:
    curve = ["-pkeyopt", "ec_paramgen_curve:prime256v1"] if kind == "ec" else []
    give(host, "-newkey", kind, "-nodes", *curve)
    before = listing(host.at(s40_tls.KEY).parent)
    assert s40_tls.check(host) == [] and s40_tls.ensure(host) == []
    assert listing(host.at(s40_tls.KEY).parent) == before


def test_a_given_pair_that_others_can_read_is_closed(host: Host) -> None:
    key, certificate = give(host)
    content = key.read_bytes(), certificate.read_bytes()
    key.chmod(0o644)
    assert s40_tls.check(host) == [f"{s40_tls.KEY}: mode 0644 instead of 0600"]
    assert s40_tls.ensure(host) == [f"{s40_tls.KEY}: repaired mode 0644 instead of 0600"]
    assert mode(host, s40_tls.KEY) == 0o600
    assert (key.read_bytes(), certificate.read_bytes()) == content


def test_a_key_of_another_certificate_is_refused(host: Host) -> None:
    key, certificate = give(host)
    kept = certificate.read_bytes()
    give(host)
    certificate.write_bytes(kept)
    assert_refused(host, str(key), "does not belong to", str(certificate))


def test_an_encrypted_key_is_refused(host: Host) -> None:
    key, _ = give(host, "-newkey", "rsa:2048", "-passout", "pass:secret")
    assert_refused(host, str(key), "is encrypted", "openssl pkey")


def test_an_expired_certificate_is_refused(host: Host) -> None:
    _, certificate = expire(host)
    assert_refused(host, str(certificate), "ends on Jan  1 00:00:00 2020 GMT", "put a new certificate")


@pytest.mark.parametrize(("path", "kind"), [(s40_tls.CERTIFICATE, "PEM certificate"), (s40_tls.KEY, "PEM private key")])
def test_a_file_that_is_no_pem_is_named(host: Host, path: str, kind: str) -> None:
    give(host)
    host.at(path).write_bytes(b"\x30\x82")
    assert_refused(host, str(host.at(path)), f"is not a {kind}")


@pytest.mark.parametrize(("path", "other"), [(s40_tls.KEY, s40_tls.CERTIFICATE), (s40_tls.CERTIFICATE, s40_tls.KEY)])
def test_half_a_pair_is_not_completed_by_a_guess(host: Host, path: str, other: str) -> None:
    give(host)
    host.at(other).unlink()
    assert_refused(host, path, other, "is missing")


def test_links_to_a_pair_that_somebody_renews_are_followed(host: Host, tmp_path: Path) -> None:
    for file in give(host):
        (tmp_path / file.name).write_bytes(file.read_bytes())
        (tmp_path / file.name).chmod(0o640)
        file.unlink()
        file.symlink_to(tmp_path / file.name)
    assert s40_tls.check(host) == [] and s40_tls.ensure(host) == []
    assert (tmp_path / "hub.key").stat().st_mode & 0o777 == 0o640
    (tmp_path / "hub.key").chmod(0o644)
    with pytest.raises(StepError, match="can be read by everybody"):
        s40_tls.ensure(host)


def test_our_own_certificate_is_made_anew_before_it_ends(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    s40_tls.ensure(host)
    later = time.time() + (s40_tls.DAYS - 20) * 24 * 3600
    monkeypatch.setattr("time.time", lambda: later)
    before = host.at(s40_tls.CERTIFICATE).read_bytes()
    assert len(s40_tls.check(host)) == 1
    assert s40_tls.ensure(host)
    assert host.at(s40_tls.CERTIFICATE).read_bytes() != before


def test_a_certificate_that_a_ca_issued_for_our_key_is_not_made_anew(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    s40_tls.ensure(host)
    key, certificate = host.at(s40_tls.KEY), host.at(s40_tls.CERTIFICATE)
    openssl("req", "-x509", "-key", key, "-subj", "/CN=hub.ex.test", "-days", "10", "-out", certificate)
    assert s40_tls.check(host) == []
    later = time.time() + 20 * 24 * 3600
    monkeypatch.setattr("time.time", lambda: later)
    assert_refused(host, str(certificate), "ends on")


def test_a_run_that_ended_between_key_and_certificate_is_made_good(host: Host) -> None:
    s40_tls.ensure(host)
    host.at(s40_tls.CERTIFICATE).unlink()
    assert s40_tls.ensure(host)
    assert s40_tls.check(host) == []
