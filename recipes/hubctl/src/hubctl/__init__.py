"""Hubforge's part of a hub: its settings, its JupyterHub configuration, its command line."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("hubctl")
except PackageNotFoundError:  # run from a checkout, where nothing is installed
    __version__ = "0+checkout"
