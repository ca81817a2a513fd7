"""A bare server without network after `bash hub-installer.sh -b`: the same on an older and a newer glibc."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge.paths import ROOT
from post_install.host import PREFIX_FILE
from post_install.record import HOST_RECORD
from post_install.steps import STEPS, s20_folders, s30_shared, s40_tls, s50_settings, s60_prefix, s70_secrets, s80_pam
from tests.containers import Container
from tests.product import CONSTRUCTOR, ENVIRONMENT, PREFIX
from tests.waiting import wait_for

LOGIN = Path(__file__).parent.parent / "login.py"

MODES = {
    "/etc/jupyterhub": "root root 755",
    "/etc/jupyterhub/hub.yaml": "root root 640",
    "/etc/jupyterhub/jupyterhub_config.d": "root root 755",
    "/etc/jupyterhub/ssl": "root root 700",
    "/etc/jupyterhub/ssl/hub.key": "root root 600",
    "/etc/jupyterhub/ssl/hub.crt": "root root 600",
    "/var/lib/jupyterhub": "root root 700",
    "/var/lib/jupyterhub/cookie_secret": "root root 600",
    "/var/lib/jupyterhub/proxy_token": "root root 600",
    "/var/lib/jupyterhub/installed.json": "root root 644",
    "/var/lib/jupyterhub/prefix": "root root 644",
    "/var/log/jupyterhub": "root root 750",
    "/shared/jupyterhub": "root jupyterhub 2775",
    "/etc/pam.d/jupyterhub": "root root 644",
    f"{ENVIRONMENT}/jupyterhub_config.py": "root root 644",
}
TRIAL_MODES = {"/var/lib/jupyterhub/shared_password": "root root 600"}
"""What `auth: shared-password` needs beside it."""
RUNNING_MODES = {
    "/var/lib/jupyterhub/hubctl_token": "root root 600",
    "/run/jupyterhub": "root root 755",
    "/run/jupyterhub/servers": "root root 700",
    "/run/jupyterhub/ipc": "root root 711",
}
"""What is there once somebody's server runs."""

HOST_PLACES = "/etc /shared /var/lib/jupyterhub /var/log"


@pytest.fixture(scope="module")
def hub(bare: Container) -> Iterator[Container]:
    """The server with a running hub, and the account alice, who may log in."""
    bare.shell("useradd -m -s /bin/bash -G jupyterhub alice; echo alice:correct-horse | chpasswd")
    bare.run("sh", "-c", "cat > /tmp/login.py", text=LOGIN.read_text())
    bare.shell(f"{ENVIRONMENT}/bin/hubctl start")
    yield bare
    bare.shell(f"{ENVIRONMENT}/bin/hubctl stop")


def is_ours(server: Container) -> bool:
    """Whether our installer knows the prefix; what it knows lies in ``.hubforge``."""
    return server.run("test", "-e", f"{PREFIX}/.hubforge/installed.json", check=False).returncode == 0


@pytest.fixture
def ours(bare: Container) -> Container:
    """The server, where `-u` has taken over what another installer has made."""
    if not is_ours(bare):
        bare.shell("bash /dist/hub-installer.sh -b -u")
    return bare


def content(server: Container) -> set[str]:
    """A line for every file of the prefix, what our installer knows aside."""
    command = f"find {PREFIX} -path {PREFIX}/.hubforge -prune -o -not -type d -printf '%p\\t%m %u:%g %s %l\\n'"
    return set(server.shell(command).splitlines())


def changed_by_the_installer(server: Container) -> set[str]:
    """The files that the same release's `-u` has changed, in the prefix and on the host, its log aside."""
    before = content(server)
    # constructor's installer has no such log
    server.shell("touch -a /var/log/hubforge-install.log; touch /tmp/before")
    said = server.shell("bash /dist/hub-installer.sh -b -u")
    assert "nothing changed" in said.splitlines()
    on_the_host = server.shell(f"find {HOST_PLACES} -cnewer /tmp/before -not -name hubforge-install.log").splitlines()
    return {line.partition("\t")[0] for line in before ^ content(server)} | set(on_the_host)


