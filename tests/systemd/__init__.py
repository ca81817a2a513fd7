"""Servers whose first process is systemd, in containers without network."""
