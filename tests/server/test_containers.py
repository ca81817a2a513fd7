"""What a user's container is told: whom it runs as, its limits, what is mounted, and the home that it works in."""

import logging
import os
import pwd
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hub_config_support import ME, no_engine, scratch_layout, settings  # noqa: F401  # fixtures
from hubctl import containers, homes, kernels, krb5conf
from hubctl.layout import Layout


def spawner(image: str = "hubforge/notebook", name: str = ME) -> Any:
    return SimpleNamespace(
        user=SimpleNamespace(name=name), image=image, environment={}, user_options={}, log=logging.getLogger("spawner")
    )


def test_containers_have_the_users_rights_and_no_more(layout: Layout) -> None:
    values = settings(auth="pam", spawner="docker", limits={"memory": "3g", "pids": 100})
    host = containers.host_config(spawner(), settings=values, layout=layout)
    assert host["cap_drop"] == ["ALL"]
    assert host["security_opt"] == ["no-new-privileges"]
    assert (host["mem_limit"], host["pids_limit"]) == ("3g", 100)
    entry = pwd.getpwnam(ME)
    create = containers.create_arguments(spawner(), settings=values, layout=layout)
    assert create["user"] == f"{entry.pw_uid}:{entry.pw_gid}"
    assert host["cap_add"] == []
    assert [bind for bind in host["binds"].values() if bind["mode"] == "rw"] == []
    (home,) = host["mounts"]
    assert (home["Source"], home["Target"], home["ReadOnly"]) == (f"{entry.pw_dir}/work", entry.pw_dir, False)


def test_an_image_can_have_limits_of_its_own(layout: Layout) -> None:
    own = {"name": "B", "image": "b", "memory": "16g", "pids": 99}
    values = settings(auth="pam", spawner="docker", docker={"images": [{"name": "A", "image": "a"}, own]})
    limits = [containers.host_config(spawner(i), settings=values, layout=layout) for i in ("a", "b")]
    assert [(host["mem_limit"], host["pids_limit"]) for host in limits] == [("4g", 512), ("16g", 99)]


