"""Files that many spawns write at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hubctl import krb5conf, wholefile
from hubctl.layout import Layout


def test_a_file_that_many_write_at_once_is_always_whole(tmp_path: Path) -> None:
    path = tmp_path / "krb5.conf"
    texts = [letter * 200_000 for letter in "abcdefgh"]
    with ThreadPoolExecutor(len(texts)) as pool:
        jobs = [pool.submit(wholefile.write, path, text) for text in texts * 5]
        while not all(job.done() for job in jobs):
            assert not path.exists() or path.read_text() in texts
        for job in jobs:
            job.result()
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


def test_many_spawns_at_once_write_the_hosts_kerberos_configuration(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/krb5.conf").write_text("[libdefaults]\n default_realm = EXAMPLE.ORG\n")
    with ThreadPoolExecutor(20) as pool:
        mounts = list(pool.map(lambda _: krb5conf.write(layout), range(200)))
    assert mounts == [{str(layout.runtime / "krb5.conf"): "/etc/krb5.conf"}] * 200


def test_a_file_that_can_not_be_written_leaves_the_old_one_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "names"
    wholefile.write(path, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        wholefile.write(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
