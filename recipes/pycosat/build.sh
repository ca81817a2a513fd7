#!/bin/bash
set -euo pipefail
unpack-source

# Python's own configuration names the server's compiler. pip is given the archive, not the folder: it would write the
# folder's path into the package.
export LDSHARED="$CC -shared $LDFLAGS" CFLAGS="$CFLAGS $CPPFLAGS"
python -m pip install --no-deps --no-build-isolation --no-compile --no-index --find-links upstream \
    --prefix "$PREFIX" "$PKG_NAME==$PKG_VERSION"
