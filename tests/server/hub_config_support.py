"""Settings and a server's files, for tests of what the hub is told; no Docker Engine is asked."""

import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from conftest import self_signed
from hubctl import containers, hubaddress, kernels
from hubctl.layout import Layout
from hubctl.settings import Settings

ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture(name="layout")
def scratch_layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    for path in ("etc/jupyterhub/ssl", "etc/jupyterhub/jupyterhub_config.d", "var/lib/jupyterhub"):
        (tmp_path / path).mkdir(parents=True)
    self_signed(tmp_path / "etc/jupyterhub/ssl")
    return layout


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Docker Engine is asked, and the tests' own environment stays as it is."""
    monkeypatch.setattr(hubaddress, "bridge", lambda: ("172.17.0.0/16", "172.17.0.1"))
    monkeypatch.setattr(kernels, "mounts", lambda settings, layout, image: {})
    monkeypatch.setattr(containers, "_skipped", set())
    for name in ("PATH", "NODE_OPTIONS", "HUBFORGE_SERVERS", "HUBFORGE_GUARDED"):
        monkeypatch.setenv(name, os.environ.get(name, ""))


def settings(**values: Any) -> Settings:
    return Settings.model_validate(values)
