"""Fixtures of the built product, and of the release before it."""

from pathlib import Path

import pytest

from tests import older_release
from tests.product import bare, channel, installer, notebook_image, prefix

__all__ = ["bare", "channel", "installer", "notebook_image", "older", "prefix"]


@pytest.fixture(scope="session")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installer of the release before."""
    return older_release.older_installer(tmp_path_factory.mktemp("older"))
