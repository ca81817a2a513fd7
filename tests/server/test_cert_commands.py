"""`hubctl cert`: pairs that can be used are put in place, others are refused by what is wrong with them."""

import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from conftest import ServerRoot
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID
from hubctl import cert_commands, onestep, tlspair
from hubctl.layout import Layout
from hubctl.tlspair import Files
from kill_support import killed

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass
class Authority:
    """Signs certificates, as a site's CA does."""

    name: str
    issuer: "Authority | None" = None
    key: Key = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def certificate(self) -> x509.Certificate:
        return (self.issuer or self).sign(self.name, self.key, authority=True)

    def sign(
        self,
        name: str,
        key: Key,
        days: float = 300,
        hosts: tuple[str, ...] = (),
        usage: bool = True,
        authority: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        subject, issuer = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, n)]) for n in (name, self.name))
        builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=10)).not_valid_after(now + timedelta(days=days))
        builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        if hosts:
            names = [x509.DNSName(host) for host in hosts]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
            purpose = ExtendedKeyUsageOID.SERVER_AUTH if usage else ExtendedKeyUsageOID.CLIENT_AUTH
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        return builder.sign(self.key, hashes.SHA256())


@dataclass
class Site:
    """A site's CA with an intermediate one, and what it gives to this host."""

    folder: Path
    host: str = field(default_factory=socket.gethostname)
    root: Authority = field(default_factory=lambda: Authority("Site Root"))
    key: Key = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        self.middle = Authority("Site Servers", self.root)

    def files(
        self,
        chain: list[x509.Certificate] | None = None,
        key: Key | None = None,
        encryption: KeySerializationEncryption | None = None,
    ) -> Files:
        made = Files(self.folder / "site.key", self.folder / "site.crt")
        chain = self.good_chain if chain is None else chain
        made.cert.write_bytes(b"".join(entry.public_bytes(Encoding.PEM) for entry in chain))
        form = Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()
        made.key.write_bytes((key or self.key).private_bytes(*form))
        for path in (made.key, made.cert):
            path.chmod(0o644)  # what is given is not what is put in place
        return made

    def leaf(self, days: float = 300, hosts: tuple[str, ...] = (), usage: bool = True) -> x509.Certificate:
        return self.middle.sign(self.host, self.key, days, hosts or (self.host, "localhost"), usage)

    @property
    def good_chain(self) -> list[x509.Certificate]:
        return [self.leaf(), self.middle.certificate, self.root.certificate]


@pytest.fixture
def site(server_root: ServerRoot) -> Site:
    folder = server_root.path / "given"
    folder.mkdir()
    return Site(folder)


def in_place(root: ServerRoot) -> Files:
    return Files(root.certificate.with_name("hub.key"), root.certificate)


def install(root: ServerRoot, given: Files, *more: str) -> subprocess.CompletedProcess[str]:
    return root.hubctl("cert", "install", *more, str(given.key), str(given.cert))


