#!/bin/bash
set -euo pipefail
unpack-source
cd source
./configure --prefix="$PREFIX" --disable-static --disable-doc --disable-nls --disable-rpath \
    --disable-xz --disable-xzdec --disable-lzmadec --disable-lzmainfo --disable-scripts
make -C src/liblzma
make -C src/liblzma install
rm "$PREFIX"/lib/*.la