def modes(server: Container, paths: list[str]) -> dict[str, str]:
    """Owner, group and mode of each."""
    found = server.shell(f"stat -c '%n %U %G %a' {' '.join(paths)}").splitlines()
    return dict(line.split(" ", 1) for line in found)


@pytest.mark.parametrize("command", ["jupyterhub -h", "configurable-http-proxy -h", "hubctl --help", "klist -V"])
def test_the_hubs_commands_answer(bare: Container, command: str) -> None:
    assert bare.shell(f"{ENVIRONMENT}/bin/{command} 2>&1")


def test_nohup_jupyterhub_in_any_folder_starts_this_servers_hub(bare: Container) -> None:
    """As README has it, without `-f`; who has typed it for years stood in the environment's folder."""
    typed = "conda activate jupyterhubenv\nnohup jupyterhub >>/var/log/jupyterhub/nohup.log 2>&1 &\n"
    assert typed in (ROOT / "README.md").read_text()
    bare.run("bash", "-c", f". {PREFIX}/etc/profile.d/conda.sh\ncd /srv\n{typed}")
    status = f"{ENVIRONMENT}/bin/hubctl status"
    try:
        wait_for("the hub", lambda: bare.run("sh", "-c", status, check=False).returncode == 0)
    finally:
        bare.shell(f"{ENVIRONMENT}/bin/hubctl stop; cat /var/log/jupyterhub/nohup.log")
    assert bare.shell("find /srv -name 'jupyterhub*' -not -path '/srv/trial/*' -not -path '/srv/conda/*'") == ""


def test_conda_knows_the_internal_channel_and_no_other(bare: Container) -> None:
    info = json.loads(bare.shell(f"{PREFIX}/bin/conda info --json"))
    assert info["root_prefix"] == PREFIX
    assert info["conda_version"] == "24.7.1"
    assert info["channels"] == ["file:///srv/conda/hubforge/linux-64", "file:///srv/conda/hubforge/noarch"]
    assert f"{PREFIX}/envs/jupyterhubenv" in info["envs"]


@pytest.mark.parametrize("environment", ["base", "jupyterhubenv"])
def test_conda_list_shows_every_package_of_the_lock(bare: Container, environment: str) -> None:
    from forge import locks

    listed = json.loads(bare.shell(f"{PREFIX}/bin/conda list --json -n {environment}"))
    assert {p["name"]: f"{p['version']} {p['build_string']}" for p in listed} == locks.read(environment)


@pytest.mark.parametrize("prefix", [PREFIX, ENVIRONMENT])
def test_pip_finds_nothing_missing_and_nothing_in_conflict(bare: Container, prefix: str) -> None:
    assert bare.shell(f"{prefix}/bin/python -m pip check").strip() == "No broken requirements found."


def test_an_environment_can_be_made_offline_from_the_extracted_channel(bare: Container) -> None:
    """From nothing but the channel: what the installer has unpacked is away."""
    bare.shell("bash /dist/hub-installer.sh --extract-channel /srv/conda/hubforge")
    bare.shell(f"mv {PREFIX}/pkgs {PREFIX}/away")
    create = f"{PREFIX}/bin/conda create --offline --yes --quiet -p /tmp/made python=3.13 requests"
    try:
        bare.shell(f"CONDA_PKGS_DIRS=/tmp/pkgs {create}")
    finally:
        bare.shell(f"rm -rf {PREFIX}/pkgs; mv {PREFIX}/away {PREFIX}/pkgs")
    assert bare.shell("/tmp/made/bin/python -c 'import requests; print(requests.__name__)'") == "requests\n"


def test_every_folder_and_secret_has_its_owner_and_mode(bare: Container) -> None:
    assert modes(bare, list(MODES)) == MODES


def test_a_shared_password_is_roots_alone(bare: Container) -> None:
    bare.shell(f"{ENVIRONMENT}/bin/hubctl --root /srv/trial setup --auth shared-password --spawner local")
    found = modes(bare, [f"/srv/trial{path}" for path in TRIAL_MODES])
    assert {path.removeprefix("/srv/trial"): mode for path, mode in found.items()} == TRIAL_MODES