def test_pair_that_is_installed_is_the_hubs_and_the_one_before_is_kept(server_root: ServerRoot, site: Site) -> None:
    files, given = in_place(server_root), site.files()
    before = {path: path.read_bytes() for path in (files.key, files.cert)}

    done = install(server_root, given)

    assert done.returncode == 0, done.stderr
    assert files.key.read_bytes() == given.key.read_bytes()
    assert files.cert.read_bytes() == given.cert.read_bytes()
    kept = {path: [*path.parent.glob(f"{path.name}.2*")] for path in before}
    assert {path: [dated.read_bytes() for dated in found] for path, found in kept.items()} == {
        path: [content] for path, content in before.items()
    }
    modes = {path.name: path.stat().st_mode & 0o777 for path in files.key.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert len(modes) == 4
    assert server_root.hubctl("cert", "check").returncode == 0


def test_hub_that_runs_shows_the_new_certificate_and_its_chain_at_once(server_root: ServerRoot, site: Site) -> None:
    assert server_root.hubctl("start").returncode == 0
    done = install(server_root, site.files())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("New connections get the new certificate from now on.\n")
    assert server_root.hubctl("status").returncode == 0
    trust = site.folder / "root.crt"
    trust.write_bytes(site.root.certificate.public_bytes(Encoding.PEM))
    context = ssl.create_default_context(cafile=str(trust))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # our CA is a simple one
    address = ("127.0.0.1", server_root.port)
    with socket.create_connection(address) as plain, context.wrap_socket(plain, server_hostname="localhost") as tls:
        assert tls.getpeercert(binary_form=True) == site_leaf(server_root).public_bytes(Encoding.DER)


def site_leaf(root: ServerRoot) -> x509.Certificate:
    return x509.load_pem_x509_certificates(root.certificate.read_bytes())[0]


def wrong_pairs(site: Site) -> Iterator[tuple[Files, str]]:
    leaf, middle, root = site.good_chain
    weak = rsa.generate_private_key(65537, 1024)
    yield site.files(key=ec.generate_private_key(ec.SECP256R1())), "site.key does not belong to"
    yield site.files([site.leaf(days=-3.5), middle, root]), "expired 3 days ago"
    yield site.files([leaf, root, middle]), "is not signed by Site Root, which stands after it"
    yield site.files([root, middle, leaf]), "Site Root is not signed by Site Servers"
    yield site.files(encryption=BestAvailableEncryption(b"x")), "site.key is encrypted"
    yield site.files([site.middle.sign(site.host, site.key), middle, root]), "has no subjectAltName"
    yield site.files([site.leaf(usage=False), middle, root]), "is not for servers (extendedKeyUsage)"
    yield site.files([site.middle.sign("x", weak, hosts=("x",))], weak), "(EE_KEY_TOO_SMALL)"
    swapped = site.files()
    yield Files(swapped.cert, swapped.cert), "is no PEM private key"
    yield Files(swapped.key, swapped.key), "holds no PEM certificate"
    yield Files(site.folder / "none", swapped.cert), "none is not there"
    yield Files(swapped.key, Path("/etc/hostname")), "hostname holds no PEM certificate: name the certificate, then"


def test_pair_that_can_not_be_used_is_refused_and_nothing_changes(server_root: ServerRoot, site: Site) -> None:
    files = in_place(server_root)
    before = {path.name: path.read_bytes() for path in files.key.parent.iterdir()}
    for given, told in wrong_pairs(site):
        done = install(server_root, given)
        assert (done.returncode, told in done.stderr) == (1, True), f"{told}: {done.stderr}"
        assert "Traceback" not in done.stderr
        assert {path.name: path.read_bytes() for path in files.key.parent.iterdir()} == before, told


def test_a_certificate_that_was_emptied_is_a_fault_like_any_other(server_root: ServerRoot) -> None:
    """As a full disk leaves one."""
    server_root.certificate.write_bytes(b"")
    done = server_root.hubctl("cert", "check", "--json")
    (finding,) = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (1, "")
    assert (finding["state"], finding["found"]) == ("fault", f"{server_root.certificate} holds no PEM certificate")
    assert "`hubctl cert self-signed`" in finding["mend"]
    assert server_root.hubctl("cert", "check").stdout.startswith("fault    certificate: ")
    assert server_root.hubctl("cert", "self-signed").returncode == 0
    assert server_root.hubctl("cert", "check").returncode == 0


@pytest.mark.parametrize(
    ("hosts", "asked", "fits"),
    [
        (("hub.example.org",), "hub.example.org", True),
        (("*.example.org",), "HUB.example.org", True),
        (("*.example.org",), "a.hub.example.org", False),
        (("other.example.org",), "hub.example.org", False),
    ],
)
def test_host_name_that_the_certificate_is_not_for_is_a_warning(
    site: Site, hosts: tuple[str, ...], asked: str, fits: bool
) -> None:
    leaf = site.leaf(hosts=hosts)
    found = tlspair.examine(site.files([leaf, site.middle.certificate, site.root.certificate]), [asked])
    assert [finding.state for finding in found] == ["ok" if fits else "warning"]
    assert fits or found[0].found.endswith(f"is for {hosts[0]}, not for {asked}")


def test_chain_that_is_not_complete_is_a_warning(server_root: ServerRoot, site: Site) -> None:
    done = install(server_root, site.files([site.leaf()]))
    assert done.returncode == 0, done.stderr
    assert "signed by Site Servers, whom this host does not know" in done.stdout
    told = json.loads(server_root.hubctl("cert", "check", "--json").stdout)
    assert [entry["state"] for entry in told] == ["warning"]


def test_pair_that_another_program_renews_is_left_alone(server_root: ServerRoot, site: Site) -> None:
    files = in_place(server_root)
    real = files.key.rename(server_root.path / "renewed.key")
    files.key.symlink_to(real)
    before = real.read_bytes()
    done = install(server_root, site.files())
    assert done.returncode == 1
    assert f"is a link to {real}" in done.stderr
    assert real.read_bytes() == before


def test_key_that_others_can_read_is_a_fault(server_root: ServerRoot) -> None:
    files = in_place(server_root)
    files.key.chmod(0o640)
    done = server_root.hubctl("cert", "check", "--host", "localhost")
    assert done.returncode == 1
    assert f"fault    certificate: {files.key} is open to others than its owner (mode 0640)" in done.stdout
    assert f"mend: chmod 600 {files.key}" in done.stdout


def test_key_that_is_missing_is_a_fault(server_root: ServerRoot) -> None:
    key = in_place(server_root).key
    key.unlink()
    checked = server_root.hubctl("cert", "check")
    assert checked.returncode == 1
    assert f"fault    certificate: {key} is not there\n" in checked.stdout
    assert checked.stderr == ""


def test_no_space_leaves_the_pair_as_it_was(server_root: ServerRoot, site: Site) -> None:
    """A folder that is not writable stands for a full disk."""
    files, given = in_place(server_root), site.files()
    before = files.key.read_bytes()
    files.key.parent.chmod(0o500)
    done = install(server_root, given)
    files.key.parent.chmod(0o700)
    assert done.returncode == 1
    assert "can't be written: Permission denied" in done.stderr
    assert files.key.read_bytes() == before
    assert len([*files.key.parent.iterdir()]) == 2


def test_self_signed_pair_is_made_anew_and_the_one_before_is_kept(server_root: ServerRoot) -> None:
    files = in_place(server_root)
    before = files.cert.read_bytes()
    done = server_root.hubctl("cert", "self-signed")
    assert done.returncode == 0, done.stdout + done.stderr
    assert files.cert.read_bytes() != before
    assert [path.read_bytes() for path in files.cert.parent.glob("hub.crt.*")] == [before]
    assert f"for {socket.getfqdn()}" in done.stdout
    checked = server_root.hubctl("cert", "check")
    assert (checked.returncode, "signed by itself" in checked.stdout) == (0, True), checked.stdout
    assert {path.stat().st_mode & 0o777 for path in files.cert.parent.iterdir()} == {0o600}


def test_self_signed_pair_that_can_not_be_made_leaves_the_one_before(server_root: ServerRoot) -> None:
    """A record that can't be read makes the step of `hubctl setup` fail."""
    files = in_place(server_root)
    before = files.cert.read_bytes()
    record = server_root.path / "var/lib/jupyterhub/installed.json"
    record.write_text("{")
    os.chown(record, server_root.user.uid, server_root.user.gid)
    done = server_root.hubctl("cert", "self-signed")
    assert done.returncode == 5, done.stdout
    assert files.cert.read_bytes() == before
    assert sorted(path.name for path in files.cert.parent.iterdir()) == ["hub.crt", "hub.key"]


def test_a_full_disk_is_said_and_the_self_signed_pair_before_stays(server_root: ServerRoot) -> None:
    """There is room for the record of what was set up, and none for a copy of it."""
    files, user, state = in_place(server_root), server_root.user, Layout(server_root.path).state
    before = files.cert.read_bytes()
    size = f"size=16k,mode=700,uid={user.uid},gid={user.gid}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "none", state], check=True)
    try:
        (state / "installed.json").write_bytes(bytes(12 * 1024))
        done = server_root.hubctl("cert", "self-signed")
        assert [path.name for path in state.iterdir()] == ["installed.json"]
    finally:
        subprocess.run(["umount", state], check=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"hubctl: {files.cert} is as it was: no space left in {state}: make room there")
    assert files.cert.read_bytes() == before


def test_killed_at_any_point_it_leaves_a_pair_that_setup_knows_or_the_one_before(
    server_root: ServerRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pair itself is made by a program of its own, in a folder of its own: there it is not killed here."""
    monkeypatch.setenv("HUBFORGE_ROOT", str(server_root.path))
    files, layout = in_place(server_root), Layout(server_root.path)
    shutil.copytree(server_root.path, tmp_path / "before")
    found = []
    for number in count(1):
        shutil.rmtree(server_root.path)
        shutil.copytree(tmp_path / "before", server_root.path)
        was_killed = killed(cert_commands.self_signed, number, server_root.path)
        onestep.finish(layout)
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.cert, files.key)
        known = layout.installed.read_text() if layout.installed.exists() else ""
        parts = {hashlib.sha256(path.read_bytes()).hexdigest() in known for path in (files.key, files.cert)}
        assert len(parts) == 1
        found.append(parts.pop())
        if not was_killed:
            break
    assert found == sorted(found)
    assert (found.count(False) > 4, found.count(True) > 4) == (True, True)
    assert [path.name for path in layout.state.iterdir()] == ["installed.json"]
