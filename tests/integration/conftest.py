"""Fixtures of the built product, and of the release before it."""

from pathlib import Path

import pytest

from tests import newer_release, older_release
from tests.product import bare, channel, installer, notebook_image, prefix

pytest.register_assert_rewrite("tests.integration.upgrade_support")

__all__ = ["bare", "channel", "installer", "notebook_image", "older", "prefix", "published"]


@pytest.fixture(scope="session")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installer of the release before."""
    return older_release.older_installer(tmp_path_factory.mktemp("older"))


@pytest.fixture(scope="session")
def published(older: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A channel of that release, the one that is built, and those after it."""
    return newer_release.publish(tmp_path_factory.mktemp("newer"), older)
