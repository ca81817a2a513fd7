"""A signed Debian mirror on the disk, and the apt sources of a machine that uses it."""

import hashlib
import lzma
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.unit.sources_mirrors import make_tar, sha256

CODENAME, TARGET = "bookworm", "trixie"
DIRECTORY = "pool/main/d/demo"


@dataclass
class Mirror:
    """A mirror with one source package, ``demo``, in the suite ``TARGET``; its key is made once."""

    folder: Path
    keys: Path
    versions: list[str] = field(default_factory=list)

    @property
    def keyring(self) -> Path:
        """What ``Signed-By`` names."""
        return self.keys / "archive.gpg"

    def make_key(self) -> None:
        """A key without passphrase; gpg's own folder has to be private."""
        self.keys.mkdir(mode=0o700)
        self._gpg("--quick-gen-key", "--passphrase", "", "archive@example", "rsa2048", "sign", "never")
        self._gpg("--export", "--output", str(self.keyring))

    def publish(self, version: str, patches: dict[str, str] | None = None) -> None:
        """Adds ``version`` and signs the index of every version."""
        self.versions.append(version)
        upstream = version.partition("-")[0]
        pool = self.folder / DIRECTORY
        pool.mkdir(parents=True, exist_ok=True)
        content = {f"demo-{upstream}/configure": f"of {upstream}\n"}
        (pool / f"demo_{upstream}.orig.tar.gz").write_bytes(make_tar(content))
        packaging = {"debian/changelog": f"demo ({version}) trixie; urgency=medium\n\n  * Something.\n"}
        packaging["debian/patches/series"] = "".join(f"{name}\n" for name in patches or {})
        packaging.update({f"debian/patches/{name}": text for name, text in (patches or {}).items()})
        (pool / f"demo_{version}.debian.tar.xz").write_bytes(make_tar(packaging, lzma.compress))
        (pool / f"demo_{version}.dsc").write_text("never fetched\n")
        self.sign()

    def drop(self, version: str) -> None:
        """Takes the version's files out of the pool, as Debian does; the index still names it."""
        for path in (self.folder / DIRECTORY).glob(f"demo_{version}*"):
            path.unlink()
        (self.folder / DIRECTORY / f"demo_{version.partition('-')[0]}.orig.tar.gz").unlink(missing_ok=True)

    def sign(self) -> None:
        """Writes the indices of the versions, and the signed release file over them."""
        stanzas = "\n".join(self._stanza(version) for version in self.versions)
        suite = self.folder / "dists" / TARGET
        index = suite / "main" / "source" / "Sources"
        index.parent.mkdir(parents=True, exist_ok=True)
        index.write_text(stanzas)
        data = index.read_bytes()
        release = suite / "Release"
        release.write_text(
            f"Origin: Debian\nSuite: stable\nCodename: {TARGET}\nComponents: main\nArchitectures: amd64\n"
            "Date: Sat, 01 Jan 2022 00:00:00 UTC\n"
            f"SHA256:\n {sha256(data)} {len(data)} main/source/Sources\n"
        )
        (suite / "InRelease").unlink(missing_ok=True)
        self._gpg("--clearsign", "--output", str(suite / "InRelease"), str(release))

    def _stanza(self, version: str) -> str:
        pool = self.folder / DIRECTORY
        upstream = version.partition("-")[0]
        names = [f"demo_{version}.dsc", f"demo_{upstream}.orig.tar.gz", f"demo_{version}.debian.tar.xz"]
        datas = [(name, (pool / name).read_bytes()) for name in names if (pool / name).exists()]
        sums = "".join(f" {sha256(data)} {len(data)} {name}\n" for name, data in datas)
        files = "".join(f" {hashlib.md5(data).hexdigest()} {len(data)} {name}\n" for name, data in datas)
        return (
            f"Package: demo\nFormat: 3.0 (quilt)\nBinary: demo\nArchitecture: any\nVersion: {version}\n"
            f"Directory: {DIRECTORY}\nFiles:\n{files}Checksums-Sha256:\n{sums}"
        )

    def _gpg(self, *arguments: str) -> None:
        command = ["gpg", "--homedir", str(self.keys), "--batch", "--quiet", "--pinentry-mode", "loopback", *arguments]
        subprocess.run(command, check=True)


@dataclass
class Machine:
    """A Debian machine's apt configuration that names the mirror at ``uri``."""

    etc: Path

    def use(self, uri: str, keyring: Path, extra: str = "") -> tuple[Path, Path, Path]:
        """What ``Apt.set_up`` takes: the source list, its parts, os-release."""
        parts = self.etc / "sources.list.d"
        parts.mkdir(parents=True, exist_ok=True)
        (parts / "debian.sources").write_text(
            f"Types: deb\nURIs: {uri}\nSuites: {CODENAME}\nComponents: main\nSigned-By: {keyring}\n{extra}"
        )
        release = self.etc / "os-release"
        release.write_text(f"ID=debian\nVERSION_CODENAME={CODENAME}\n")
        return self.etc / "sources.list", parts, release
