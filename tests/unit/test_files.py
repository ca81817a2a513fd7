"""Files are whole or not there."""

from pathlib import Path

import pytest

from forge import files


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "package.conda"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), files.replacing(target) as temporary:
        temporary.write_text("half of the n")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_finished_write_has_its_name_and_mode(tmp_path: Path) -> None:
    target = tmp_path / "folder" / "script"
    with files.replacing(target, mode=0o750) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o750


def test_writing_the_same_text_again_changes_nothing(tmp_path: Path) -> None:
    target = tmp_path / "lock"
    assert files.write_text(target, "text")
    before = target.stat().st_mtime_ns
    assert not files.write_text(target, "text")
    assert target.stat().st_mtime_ns == before


def test_a_file_is_placed_over_an_older_one(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("new")
    target.write_text("old")
    files.place(source, target)
    assert target.read_text() == "new"
    assert source.read_text() == "new"


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: (tree / "a").write_text("other"),
        lambda tree: (tree / "a").rename(tree / "b"),
        lambda tree: (tree / "a").chmod(0o755),
        lambda tree: (tree / "sub" / "new").write_text(""),
    ],
    ids=["content", "name", "executable", "new file"],
)
def test_every_change_to_a_tree_changes_its_digest(tmp_path: Path, change: object) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a").write_text("text")
    before = files.tree_digest(tmp_path)
    assert files.tree_digest(tmp_path) == before
    change(tmp_path)  # type: ignore[operator]
    assert files.tree_digest(tmp_path) != before


def test_byte_code_beside_the_sources_does_not_change_a_digest(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    before = files.tree_digest(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.cpython-313.pyc").write_text("1")
    assert files.tree_digest(tmp_path) == before
