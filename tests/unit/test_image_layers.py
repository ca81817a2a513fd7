"""An image's layers and its archive: the same bytes from the same content, and what Docker expects in them."""

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest
import zstandard

from forge.image_layers import Layer, Tree, config, write_archive, write_layer

EPOCH = 1_793_491_200


def tree(folder: Path) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "tool").write_text("#!/bin/sh\n")
    (folder / "bin" / "tool").chmod(0o700)
    (folder / "secret").write_text("x")
    (folder / "secret").chmod(0o600)
    (folder / "link").symlink_to("bin/tool")
    (folder / "empty").mkdir(mode=0o700)
    (folder / "twin").hardlink_to(folder / "secret")
    return folder


def read(archive: Path) -> tarfile.TarFile:
    data = archive.read_bytes()
    if archive.suffix == ".zst":
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return tarfile.open(fileobj=io.BytesIO(data))


def test_a_layer_does_not_tell_who_made_it_where_and_when(tmp_path: Path) -> None:
    layers: list[Path] = []
    for name in ("a", "b"):
        folder = tree(tmp_path / name)
        os.utime(folder / "secret", (len(layers) * 1000, len(layers) * 1000))
        layers.append(tmp_path / f"{name}.tar")
        write_layer([Tree(folder, "opt/notebook")], layers[-1], EPOCH)
    assert layers[0].read_bytes() == layers[1].read_bytes()
    for member in read(layers[0]):
        assert (member.uid, member.gid, member.uname, member.mtime) == (0, 0, "root", EPOCH), member.name


def test_every_user_can_read_what_is_in_a_layer_and_nobody_write(tmp_path: Path) -> None:
    write_layer([Tree(tree(tmp_path / "a"), "opt/notebook")], tmp_path / "layer.tar", EPOCH)
    with read(tmp_path / "layer.tar") as layer:
        modes = {member.name: member.mode for member in layer if not member.issym()}
        assert modes == {
            "opt": 0o755,
            "opt/notebook": 0o755,
            "opt/notebook/bin": 0o755,
            "opt/notebook/bin/tool": 0o755,
            "opt/notebook/empty": 0o755,
            "opt/notebook/secret": 0o644,
            "opt/notebook/twin": 0o644,
        }
        assert layer.getmember("opt/notebook/link").linkname == "bin/tool"
        assert layer.extractfile("opt/notebook/twin").read() == b"x"  # type: ignore[union-attr]


def test_several_trees_are_one_layer(tmp_path: Path) -> None:
    (tmp_path / "files" / "etc").mkdir(parents=True)
    (tmp_path / "files" / "etc" / "setting").write_text("1")
    write_layer([Tree(tree(tmp_path / "a"), "opt/notebook"), Tree(tmp_path / "files")], tmp_path / "layer.tar", EPOCH)
    names = read(tmp_path / "layer.tar").getnames()
    assert names == sorted(names, key=lambda name: name.split("/"))
    assert {"etc", "etc/setting", "opt/notebook/secret"} <= set(names)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    layers = [tmp_path / "debian.tar", tmp_path / "notebook.tar"]
    for layer in layers:
        (tmp_path / layer.stem).mkdir()
        (tmp_path / layer.stem / layer.stem).write_text(layer.stem)
        write_layer([Tree(tmp_path / layer.stem)], layer, EPOCH)
    content = [Layer.of(layer) for layer in layers]
    configuration = config(content, {"Cmd": ["server"], "User": "65534:65534"}, EPOCH)
    write_archive(content, configuration, ["hubforge/notebook:latest"], tmp_path / "image.tar.zst")
    return tmp_path / "image.tar.zst"


def test_the_archive_names_its_layers_by_their_content(archive: Path) -> None:
    with read(archive) as tar:
        content = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    [manifest] = json.loads(content["manifest.json"])
    assert manifest["RepoTags"] == ["hubforge/notebook:latest"]
    configuration = content[manifest["Config"]]
    assert manifest["Config"] == f"{hashlib.sha256(configuration).hexdigest()}.json"
    document = json.loads(configuration)
    digests = [hashlib.sha256(content[name]).hexdigest() for name in manifest["Layers"]]
    assert document["rootfs"]["diff_ids"] == [f"sha256:{digest}" for digest in digests]
    assert document["created"] == "2026-11-01T00:00:00Z"
    assert document["config"] == {"Cmd": ["server"], "User": "65534:65534"}


def test_the_same_layers_give_the_same_archive(archive: Path, tmp_path: Path) -> None:
    layers = [Layer.of(tmp_path / f"{name}.tar") for name in ("debian", "notebook")]
    configuration = config(layers, {"User": "65534:65534", "Cmd": ["server"]}, EPOCH)
    write_archive(layers, configuration, ["hubforge/notebook:latest"], tmp_path / "again.tar.zst")
    assert (tmp_path / "again.tar.zst").read_bytes() == archive.read_bytes()
