"""The step that has the PySpark kernels rendered."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from post_install.host import Host, Ran, StepError
from post_install.steps import s65_kernels as kernels

from .post_install_scratch import make_host


class Hubctl:
    """Answers in place of hubctl, and remembers how it was called."""

    def __init__(self, answer: Ran) -> None:
        self.answer = answer
        self.seen: list[str] = []

    def __call__(self, command: Sequence[str]) -> Ran:
        self.seen = list(command)
        return self.answer


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = make_host(tmp_path)
    made.at("/etc/jupyterhub").mkdir()
    made.at("/etc/jupyterhub/hub.yaml").write_text("spawner: docker\n")
    return made


def test_the_environments_own_hubctl_renders_below_the_root(host: Host) -> None:
    hubctl = host.run = Hubctl(Ran(0, "kernelspec pyspark-1g: new\nkernelspec pyspark-2g: new\n", ""))
    assert kernels.ensure(host) == ["kernelspec pyspark-1g: new", "kernelspec pyspark-2g: new"]
    assert hubctl.seen[0] == str(host.env / "bin" / "python")
    assert hubctl.seen[1:] == ["-I", "-B", "-m", "hubctl", "--root", str(host.root), "image", "kernels"]


def test_a_second_run_changes_nothing(host: Host) -> None:
    host.run = Hubctl(Ran(0, "nothing changed\n", ""))
    assert kernels.ensure(host) == []
    assert kernels.check(host) == []


def test_a_check_changes_nothing_and_names_what_is_missing(host: Host) -> None:
    hubctl = host.run = Hubctl(Ran(1, "kernelspec pyspark-1g: changed\n", ""))
    assert kernels.check(host) == ["kernelspec pyspark-1g: changed"]
    assert hubctl.seen[-1] == "--check"


def test_settings_that_cannot_be_read_are_told_in_hubctls_words(host: Host) -> None:
    host.run = Hubctl(Ran(1, "", "hubctl: hub.yaml:3: pyspark.master: expected text"))
    with pytest.raises(StepError, match="expected text"):
        kernels.check(host)
    with pytest.raises(StepError, match="expected text"):
        kernels.ensure(host)


def test_where_servers_are_processes_of_the_host_there_is_nothing_to_render(host: Host) -> None:
    assert kernels.STEP.unless(host) == ""
    host.at("/etc/jupyterhub/hub.yaml").write_text("spawner: local\n")
    assert kernels.STEP.unless(host) == "users' servers are no containers"
