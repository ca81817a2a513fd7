"""conda on an installed server, and the channel that it installs from: on a web server, or carried there as a file."""

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge import channel as channels
from forge import condapkg, environments, locks, release
from forge.condapkg import Index, Member
from forge.paths import ROOT
from tests.containers import Container, base_image, running
from tests.newer_release import base_records
from tests.product import ENVIRONMENT, PREFIX
from tests.waiting import wait_for

HUBCTL = f"{ENVIRONMENT}/bin/hubctl"
CONDA = f"{PREFIX}/bin/conda"
DROP_IN = f"{PREFIX}/condarc.d/hubforge-channel.yml"
LOCAL = "/srv/conda/hubforge"

NEXT = "2099.01"
"""A release that comes later: the same packages, under another number."""

URL = "https://channel.test/hubforge"
PROTECTED = "https://channel.test:8443/hubforge"
"""The same channel, for those with a password."""

USER, PASSWORD = "anna", 'se"cr et\\#%41'


@pytest.fixture(scope="module")
def published(channel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published channel: this release, the next one, and a package of the site's own."""
    folder = tmp_path_factory.mktemp("published")
    records = environments.solve(release.requirements(), [channel])
    tool = condapkg.write(
        folder, Index("site-tool", "1.0", "0", noarch="generic"), [Member("share/site-tool", b"1\n")], epoch=0
    )
    metapackages = release.metapackage(NEXT, records), release.base_metapackage(NEXT, base_records(channel))
    packages = [*channel.glob("*/*.conda"), *metapackages, tool]
    lock = {"locks/now/jupyterhubenv.explicit.txt": locks.explicit_path("jupyterhubenv").read_text()}
    channels.add(packages, folder / "hubforge", lock)
    return folder / "hubforge"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate authority of the site's own, and the web server's pair that it has signed."""
    folder = tmp_path_factory.mktemp("authority")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]  # Python wants it of an authority
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *new_key, "-subj", "/CN=Site", *usage, "-days", "30", "-keyout", "ca.key", "-out", "ca.crt")
    openssl("req", *new_key, "-subj", "/CN=channel.test", "-keyout", "web.key", "-out", "web.csr")
    extensions = "subjectAltName=DNS:channel.test\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
    (folder / "names").write_text(extensions)
    signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "names"]
    openssl("x509", "-req", "-in", "web.csr", *signed, "-out", "web.crt")
    return folder


@pytest.fixture(scope="module")
def server(installer: Path, published: Path, authority: Path) -> Iterator[Container]:
    """An installed server without network; nginx runs on it with the shipped configuration, under a name of its own."""
    mounts = {installer.parent: "/dist", published: "/srv/www/hubforge", authority: "/authority"}
    shipped = (ROOT / "config/nginx-channel.conf").read_text().replace("channel.example.com", "channel.test")
    protected = (
        shipped[shipped.index("server {") :].replace("443 ssl", "8443 ssl").replace("# auth_basic", "auth_basic")
    )
    with running(base_image("bookworm", ("nginx", "strace")), mounts=mounts) as container:
        container.shell(
            "cp /authority/web.crt /etc/nginx/hubforge-channel.crt; echo 127.0.0.1 channel.test >>/etc/hosts"
        )
        container.shell("cp /authority/web.key /etc/nginx/hubforge-channel.key; rm /etc/nginx/sites-enabled/default")
        container.run("sh", "-c", "cat >/etc/nginx/conf.d/hubforge-channel.conf", text=shipped + protected)
        container.run("sh", "-c", "cat >/etc/nginx/hubforge-channel.users", text=f"{USER}:{{PLAIN}}{PASSWORD}\n")
        container.shell("nginx -t && nginx")
        container.run("bash", "/dist/hub-installer.sh", "-b", "-s")
        yield container


@pytest.fixture(autouse=True)
def as_installed(server: Container) -> None:
    """Every test begins with conda as the installer has left it."""
    index_cache = f"{PREFIX}/pkgs/cache"  # what `conda clean --index-cache` removes, in no time
    server.shell(f"rm -rf {PREFIX}/condarc.d {LOCAL} /root/.netrc /tmp/made {index_cache}")


def releases(server: Container) -> list[str]:
    shown: list[str] = json.loads(server.shell(f"{HUBCTL} channel show --json"))["releases"]
    return shown


def made_from_the_channel(server: Container, package: str) -> dict[str, str]:
    """conda's record of a package that it installs into a new environment, with an empty package cache."""
    server.shell(f"CONDA_PKGS_DIRS=$(mktemp -d) {CONDA} create --yes --quiet -p /tmp/made {package}")
    record: dict[str, str] = json.loads(server.shell(f"cat /tmp/made/conda-meta/{package}-*.json"))
    return record


# ---- a channel on a web server ----


def test_conda_installs_over_https_from_a_server_that_a_private_authority_vouches_for(server: Container) -> None:
    said = server.shell(f"{HUBCTL} channel set {URL} --ca /authority/ca.crt")
    assert NEXT in said
    assert made_from_the_channel(server, "site-tool")["url"] == f"{URL}/noarch/site-tool-1.0-0.conda"
    server.shell(f"{CONDA} install --yes --quiet -n jupyterhubenv site-tool; test -f {ENVIRONMENT}/share/site-tool")
    server.shell(f"{CONDA} install --yes --quiet -n base site-tool; test -f {PREFIX}/share/site-tool")
    listed = json.loads(server.shell(f"{CONDA} list --json -n jupyterhubenv site-tool"))
    assert [package["channel"] for package in listed] == ["hubforge"]
    server.shell(f"{CONDA} remove --yes --quiet -n jupyterhubenv site-tool; {CONDA} remove --yes -n base site-tool")


def test_the_next_release_comes_from_there_and_what_is_the_same_stays(server: Container) -> None:
    """What the installer has linked is not fetched again only because the channel has another address now."""
    server.shell(f"{HUBCTL} channel set {URL} --ca /authority/ca.crt")
    install = f"{CONDA} install --yes --quiet -n jupyterhubenv hubforge={NEXT}"
    plan = json.loads(server.shell(f"{install} --dry-run --json"))["actions"]
    assert [package["name"] for package in plan["LINK"]] == ["hubforge"]
    server.shell(install)
    server.shell(f"ls {ENVIRONMENT}/conda-meta/hubforge-{NEXT}-0.json {PREFIX}/conda-meta/hubforge-base-{NEXT}-0.json")
    server.shell(f"{HUBCTL} rollback --yes --to 0; {CONDA} install --yes --quiet --offline -n base --revision 0")


def test_the_lock_of_an_old_release_can_be_installed_from_there(server: Container) -> None:
    server.shell(f"{HUBCTL} channel set {URL} --ca /authority/ca.crt")
    lock = "/srv/www/hubforge/locks/now/jupyterhubenv.explicit.txt"
    create = f"{CONDA} create --yes --quiet -p /tmp/made --file {lock}"
    server.shell(f"CHANNEL_ROOT=/srv/www/hubforge CONDA_PKGS_DIRS=$(mktemp -d) {create}")
    made = json.loads(server.shell(f"{CONDA} list --json -p /tmp/made"))
    assert {p["name"]: f"{p['version']} {p['build_string']}" for p in made} == locks.read("jupyterhubenv")


def test_a_server_that_nobody_vouches_for_is_refused_and_nothing_is_changed(server: Container) -> None:
    refused = server.run(HUBCTL, "channel", "set", URL, check=False)
    assert refused.returncode == 1
    assert "--ca FILE" in refused.stderr
    assert "Traceback" not in refused.stderr
    server.shell(f"! test -e {DROP_IN}")


def test_an_address_without_a_channel_is_refused_and_the_one_before_stays(server: Container) -> None:
    server.shell(f"{HUBCTL} channel set {URL} --ca /authority/ca.crt; cp {DROP_IN} /tmp/before")
    refused = server.run(HUBCTL, "channel", "set", f"{URL}/elsewhere", "--ca", "/authority/ca.crt", check=False)
    assert refused.returncode == 1
    assert f"{URL}/elsewhere" in refused.stderr
    server.shell(f"cmp {DROP_IN} /tmp/before")


@pytest.mark.parametrize("address", ["file:///srv/www/hubforge", "http://channel.test:8000/hubforge"])
def test_any_folder_and_any_web_server_will_do(server: Container, address: str) -> None:
    if address.startswith("http:"):
        server.shell(f"{PREFIX}/bin/python -m http.server --directory /srv/www >/dev/null 2>&1 &")
        answers = f"{PREFIX}/bin/python -c 'import urllib.request as r; r.urlopen(\"http://channel.test:8000\")'"
        wait_for("the web server", lambda: server.run("sh", "-c", answers, check=False).returncode == 0)
    server.shell(f"{HUBCTL} channel set {address}")
    assert made_from_the_channel(server, "site-tool")["url"] == f"{address}/noarch/site-tool-1.0-0.conda"


# ---- with user and password ----


def test_without_a_password_the_advice_is_how_to_give_it(server: Container) -> None:
    refused = server.run(HUBCTL, "channel", "set", PROTECTED, "--ca", "/authority/ca.crt", check=False)
    assert refused.returncode == 1
    assert "USER@" in refused.stderr


def test_a_wrong_password_is_refused_and_not_kept(server: Container) -> None:
    asked = PROTECTED.replace("//", f"//{USER}@")
    refused = server.run(HUBCTL, "channel", "set", asked, "--ca", "/authority/ca.crt", check=False, text="guess\n")
    assert refused.returncode == 1
    assert "guess" not in refused.stderr
    server.shell("! test -e /root/.netrc")


def test_a_password_is_used_and_shows_nowhere(server: Container) -> None:
    """All programs that run are watched (strace), and afterwards every file that was written is looked through."""
    server.shell("echo 'machine other.test login me password mine' >/root/.netrc")
    traced = "strace -f -qq -s 100000 -e trace=execve -A -o /tmp/arguments"
    asked = PROTECTED.replace("//", f"//{USER}@")
    script = f"umask 022; {traced} {HUBCTL} channel set {asked} --ca /authority/ca.crt"
    said = server.run("sh", "-euc", script, text=f"{PASSWORD}\n")
    installed = server.run("sh", "-euc", f"{traced} {CONDA} install -vvv --yes -n jupyterhubenv site-tool")
    listed = server.run(CONDA, "list", "--explicit", "-n", "jupyterhubenv")
    assert "site-tool" in listed.stdout
    for output in (said, installed, listed):
        assert not any(secret in output.stdout + output.stderr for secret in secrets())
    assert HUBCTL in server.shell("cat /tmp/arguments")
    assert server.shell("stat -c '%a %U' /root/.netrc") == "600 root\n"
    assert "machine other.test login me password mine" in server.shell("cat /root/.netrc")
    patterns = " ".join(f"-e '{secret}'" for secret in secrets())
    places = f"{PREFIX} /etc /root /tmp /var /run"
    found = server.shell(f"grep --recursive --fixed-strings --files-with-matches {patterns} {places} || true")
    assert set(found.split()) == {"/etc/nginx/hubforge-channel.users", "/root/.netrc"}
    server.shell(f"{CONDA} remove --yes --quiet -n jupyterhubenv site-tool")


def secrets() -> list[str]:
    """The password: as it is, what stays of it in an address or in a quoted text, and in the header of HTTP."""
    header = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return [PASSWORD, "se%22cr", 'se\\"cr', header]


def test_a_login_that_stands_in_netrc_is_used(server: Container) -> None:
    quoted = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
    others = "default login nobody password x\n"
    server.run(
        "sh",
        "-c",
        "umask 077; cat >/root/.netrc",
        text=f'machine channel.test login {USER} password "{quoted}"\n{others}',
    )
    server.shell(f"{HUBCTL} channel set {PROTECTED} --ca /authority/ca.crt")
    assert made_from_the_channel(server, "site-tool")["url"] == f"{PROTECTED}/noarch/site-tool-1.0-0.conda"
    assert f"login: {USER}" in server.shell(f"{HUBCTL} channel show")


def test_a_password_in_the_address_is_taken_out_of_it(server: Container) -> None:
    encoded = "se%22cr%20et%5C%23%2541"
    address = PROTECTED.replace("//", f"//{USER}:{encoded}@")
    said = server.run(HUBCTL, "channel", "set", address, "--ca", "/authority/ca.crt")
    assert "command line" in said.stderr
    assert encoded not in said.stdout + said.stderr
    server.shell(f"! grep -r -e '{encoded}' {PREFIX}/condarc.d")
    assert made_from_the_channel(server, "site-tool")["url"].startswith(PROTECTED)


# ---- a server without network ----


def test_an_installer_becomes_the_servers_own_channel(server: Container) -> None:
    said = server.shell(f"{HUBCTL} channel add /dist/hub-installer.sh")
    assert f"install -n jupyterhubenv hubforge={releases(server)[0]}" in said
    assert made_from_the_channel(server, "six")["url"].startswith(f"file://{LOCAL}/")
    server.shell(f"! test -e {DROP_IN}")
    assert ".adding-" not in server.shell(f"ls -A {LOCAL}")


def test_a_tar_of_a_channel_joins_what_is_there_and_old_builds_stay(server: Container) -> None:
    server.shell(f"{HUBCTL} channel add /dist/hub-installer.sh; ls {LOCAL}/noarch >/tmp/before")
    before = releases(server)
    server.shell(f"tar -C /srv/www -cf /tmp/channel.tar hubforge; {HUBCTL} channel add /tmp/channel.tar")
    assert releases(server) == [*before, NEXT]
    server.shell(f"ls {LOCAL}/noarch >/tmp/after; ! comm -23 /tmp/before /tmp/after | grep .")
    assert made_from_the_channel(server, "site-tool")["url"] == f"file://{LOCAL}/noarch/site-tool-1.0-0.conda"


@pytest.mark.parametrize("given", ["hubforge", "hubforge.tar"])
def test_the_locks_of_a_channel_come_along(server: Container, given: str) -> None:
    server.shell("tar -C /srv/www -cf /tmp/hubforge.tar hubforge; ln -sfn /srv/www/hubforge /tmp/hubforge")
    said = server.shell(f"{HUBCTL} channel add /tmp/{given}")
    assert f"Locks of now are in {LOCAL}/locks" in said
    server.shell(f"diff -r /srv/www/hubforge/locks {LOCAL}/locks")
    again = server.shell(f"{HUBCTL} channel add /tmp/{given}")
    assert "0 packages added" in again
    assert "Locks" not in again


def test_the_lock_of_an_old_release_can_be_installed_without_network(server: Container) -> None:
    server.shell(f"{HUBCTL} channel add /srv/www/hubforge")
    create = f"{CONDA} create --yes --quiet -p /tmp/made --file {LOCAL}/locks/now/jupyterhubenv.explicit.txt"
    server.shell(f"CHANNEL_ROOT={LOCAL} CONDA_PKGS_DIRS=$(mktemp -d) {create}")
    made = json.loads(server.shell(f"{CONDA} list --json -p /tmp/made"))
    assert {p["name"]: f"{p['version']} {p['build_string']}" for p in made} == locks.read("jupyterhubenv")


def test_a_lock_is_not_rewritten(server: Container) -> None:
    server.shell(f"mkdir -p {LOCAL}/locks/now; echo another >{LOCAL}/locks/now/jupyterhubenv.explicit.txt")
    refused = server.run(HUBCTL, "channel", "add", "/srv/www/hubforge", check=False)
    assert refused.returncode == 1
    assert "locks/now/jupyterhubenv.explicit.txt is in" in refused.stderr
    assert server.shell(f"cat {LOCAL}/locks/now/*; find {LOCAL} -type f | wc -l") == "another\n1\n"


def test_single_packages_and_folders_of_them_can_be_added(server: Container) -> None:
    server.shell(f"{HUBCTL} channel add /dist/hub-installer.sh")
    server.shell("rm -rf /tmp/some; mkdir /tmp/some; cp /srv/www/hubforge/noarch/hubforge-2*.conda /tmp/some")
    assert "1 packages added" in server.shell(f"{HUBCTL} channel add /srv/www/hubforge/noarch/site-tool-1.0-0.conda")
    assert "1 packages added, 1 were there already" in server.shell(f"{HUBCTL} channel add /tmp/some")
    assert NEXT in releases(server)


def test_what_is_added_is_found_beside_a_web_server(server: Container) -> None:
    server.shell(f"{HUBCTL} channel set {URL} --ca /authority/ca.crt; {HUBCTL} channel add /dist/hub-installer.sh")
    shown = json.loads(server.shell(f"{HUBCTL} channel show --json"))
    assert shown["addresses"] == [URL, f"file://{LOCAL}"]
    assert NEXT in shown["releases"]


DAMAGES = {
    "a channel whose package is damaged": "cp -r /srv/www/hubforge G; echo x >>G/noarch/site-tool-1.0-0.conda",
    "a channel that lacks a package": "cp -r /srv/www/hubforge G; rm G/noarch/site-tool-1.0-0.conda",
    "half a tar file": "tar -C /srv/www -cf G.all hubforge; head -c 9000000 G.all >G.tar",
    "a damaged package": "mkdir G; cp /srv/www/hubforge/noarch/six-*.conda G; "
    "printf x | dd of=$(ls G/six*) bs=1 seek=9000 conv=notrunc",
    "another package under its name": "mkdir G; cp /srv/www/hubforge/noarch/six-*.conda G/site-tool-1.0-0.conda",
    "a package with another sum beside it": "mkdir G; cp /srv/www/hubforge/noarch/site-tool-1.0-0.conda G; "
    "sha256sum /etc/hosts >G/site-tool-1.0-0.conda.sha256",
    "half an installer": "head -c 50000000 /dist/hub-installer.sh >G.sh",
    "something else": "echo hello >G.txt",
}


@pytest.mark.parametrize("what", DAMAGES)
def test_what_is_damaged_is_refused_and_nothing_is_added(server: Container, what: str) -> None:
    given = f"rm -rf /tmp/given*; {DAMAGES[what].replace('G', '/tmp/given')}; ls -d /tmp/given* | tail -n 1"
    path = server.shell(f"{given} 2>/dev/null").splitlines()[-1]
    refused = server.run(HUBCTL, "channel", "add", path, check=False)
    assert refused.returncode == 1, refused.stdout
    assert refused.stderr.startswith("hubctl: ")
    assert "Traceback" not in refused.stderr
    assert server.shell(f"find {LOCAL} -type f") == ""


def test_a_published_package_is_not_replaced_by_another_of_its_name(server: Container, tmp_path: Path) -> None:
    rebuilt = condapkg.write(tmp_path, Index("site-tool", "1.0", "0", noarch="generic"), [], epoch=0)
    server.shell(
        f"{HUBCTL} channel add /srv/www/hubforge/noarch/site-tool-1.0-0.conda; sha256sum {LOCAL}/*/* >/tmp/sums"
    )
    subprocess.run(["docker", "cp", str(rebuilt), f"{server.id}:/tmp/site-tool-1.0-0.conda"], check=True)
    refused = server.run(HUBCTL, "channel", "add", "/tmp/site-tool-1.0-0.conda", check=False)
    assert refused.returncode == 1
    assert "noarch/site-tool-1.0-0.conda" in refused.stderr
    server.shell("sha256sum --check --quiet /tmp/sums")