def test_the_account_root_gets_no_server_of_an_image_that_does_not_say_so(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = homes.Account("root", 0, 0, (), "/home", Path("/home/work"), Path("/home"))
    monkeypatch.setattr(containers, "account", lambda *_: account)
    with pytest.raises(Exception, match="does not run as root"):
        containers.prepare(spawner(name="root"), settings=settings(spawner="docker"), layout=layout)


def test_two_entries_of_one_image_have_each_its_limits(layout: Layout) -> None:
    entries = [{"name": "Small", "image": "a"}, {"name": "Large", "image": "a", "memory": "16g"}]
    values = settings(auth="pam", spawner="docker", docker={"images": entries})
    large = spawner("a")
    large.user_options = {"image": "Large"}
    assert containers.host_config(large, settings=values, layout=layout)["mem_limit"] == "16g"


def test_only_an_image_that_says_so_runs_as_root_and_even_that_has_few_rights(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = homes.Account("ada", 1234, 5678, (), "/home/ada", Path("/home/ada/work"), Path("/home/ada"))
    monkeypatch.setattr(containers, "account", lambda *_: account)
    images = [{"name": "A", "image": "a"}, {"name": "B", "image": "b", "root": True}]
    values = settings(auth="pam", spawner="docker", docker={"images": images})
    users = [containers.create_arguments(spawner(i), settings=values, layout=layout)["user"] for i in ("a", "b")]
    assert users == ["1234:5678", "0:0"]
    host = containers.host_config(spawner("b"), settings=values, layout=layout)
    assert host["cap_drop"] == ["ALL"]
    assert "SYS_ADMIN" not in host["cap_add"]
    assert host["security_opt"] == ["no-new-privileges"]


def test_a_name_of_a_shared_password_gets_no_rights_of_the_account(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    values = settings(auth="shared-password", spawner="docker")
    create = containers.create_arguments(spawner(name="root"), settings=values, layout=layout)
    assert create["user"] == "65534:65534"
    host = containers.host_config(spawner(name="root"), settings=values, layout=layout)
    assert [mount["Source"] for mount in host["mounts"]] == [str(layout.homes / "root")]


def test_mounts_apply_where_they_exist_and_skipped_ones_are_logged_once(
    layout: Layout, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("parcels", "data"):
        (layout.root / "opt" / name).mkdir(parents=True)
    wanted = [
        {"host": "/opt/parcels"},
        {"host": "/opt/data", "container": "/data", "writable": True},
        {"host": "/opt/gone"},
    ]
    values = settings(auth="pam", spawner="docker", mounts=wanted)
    binds = [containers.host_config(spawner(), settings=values, layout=layout)["binds"] for _ in range(2)][1]
    assert binds[f"{layout.root}/opt/parcels"] == {"bind": "/opt/parcels", "mode": "ro"}
    assert binds[f"{layout.root}/opt/data"] == {"bind": "/data", "mode": "rw"}
    assert f"{layout.root}/opt/gone" not in binds
    assert caplog.messages == ["/opt/gone is not on this host: not mounted into containers"]
    (layout.root / "opt/gone").mkdir()
    assert f"{layout.root}/opt/gone" in containers.host_config(spawner(), settings=values, layout=layout)["binds"]


def test_the_clusters_spark_and_hadoops_configuration_are_mounted_unless_the_site_does_it(
    layout: Layout, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("opt/parcels/spark", "etc/hadoop/conf"):
        (layout.root / name).mkdir(parents=True)
    spark = {"spark_home": "/opt/parcels/spark", "hadoop_conf": "/etc/hadoop/conf"}

    def read_only(**site: Any) -> dict[str, str]:
        values = settings(auth="pam", spawner="docker", **site)
        binds = containers.host_config(spawner(), settings=values, layout=layout)["binds"]
        found = {source.removeprefix(str(layout.root)): bind for source, bind in binds.items()}
        return {path: bind["bind"] for path, bind in found.items() if path.startswith(("/opt", "/etc/hadoop"))}

    assert read_only(pyspark=spark) == {path: path for path in spark.values()}
    parcels = {"host": "/opt/parcels", "container": "/parcels"}
    assert read_only(pyspark=spark, mounts=[parcels]) == {
        "/opt/parcels": "/parcels",
        "/etc/hadoop/conf": "/etc/hadoop/conf",
    }
    read_only(pyspark={"spark_home": "/opt/spark-of-before"})
    assert caplog.messages == ["/opt/spark-of-before is not on this host: not mounted into containers"]


def test_kernelspecs_are_mounted_read_only(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "mounts", lambda settings, layout, image: {"/k/1g": f"/kernels/{image.image}"})
    values = settings(auth="pam", spawner="docker")
    binds = containers.host_config(spawner(), settings=values, layout=layout)["binds"]
    assert binds["/k/1g"] == {"bind": "/kernels/hubforge/notebook", "mode": "ro"}


def test_names_of_the_user_and_of_the_host_are_known_inside(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    values = settings(auth="pam", spawner="docker")
    group = SimpleNamespace(gr_name="analysts", gr_mem=["alice", "bob"])
    monkeypatch.setattr("grp.getgrgid", lambda gid: group)
    account = homes.Account("alice", 60123, 60124, (), "/home/alice", Path("/home/alice/work"), Path("/home/alice"))
    monkeypatch.setattr(containers, "account", lambda *_: account)
    binds = containers.host_config(spawner(), settings=values, layout=layout)["binds"]
    inside = {
        bind["bind"]: Path(source).read_text().splitlines() for source, bind in binds.items() if "names" in source
    }
    assert inside["/etc/passwd"][0] == "alice:x:60123:60124:alice:/home/alice:/bin/bash"
    assert inside["/etc/group"][0] == "analysts:x:60124:alice,bob"
    assert any(line.startswith("root:") for line in inside["/etc/passwd"])
    assert {bind["mode"] for source, bind in binds.items() if "names" in source} == {"ro"}


def test_what_krb5_conf_includes_comes_along(layout: Layout) -> None:
    """A folder's link that leads elsewhere, as RHEL's crypto-policies, would lead nowhere in a container."""
    etc = layout.root / "etc"
    (etc / "krb5.conf.d").mkdir()
    (etc / "elsewhere").write_text("[libdefaults]\npermitted_enctypes = aes256-cts\n")
    (etc / "krb5.conf.d/crypto-policies").symlink_to(etc / "elsewhere")
    (etc / "krb5.conf.d/notes.txt~").write_text("not read by Kerberos")
    (etc / "krb5.conf.d/dangling").symlink_to("/no/such/file")
    (etc / "krb5.conf").write_text("[realms]\nincludedir /etc/krb5.conf.d\nEX.TEST = {\n kdc = kdc.ex.test\n}\n")
    values = settings(auth="kerberos", spawner="docker")
    binds = containers.host_config(spawner(), settings=values, layout=layout)["binds"]
    (source,) = (source for source, bind in binds.items() if bind["bind"] == "/etc/krb5.conf")
    lines = Path(source).read_text().splitlines()
    assert lines == [
        *("[realms]", "[libdefaults]", "permitted_enctypes = aes256-cts"),
        *("[realms]", "EX.TEST = {", " kdc = kdc.ex.test", "}"),
    ]


def test_an_included_file_that_includes_itself_ends(layout: Layout) -> None:
    (layout.root / "etc/krb5.conf").write_text("include /etc/krb5.conf\n[libdefaults]\n")
    binds = krb5conf.write(layout)
    assert Path(next(iter(binds))).read_text() == "[libdefaults]\n"


def test_a_user_without_account_is_told_so(layout: Layout) -> None:
    values = settings(auth="pam", spawner="docker")
    with pytest.raises(Exception, match="no account no-such-user") as caught:
        containers.prepare(spawner(name="no-such-user"), settings=values, layout=layout)
    assert "Ask the administrator" in caught.value.jupyterhub_message  # type: ignore[attr-defined]


def test_a_missing_home_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    account = homes.Account(ME, os.geteuid(), os.getegid(), (), "/home/x", tmp_path / "x/work", tmp_path / "x")
    homes.ensure(account)
    homes.ensure(account)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o700
    assert stat.S_IMODE(account.folder.stat().st_mode) == 0o700


def test_a_domains_first_users_may_come_at_once(tmp_path: Path) -> None:
    for domain in range(50):
        paths = [tmp_path / str(domain) / "EXAMPLE.ORG" / f"user{number}" for number in range(10)]
        accounts = [homes.Account(path.name, os.geteuid(), os.getegid(), (), "/home/x", path, path) for path in paths]
        with ThreadPoolExecutor(len(accounts)) as pool:
            list(pool.map(homes.ensure, accounts))
        assert all(path.is_dir() for path in paths)


def test_a_home_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "work").symlink_to("/etc")
    account = homes.Account(ME, os.geteuid(), os.getegid(), (), "/home/x", tmp_path / "x/work", tmp_path / "x")
    with pytest.raises(homes.NoHomeError, match="is a link"):
        homes.ensure(account)


def test_a_home_on_a_disk_that_can_only_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = homes.Account(ME, os.geteuid(), os.getegid(), (), "/home/x", tmp_path / "x/work", tmp_path / "x")
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_RDONLY))
    with pytest.raises(homes.NoHomeError, match=r"can only be read.*administrator"):
        homes.ensure(account)


@pytest.mark.parametrize("home", ["/", "", "/nonexistent"])
def test_an_account_without_home_gets_no_server(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    entry = SimpleNamespace(pw_dir=home, pw_uid=1, pw_gid=1)
    monkeypatch.setattr(pwd, "getpwnam", lambda name: entry)
    with pytest.raises(homes.NoHomeError, match="no home folder"):
        homes.of_host("alice", "work")


@pytest.mark.parametrize(("inside", "mounted"), [("own", True), ("other", False)])
def test_a_home_that_was_replaced_while_the_container_started_is_noticed(
    tmp_path: Path, inside: str, mounted: bool
) -> None:
    for name in ("own", "other"):
        (tmp_path / name).mkdir()
    account = homes.Account(ME, 1, 1, (), str(tmp_path / inside), tmp_path / "own", tmp_path)
    assert homes.is_mounted(account, os.getpid()) is mounted
    (tmp_path / "link").symlink_to(tmp_path / "own")
    linked = homes.Account(ME, 1, 1, (), str(tmp_path / "own"), tmp_path / "link", tmp_path)
    assert not homes.is_mounted(linked, os.getpid())
    linked = homes.Account(ME, 1, 1, (), str(tmp_path / "link"), tmp_path / "own", tmp_path)
    assert not homes.is_mounted(linked, os.getpid())
    with pytest.raises(OSError, match="No such"):
        homes.is_mounted(account, 2**22 + 1)  # no process has that number: PID_MAX_LIMIT
