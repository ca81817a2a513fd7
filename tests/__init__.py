"""Tests: `unit` needs nothing, `server` our own packages, `integration` Docker and the installer, `e2e` a browser."""
