"""The `.conda` file: one content, one file; what is damaged or misplaced is refused by name."""

import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard

from forge import condapkg
from forge.condapkg import PLACEHOLDER, About, Index, Member
from forge.errors import ForgeError

EPOCH = 1_700_000_000
INDEX = Index(
    name="demo",
    version="1.0",
    build="h0_0",
    subdir="linux-64",
    depends=("openssl >=3.5", "zlib >=1.3,<2.0a0"),
    license="MIT",
)


def built_elsewhere(folder: Path, prefix: str, *, epoch: int, uid: int, order: int) -> Path:
    """A package as a build tool leaves it: its own placeholder, owners, clock, order and traces of the machine."""
    files = {
        "bin/demo": (f"#!{prefix}/bin/sh\n".encode(), 0o775, "text"),
        "lib/libdemo.so.1": (b"\x7fELF\0" + prefix.encode() + b"/etc\0\0", 0o600, "binary"),
        "share/demo/words": (b"plain\n", 0o664, None),
    }
    links = {"lib/libdemo.so": "libdemo.so.1"}
    paths = [
        {
            "_path": name,
            "path_type": "hardlink",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_in_bytes": len(data),
            **({"prefix_placeholder": prefix, "file_mode": kind} if kind else {}),
        }
        for name, (data, _, kind) in files.items()
    ]
    paths += [{"_path": name, "path_type": "softlink", "sha256": "", "size_in_bytes": 0} for name in links]
    info = {
        "info/index.json": json.dumps(
            INDEX.document(epoch) | {"depends": INDEX.depends[::order], "purls": ["pkg:x"]}
        ).encode(),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}).encode(),
        "info/about.json": json.dumps({"summary": "A demo", "channels": [f"file://{folder}"]}).encode(),
        "info/hash_input.json": b"{}",
        "info/recipe/recipe.yaml": f"source: {folder}".encode(),
        "info/licenses/COPYING": b"free\n",
        "info/tests/tests.yaml": b"- script: demo\n",
    }

    def tar(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for item, data in members[::order]:
                item.mtime, item.uid, item.uname = epoch, uid, f"user{uid}"
                item.size = len(data)
                archive.addfile(item, io.BytesIO(data))
        return zstandard.ZstdCompressor(level=1).compress(buffer.getvalue())

    def item(name: str, mode: int, link: str = "") -> tarfile.TarInfo:
        entry = tarfile.TarInfo(name)
        entry.mode = mode
        if link:
            entry.type, entry.linkname = tarfile.SYMTYPE, link
        return entry

    installed = [(item(name, mode), data) for name, (data, mode, _) in files.items()]
    installed += [(item(name, 0o777, link), b"") for name, link in links.items()]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / INDEX.file_name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", b'{"conda_pkg_format_version":2}')
        archive.writestr(f"info-{INDEX.stem}.tar.zst", tar([(item(n, 0o600), d) for n, d in info.items()]))
        archive.writestr(f"pkg-{INDEX.stem}.tar.zst", tar(installed))
    return path


def normalised(folder: Path, prefix: str, *, epoch: int = 1, uid: int = 0, order: int = 1) -> Path:
    raw = built_elsewhere(folder / "raw", prefix, epoch=epoch, uid=uid, order=order)
    target = folder / INDEX.file_name
    condapkg.normalise(raw, target, EPOCH)
    return target


def members(path: Path) -> dict[str, Member]:
    return {member.path: member for member in condapkg.read(path).members()}


def test_two_builds_by_two_people_are_one_file(tmp_path: Path) -> None:
    one = normalised(tmp_path / "one", "/home/a/" + "p" * 247, epoch=5, uid=1000, order=1)
    two = normalised(tmp_path / "two", "/builds/b/" + "q" * 245, epoch=9, uid=77, order=-1)
    assert one.read_bytes() == two.read_bytes()


def test_normalising_twice_changes_nothing(tmp_path: Path) -> None:
    once = normalised(tmp_path, "/b/" + "p" * 252)
    twice = tmp_path / "twice" / once.name
    condapkg.normalise(once, twice, EPOCH)
    assert once.read_bytes() == twice.read_bytes()


def test_the_build_folder_is_nowhere_in_the_package(tmp_path: Path) -> None:
    prefix = "/b/" + "p" * 252
    path = normalised(tmp_path, prefix)
    everything = [m.data for m in condapkg.read(path).members()] + list(condapkg.read(path).info.values())
    assert not any(trace in data for data in everything for trace in (prefix.encode(), str(tmp_path).encode()))
    assert members(path)["bin/demo"].data == f"#!{PLACEHOLDER}/bin/sh\n".encode()
    assert PLACEHOLDER.encode() in members(path)["lib/libdemo.so.1"].data


def test_paths_json_holds_the_hashes_of_what_is_inside(tmp_path: Path) -> None:
    package = condapkg.read(normalised(tmp_path, "/b/" + "p" * 252))
    data = {member.path: member.data for member in package.members()}
    for entry in package.paths:
        installed = data["lib/libdemo.so.1"] if entry.path_type == "softlink" else data[entry.path]
        assert (entry.sha256, entry.size) == (hashlib.sha256(installed).hexdigest(), len(installed)), entry.path
    assert {e.path: (e.file_mode, e.placeholder) for e in package.paths if e.placeholder} == {
        "bin/demo": ("text", PLACEHOLDER),
        "lib/libdemo.so.1": ("binary", PLACEHOLDER),
    }


def test_info_keeps_what_users_need_and_nothing_of_the_build(tmp_path: Path) -> None:
    package = condapkg.read(normalised(tmp_path, "/b/" + "p" * 252))
    kept = {"about.json", "index.json", "paths.json", "licenses/COPYING", "tests/tests.yaml"}
    assert set(package.info) == kept
    assert package.about == {"summary": "A demo"}
    index = json.loads(package.info["index.json"])
    assert index["timestamp"] == EPOCH * 1000
    assert index["purls"] == ["pkg:x"]


def test_files_have_one_of_two_modes_and_no_owner(tmp_path: Path) -> None:
    path = normalised(tmp_path, "/b/" + "p" * 252, uid=1000)
    span = condapkg.parts(path).pkg
    tar = zstandard.ZstdDecompressor().decompress(path.read_bytes()[span.offset : span.offset + span.length])
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        modes = {item.name: oct(item.mode) for item in archive if item.isreg()}
        archive.fileobj.seek(0)
        assert {(i.uid, i.gid, i.uname, i.gname, i.mtime) for i in archive.getmembers()} == {(0, 0, "", "", EPOCH)}
    assert modes == {"bin/demo": "0o755", "lib/libdemo.so.1": "0o644", "share/demo/words": "0o644"}


def test_a_placeholder_of_another_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ForgeError, match="of 40 characters, not 255"):
        normalised(tmp_path, "/b/" + "p" * 37)
    assert not (tmp_path / INDEX.file_name).exists()


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    index = Index("tool", "2.1", "py_0", subdir="noarch", noarch="python", depends=("python >=3.10",))
    written = [Member("site-packages/tool.py", b"x = 1\n"), Member("python-scripts/t", b"#!", executable=True)]
    path = condapkg.write(
        tmp_path,
        index,
        written,
        epoch=EPOCH,
        about=About(summary="A tool", extra={"wheel": "tool.whl"}),
        licenses={"LICENSE": b"free\n"},
        entry_points=["tool = tool:main"],
    )
    package = condapkg.read(path)
    assert path.name == "tool-2.1-py_0.conda"
    assert package.index.depends == ("python >=3.10",)
    assert sorted(package.members(), key=lambda m: m.path) == sorted(written, key=lambda m: m.path)
    assert package.about == {"summary": "A tool", "extra": {"wheel": "tool.whl"}}
    assert json.loads(package.info["link.json"])["noarch"] == {"type": "python", "entry_points": ["tool = tool:main"]}
    assert package.info["licenses/LICENSE"] == b"free\n"


