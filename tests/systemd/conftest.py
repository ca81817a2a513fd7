"""Servers whose first process is systemd. It mounts control groups for the whole machine: see docs/architecture.md."""

from tests.integration.conftest import installer, older, published

__all__ = ["installer", "older", "published"]
