"""The installer and what it installs, in bare containers without network and on this machine."""