def test_the_order_of_the_members_does_not_matter(tmp_path: Path) -> None:
    files = [Member("a", b"1"), Member("b", b"2")]
    one = condapkg.write(tmp_path / "1", INDEX, files, epoch=EPOCH).read_bytes()
    assert condapkg.write(tmp_path / "2", INDEX, files[::-1], epoch=EPOCH).read_bytes() == one


def test_parts_are_where_the_installer_looks_for_them(tmp_path: Path) -> None:
    path = condapkg.write(tmp_path, INDEX, [Member("share/" + "n" * 200, b"x")], epoch=EPOCH)
    for span, expected in zip(
        (condapkg.parts(path).pkg, condapkg.parts(path).info),
        (["share/" + "n" * 200], ["info/about.json", "info/index.json", "info/paths.json"]),
        strict=True,
    ):
        data = path.read_bytes()[span.offset : span.offset + span.length]
        with tarfile.open(fileobj=io.BytesIO(zstandard.ZstdDecompressor().decompress(data))) as tar:
            assert tar.getnames() == expected


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside", "lib/../../x", "info/index.json", "a//b"])
def test_a_file_outside_of_the_prefix_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(ForgeError, match="no place in a prefix"):
        condapkg.write(tmp_path, INDEX, [Member(path, b"")], epoch=EPOCH)
    assert list(tmp_path.iterdir()) == []


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ForgeError, match="two files would be installed as bin/x"):
        condapkg.write(tmp_path, INDEX, [Member("bin/x", b"1"), Member("bin/x", b"2")], epoch=EPOCH)


def test_a_damaged_package_is_named(tmp_path: Path) -> None:
    path = condapkg.write(tmp_path, INDEX, [Member("a", b"1" * 1000)], epoch=EPOCH)
    span = condapkg.parts(path).info
    data = bytearray(path.read_bytes())
    data[span.offset + 5 : span.offset + 60] = bytes(55)
    path.write_bytes(data)
    with pytest.raises(ForgeError, match=path.name):
        condapkg.read(path)
    path.write_bytes(b"no zip at all")
    with pytest.raises(ForgeError, match=path.name):
        condapkg.parts(path)
