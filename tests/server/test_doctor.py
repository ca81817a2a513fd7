"""`hubctl doctor`: what it says of a server, whoever checks the passwords there."""

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import docker
import pytest
from conftest import HubUser, ServerRoot
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hubctl import images
from hubctl.doctor import examination, machine
from hubctl.doctor.examination import examine
from hubctl.doctor.finding import Finding
from hubctl.errors import HubError
from hubctl.layout import Layout
from spawn_support import docker_settings, open_folder, running_hub

pytest_plugins = ["docker_support"]

Told = dict[str, str]


def doctor(root: ServerRoot) -> tuple[list[Told], subprocess.CompletedProcess[str]]:
    done = root.hubctl("doctor", "--json")
    assert done.stderr == ""
    return json.loads(done.stdout), done


def about(root: ServerRoot, name: str) -> Told:
    """The only thing that is told of a subject."""
    (told,) = [entry for entry in doctor(root)[0] if entry["name"] == name]
    return told


def certify(root: ServerRoot, days: float) -> None:
    """A certificate that ends in so many days."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    dates = builder.not_valid_before(now - timedelta(days=100)).not_valid_after(now + timedelta(days=days))
    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in (socket.gethostname(), "localhost")])
    named = dates.add_extension(names, critical=False)
    root.certificate.write_bytes(named.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    form = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    root.certificate.with_name("hub.key").write_bytes(key.private_bytes(*form))


def test_server_without_faults_exits_with_0(server_root: ServerRoot) -> None:
    certify(server_root, 300.5)
    told, done = doctor(server_root)
    assert done.returncode == 0
    names = ["settings", "processes", "python", "database", "certificate", "disk"]
    names += ["permissions", "installation", "glibc"]
    assert [(entry["name"], entry["state"]) for entry in told] == [(name, "ok") for name in names]
    assert "300 days left" in told[4]["found"]


def test_who_is_not_root_reads_what_only_root_can_look_at_and_not_that_it_is_broken(server_root: ServerRoot) -> None:
    """The server is root's, as servers are, and in order."""
    layout = Layout(server_root.path)
    keytab = layout.below("/etc/krb5.keytab")
    server_root.settings.write_text("auth: kerberos\nkerberos: {realm: EXAMPLE.ORG}\nspawner: local\n")
    keytab.write_bytes(b"\5\2")
    keytab.chmod(0o600)
    layout.tickets.mkdir(parents=True)
    layout.tickets.chmod(0o711)
    for path in (server_root.path, *server_root.path.rglob("*")):
        os.chown(path, 0, 0)
    done = server_root.hubctl_as(HubUser("daemon", 1, 1), "doctor", "--json")
    told = [(entry["name"], entry["found"], entry["mend"]) for entry in json.loads(done.stdout)]
    assert (done.returncode, done.stderr) == (1, "")
    mend = "run this as root, or as the user that the hub runs as"
    for name, path in (("database", layout.database), ("keytab", keytab), ("tickets", layout.tickets)):
        assert (name, f"{path} can't be looked at without root's rights", mend) in told
    assert ("certificate", f"{server_root.certificate} can't be read: Permission denied", "run this as root") in told
    assert [entry for entry in told if "Errno" in entry[1] or (entry[0] == "tickets" and "nobody" in entry[1])] == []


def test_people_read_a_line_for_what_was_found_and_one_for_the_mend(server_root: ServerRoot) -> None:
    certify(server_root, 2.5)
    done = server_root.hubctl("doctor")
    lines = done.stdout.splitlines()
    assert lines[0] == f"ok       settings: {server_root.settings} is in order"
    assert lines[4] == f"warning  certificate: {server_root.certificate} has 2 days left"
    assert lines[5].startswith("         mend: `hubctl cert install KEY CERT` puts another pair in its place")
    assert done.returncode == 0  # users can work


def test_mistakes_in_the_settings_are_told_with_their_lines(server_root: ServerRoot) -> None:
    server_root.settings.write_text("auth: magic\nprot: 8000\n")
    told, done = doctor(server_root)
    assert done.returncode == 1
    others = ["python", "database", "permissions", "installation", "glibc"]  # have nothing to do with them
    assert [(entry["name"], entry["state"]) for entry in told] == [("settings", "fault"), *((o, "ok") for o in others)]
    assert f"{server_root.settings}:1: auth: expected" in told[0]["found"]
    assert f"{server_root.settings}:2: prot: unknown key, did you mean port?" in told[0]["found"]
    assert told[0]["mend"]


def test_certificate_that_has_expired_is_a_fault(server_root: ServerRoot) -> None:
    certify(server_root, -3.5)
    found = about(server_root, "certificate")
    assert found["state"] == "fault"
    assert "expired" in found["found"]
    assert server_root.hubctl("doctor").returncode == 1


def test_missing_certificate_is_a_fault(server_root: ServerRoot) -> None:
    server_root.certificate.unlink()
    found = about(server_root, "certificate")
    assert (found["state"], found["mend"]) == ("fault", "`hubctl setup` makes it")


@pytest.fixture
def docker_root(server_root: ServerRoot) -> ServerRoot:
    server_root.settings.write_text("auth: shared-password\nspawner: docker\n")
    return server_root


def in_process(root: ServerRoot, name: str) -> list[str]:
    """States that this process, which may ask Docker, finds."""
    return [finding.state for told, finding in examine(Layout(root.path)) if told == name]


def test_docker_that_answers_is_in_order(docker_root: ServerRoot, engine: docker.APIClient) -> None:
    assert in_process(docker_root, "docker") == ["ok"]


