"""Only the version stands here: the release's, which the build knows."""

import os

from setuptools import setup

setup(version=os.environ.get("PKG_VERSION", "0"))
