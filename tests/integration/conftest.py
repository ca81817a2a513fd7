"""Fixtures of the built product."""

from tests.product import bare, channel, installer, prefix

__all__ = ["bare", "channel", "installer", "prefix"]
