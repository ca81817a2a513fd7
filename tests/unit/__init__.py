"""Tests that need no server, no root and no network."""
