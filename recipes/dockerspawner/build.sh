#!/bin/sh
set -eu
# Byte code is written once, at the end, by finish-package.
export PYTHONDONTWRITEBYTECODE=1
"$PREFIX/bin/python" "$RECIPE_DIR/build.py" "$PKG_VERSION"
finish-package dockerspawner "$PKG_VERSION"
