"""`hubctl restore` of what is damaged, made by somebody else, or would write where it must not: nothing changes."""

import io
import json
import os
import shutil
import socket
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from backup_support import STATE, backup, content, put, rewritten
from conftest import ServerRoot


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def one_byte_other(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def other_check_sum(file: Path) -> None:
    """The last bytes are gzip's check sum and size."""
    data = bytearray(file.read_bytes())
    data[-6] ^= 1
    file.write_bytes(data)


def other_settings(file: Path) -> None:
    rewritten(file, lambda entry, data: (entry, data + b"#" if entry.name == "settings/hub.yaml" else data))


def without_settings(file: Path) -> None:
    rewritten(file, lambda entry, data: None if entry.name == "settings/hub.yaml" else (entry, data))


def no_archive(file: Path) -> None:
    file.write_bytes(b"hello")


def another_archive(file: Path) -> None:
    rewritten(file, lambda entry, data: None if entry.name == "manifest.json" else (entry, data))


@pytest.fixture(scope="module")
def backup_of_a_hub(module_root: ServerRoot) -> Path:
    """A backup of a hub that has run."""
    assert module_root.hubctl("start").returncode == 0
    file = backup(module_root)
    assert module_root.hubctl("stop").returncode == 0
    return file


@pytest.mark.parametrize(
    "damage",
    [cut_short, one_byte_other, other_check_sum, other_settings, without_settings, no_archive, another_archive],
    ids=lambda damage: damage.__name__.replace("_", " "),
)
def test_damaged_file_changes_nothing(
    server_root: ServerRoot, backup_of_a_hub: Path, damage: Callable[[Path], None]
) -> None:
    file = server_root.path / "hub.tar.gz"
    shutil.copy2(backup_of_a_hub, file)
    damage(file)
    os.chown(file, server_root.user.uid, server_root.user.gid)
    before = content(server_root)
    done = server_root.hubctl("restore", str(file))
    assert done.returncode == 1
    assert done.stderr.startswith(f"hubctl: {file} is ") or done.stderr.startswith("hubctl: The backup has no settings")
    assert "Traceback" not in done.stderr
    assert content(server_root) == before


def sealed(file: Path, name: str, data: bytes, kind: bytes = tarfile.REGTYPE, link: str = "") -> None:
    """One more member, which the manifest vouches for."""
    import hashlib

    with tarfile.open(file) as archive:
        members = [(entry, (archive.extractfile(entry) or io.BytesIO()).read()) for entry in archive]
    manifest = json.loads(members[0][1])
    manifest["sums"][name] = hashlib.sha256(data).hexdigest()
    members[0] = members[0][0], json.dumps(manifest).encode()
    extra = tarfile.TarInfo(name)
    extra.type, extra.linkname = kind, link
    fresh = io.BytesIO()
    with tarfile.open(fileobj=fresh, mode="w:gz") as archive:
        for entry, text in [*members, (extra, data)]:
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    file.write_bytes(fresh.getvalue())


@pytest.mark.parametrize(
    ("name", "kind", "link"),
    [
        ("../../outside", tarfile.REGTYPE, ""),
        ("/tmp/outside", tarfile.REGTYPE, ""),
        ("settings/jupyterhub_config.d/../../../outside", tarfile.REGTYPE, ""),
        ("settings/jupyterhub_config.d/..", tarfile.REGTYPE, ""),
        ("settings/jupyterhub_config.d/", tarfile.REGTYPE, ""),
        ("settings/jupyterhub_config.d/site//x.py", tarfile.REGTYPE, ""),
        ("settings/jupyterhub.slice.d/../../jupyterhub.service", tarfile.REGTYPE, ""),
        ("settings/jupyterhub_config.d/x.py", tarfile.SYMTYPE, "/etc/passwd"),
        ("secrets/unknown", tarfile.REGTYPE, ""),
    ],
)
def test_member_that_belongs_nowhere_is_refused(server_root: ServerRoot, name: str, kind: bytes, link: str) -> None:
    file = backup(server_root)
    sealed(file, name, b"" if kind == tarfile.SYMTYPE else b"x", kind, link)
    os.chown(file, server_root.user.uid, server_root.user.gid)
    before = {path: data for path, data in content(server_root).items() if path != "hub.tar.gz"}
    done = server_root.hubctl("restore", str(file))
    assert done.returncode == 1
    assert repr(name) in done.stderr
    assert {path: data for path, data in content(server_root).items() if path != "hub.tar.gz"} == before


@pytest.mark.parametrize("place", ["etc/jupyterhub/ssl", "etc/jupyterhub/ssl/hub.key", "etc/jupyterhub", STATE])
def test_nothing_is_written_where_a_link_leads(server_root: ServerRoot, bare: ServerRoot, place: str) -> None:
    file = backup(server_root)
    elsewhere = bare.path / "elsewhere"
    (bare.path / place).rename(elsewhere)
    (bare.path / place).symlink_to(elsewhere)
    before = content(bare)
    done = bare.hubctl("restore", str(file))
    assert done.returncode == 1
    assert f"{bare.path / place} is a link to {elsewhere}: move it away" in done.stderr
    assert content(bare) == before


def test_files_of_other_programs_that_the_settings_name_stay(server_root: ServerRoot, bare: ServerRoot) -> None:
    """Another place for key and certificate than on the server that the backup is for."""
    for name in ("key", "cert"):
        put(server_root, f"etc/pki/site.{name}", "")
        server_root.certificate.with_name("hub.key" if name == "key" else "hub.crt").rename(
            server_root.path / f"etc/pki/site.{name}"
        )
        assert server_root.hubctl("config", "set", f"tls.{name}", f"/etc/pki/site.{name}").returncode == 0
    file = backup(server_root)
    put(bare, "etc/pki/site.key", "another's")
    done = bare.hubctl("restore", str(file))
    assert done.returncode == 1
    assert f"{bare.path}/etc/pki/site.key is there, and is no file of this hub" in done.stderr
    assert (bare.path / "etc/pki/site.key").read_text() == "another's"
    (bare.path / "etc/pki/site.key").unlink()
    assert bare.hubctl("restore", str(file)).returncode == 0
    assert (bare.path / "etc/pki/site.key").stat().st_mode & 0o777 == 0o600


def of_a_newer_jupyterhub(file: Path) -> None:
    def newer(entry: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if entry.name == "manifest.json":
            manifest = json.loads(data)
            manifest["versions"] |= {"jupyterhub": "99.0", "hubctl": "2099.1"}
            data = json.dumps(manifest).encode()
        return entry, data

    rewritten(file, newer)


def test_backup_of_a_newer_jupyterhub_is_refused(server_root: ServerRoot) -> None:
    file = backup(server_root)
    of_a_newer_jupyterhub(file)
    done = server_root.hubctl("restore", str(file))
    assert done.returncode == 1
    assert "bring this server to release 2099.1 first" in done.stderr


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (Path.unlink, "hub.tar.gz is not there"),
        (no_archive, "hub.tar.gz is damaged, or no backup"),
        (other_settings, "hub.tar.gz is damaged: settings/hub.yaml is not what was backed up"),
        (of_a_newer_jupyterhub, "bring this server to release 2099.1 first"),
    ],
    ids=["missing", "no backup", "damaged", "newer"],
)
def test_nobody_is_asked_about_a_file_that_can_not_be_restored(
    module_root: ServerRoot, backup_of_a_hub: Path, change: Callable[[Path], None], why: str
) -> None:
    file = module_root.path / "other" / "hub.tar.gz"
    file.parent.mkdir(exist_ok=True)
    shutil.copy2(backup_of_a_hub, file)
    os.chown(file, module_root.user.uid, module_root.user.gid)
    change(file)
    done = module_root.hubctl("restore", str(file))
    assert (done.returncode, done.stdout) == (1, "")
    assert why in done.stderr


def test_the_question_says_whose_hub_would_come(module_root: ServerRoot, backup_of_a_hub: Path) -> None:
    before = content(module_root)
    done = module_root.hubctl("restore", str(backup_of_a_hub))
    database = module_root.path / STATE / "jupyterhub.sqlite"
    asked = f"Replace the hub of this server, {database} included, with that of {socket.gethostname()} of "
    assert (done.returncode, done.stdout.startswith(asked)) == (1, True)
    assert content(module_root) == before