def test_docker_that_does_not_answer_is_a_fault(
    docker_root: ServerRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    assert in_process(docker_root, "docker") == ["fault"]
    with pytest.raises(HubError, match=r"^Docker does not answer \(No such file or directory\)"), images.engine():
        pass


@pytest.mark.parametrize(("mode", "told"), [(0o666, 1), (0o662, 1), (0o660, 0)])
def test_a_socket_of_docker_that_everybody_may_write_to_is_a_fault(
    docker_root: ServerRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, told: int
) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
        path.chmod(mode)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        found = [finding for name, finding in examine(Layout(docker_root.path)) if name == "docker"]
    everybody = [finding for finding in found if "everybody" in finding.found]
    assert len(everybody) == told
    for finding in everybody:
        assert finding.state == "fault"
        assert finding.found.startswith(f"{path} lets everybody on this host be root (mode {mode:04o})")
        assert finding.mend.startswith(f"chmod o-rwx {path}")


def test_docker_is_not_looked_at_where_it_is_not_used(
    server_root: ServerRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    assert in_process(server_root, "docker") == []


@pytest.fixture
def offer(docker_root: ServerRoot, engine: docker.APIClient) -> Iterator[Callable[[str, str], None]]:
    """Lets users choose an image that says of itself what the test wants; Docker has it, where that is anything."""
    made = []

    def offer(image: str, label: str) -> None:
        text = docker_root.settings.read_text()
        entry = f"    - {{name: {image}, image: {image}}}\n"
        docker_root.settings.write_text(text + ("" if "images:" in text else "docker:\n  images:\n") + entry)
        if label:
            engine.import_image_from_data(b"\0" * 10240, repository=image, changes=[f"LABEL {label}"])
            made.append(image)

    yield offer
    for image in made:
        engine.remove_image(image)


def test_an_image_is_missed_that_users_can_choose(docker_root: ServerRoot, offer: Callable[[str, str], None]) -> None:
    offer("hubforge-test-missing", "")
    assert in_process(docker_root, "images") == ["fault"]


def test_an_image_has_to_fit_the_hub(docker_root: ServerRoot, offer: Callable[[str, str], None]) -> None:
    offer("hubforge-test-fits", f"hubforge.jupyterhub={version('jupyterhub')}")
    assert in_process(docker_root, "images") == ["ok"]
    offer("hubforge-test-old", "hubforge.jupyterhub=1.5.1")
    offer("hubforge-test-other", "hubforge.jupyterhub=")
    offer("hubforge-test-unknown", "maker=nobody")
    offer("hubforge-test-missing", "")
    assert in_process(docker_root, "images") == ["ok", "fault", "fault", "warning", "warning"]


@pytest.mark.parametrize(("there", "state"), [(True, "ok"), (False, "warning")])
def test_pam_service_of_the_hub_is_missed(server_root: ServerRoot, there: bool, state: str) -> None:
    server_root.settings.write_text("auth: pam\n")
    if there:
        (server_root.path / "etc/pam.d").mkdir()
        (server_root.path / "etc/pam.d/jupyterhub").touch()
    assert about(server_root, "pam")["state"] == state


@pytest.mark.parametrize(
    ("settings", "state", "found"),
    [
        ("group_limits: [{group: deamon, memory: 2g}, {group: daemon, cpu: 1}]", "warning", "group_limits names"),
        ("admin_groups: [deamon]", "warning", "admin_groups names"),
        ("allowed_groups: [daemon, deamon]", "warning", "allowed_groups names"),
        ("allowed_groups: [deamon]", "fault", "nobody can log in"),
    ],
)
def test_group_that_the_host_does_not_know_is_named_with_the_one_that_may_be_meant(
    server_root: ServerRoot, settings: str, state: str, found: str
) -> None:
    allowed = "" if "allowed_groups" in settings else "allowed_groups: [daemon]\n"
    server_root.settings.write_text(f"auth: pam\n{allowed}{settings}\n")
    told = about(server_root, "groups")
    assert told["state"] == state
    assert "the group deamon, which this host does not know" in told["found"]
    assert found in told["found"]
    key = settings.partition(":")[0]
    assert told["mend"].startswith(f"correct `{key}` in hub.yaml (did you mean daemon?), or make the group: `groupadd")


def test_groups_that_the_host_knows_are_in_order(server_root: ServerRoot) -> None:
    server_root.settings.write_text("auth: pam\nallowed_groups: [daemon]\ngroup_limits: [{group: bin, memory: 2g}]\n")
    assert about(server_root, "groups")["state"] == "ok"


def test_names_of_a_shared_password_are_in_no_group_and_none_is_looked_at(server_root: ServerRoot) -> None:
    server_root.settings.write_text("auth: shared-password\ngroup_limits: [{group: deamon, memory: 2g}]\n")
    assert "groups" not in [entry["name"] for entry in doctor(server_root)[0]]


def test_a_check_that_fails_itself_says_so_and_the_others_go_on(
    server_root: ServerRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Iterator[Finding]:
        raise ValueError("no such\n  number")

    checks = [examination.Check("first", broken), examination.Check("second", machine.disk)]
    monkeypatch.setattr(examination, "CHECKS", checks)
    _, (name, failed), (following, _), *_ = examine(Layout(server_root.path))
    assert (name, failed.state) == ("first", "fault")
    assert failed.found == "this could not be looked at: ValueError: no such number"
    assert following == "second"


def test_a_hub_on_dockers_bridge_is_asked_where_containers_reach_it(engine: docker.APIClient, image: str) -> None:
    with open_folder() as folder, running_hub(folder / "root", engine, docker_settings("bridge")) as hub:
        assert about(hub.root, "answer") == {
            "name": "answer",
            "state": "ok",
            "found": f"the hub answers at {hub.root.url}, through its proxy",
            "mend": "",
        }
