#!/bin/bash
set -euo pipefail
unpack-source
cd source
autoreconf --install # the archive comes without a configure script
./configure --prefix="$PREFIX" --disable-static --disable-docs --disable-multi-os-directory \
    --host=x86_64-conda-linux-gnu --build=x86_64-pc-linux-gnu
make
make install
rm "$PREFIX"/lib/*.la
