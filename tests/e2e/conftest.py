"""Fixtures of the built product."""

from tests.e2e.browser import browser, page
from tests.product import bare, channel, installer, notebook_image, prefix

__all__ = ["bare", "browser", "channel", "installer", "notebook_image", "page", "prefix"]
