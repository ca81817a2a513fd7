#!/bin/bash
set -euo pipefail
unpack-source
cd source
CHOST=x86_64-linux-gnu ./configure --prefix="$PREFIX" --shared
make install
rm "$PREFIX/lib/libz.a"
