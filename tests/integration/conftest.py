"""Fixtures of the built product."""

from tests.product import bare, channel, installer, notebook_image, prefix

__all__ = ["bare", "channel", "installer", "notebook_image", "prefix"]