def test_no_place_of_the_host_steps_is_left_out_above() -> None:
    folders = [folder.path for folder in (*s20_folders.FOLDERS, s30_shared.NEW)]
    secrets = [secret.path for secret in s70_secrets.SECRETS]
    files = [s40_tls.KEY, s40_tls.CERTIFICATE, s50_settings.PATH, s80_pam.PATH, HOST_RECORD, PREFIX_FILE]
    assert {*folders, *secrets, *files, f"{ENVIRONMENT}/{s60_prefix.NAME}"} == MODES.keys() | TRIAL_MODES.keys()


def test_a_second_run_of_the_host_steps_changes_nothing(bare: Container) -> None:
    bare.shell("touch /tmp/before")
    report = bare.shell(f"{ENVIRONMENT}/bin/hubctl setup").splitlines()
    assert report[-1] == "nothing changed"
    assert [line.partition(": ")[0] for line in report[:-1]] == [step.name for step in STEPS]
    assert all(line.endswith(": ok") or ": skipped: " in line for line in report[:-1])
    assert bare.shell(f"find {HOST_PLACES} {PREFIX} -cnewer /tmp/before") == ""
    bare.shell(f"{ENVIRONMENT}/bin/hubctl setup --check")


@pytest.mark.parametrize("bare", [pytest.param(CONSTRUCTOR, marks=pytest.mark.constructor)], indirect=True)
def test_taking_over_constructors_installation_only_notes_where_packages_came_from(bare: Container) -> None:
    assert not is_ours(bare)
    packages = bare.shell(f"ls -d {PREFIX}/pkgs/*/info").split()
    # our own note, and conda's, in which constructor has the channel's address with the subdir
    notes = ("hubforge-sha256", "repodata_record.json")
    assert changed_by_the_installer(bare) == {f"{package}/{note}" for package in packages for note in notes}
    assert is_ours(bare)


def test_the_same_installer_once_more_changes_nothing(ours: Container) -> None:
    assert changed_by_the_installer(ours) == set()


def test_without_root_the_host_steps_are_skipped_and_said(bare: Container) -> None:
    as_nobody = "setpriv --reuid=nobody --regid=nogroup --clear-groups"
    report = bare.shell(f"{as_nobody} {ENVIRONMENT}/bin/hubctl setup").splitlines()
    skipped = [line for line in report if line.endswith(": skipped: needs root")]
    assert [line.partition(":")[0] for line in skipped] == [
        "group", "folders", "shared", "tls", "settings", "kernels", "secrets", "pam", "service", "logrotate",
    ]  # fmt: skip
    assert report[-1] == "nothing changed"


def test_the_installer_leaves_an_existing_prefix_alone(bare: Container) -> None:
    before = bare.shell(f"find {PREFIX} -newermt @0 -printf '%p %T@\\n' | sort | sha256sum")
    refused = bare.run("bash", "/dist/hub-installer.sh", "-b", check=False)
    assert refused.returncode == 1
    assert PREFIX in refused.stderr
    assert bare.shell(f"find {PREFIX} -newermt @0 -printf '%p %T@\\n' | sort | sha256sum") == before


def test_openssl_finds_the_prefixs_certificates_with_an_empty_environment(bare: Container) -> None:
    script = "import ssl; print(ssl.create_default_context().cert_store_stats()['x509_ca'])"
    found = bare.run("env", "-i", f"{ENVIRONMENT}/bin/python", "-c", script).stdout
    assert int(found) > 100


def test_a_user_logs_in_and_reaches_jupyterlab(hub: Container) -> None:
    log_in = (f"{ENVIRONMENT}/bin/python", "/tmp/login.py", "https://localhost:8000", "alice")
    wrong = hub.run(*log_in, text="wrong\n", check=False)
    assert wrong.returncode == 1
    assert "refused" in wrong.stderr
    assert hub.run(*log_in, text="correct-horse\n").stdout.startswith("2.")
    assert hub.shell("find /proc -maxdepth 1 -user alice"), "her server runs as herself"
    assert "correct-horse" not in hub.shell("cat /var/log/jupyterhub/jupyterhub.log")
    assert modes(hub, list(RUNNING_MODES)) == RUNNING_MODES
    sockets = f"/run/jupyterhub/ipc/{hub.shell('id -u alice').strip()}"
    assert modes(hub, [sockets]) == {sockets: "alice alice 700"}
