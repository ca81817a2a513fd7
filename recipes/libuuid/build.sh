#!/bin/bash
set -euo pipefail
unpack-source
cd source
./configure --prefix="$PREFIX" --disable-all-programs --enable-libuuid \
    --disable-static --disable-nls --disable-asciidoc --without-ncurses --without-python
make
make install-exec install-data
rm -rf "$PREFIX"/lib/*.la "$PREFIX/share"
