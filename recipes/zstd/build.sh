#!/bin/bash
set -euo pipefail
unpack-source
cd source

# Old formats are not read, and the xz, gzip and lz4 formats are left to their own tools.
common=(PREFIX="$PREFIX" ZSTD_LEGACY_SUPPORT=0)
make -C lib "${common[@]}" libzstd
make -C lib "${common[@]}" install-pc install-includes install-shared
make -C programs "${common[@]}" HAVE_ZLIB=0 HAVE_LZMA=0 HAVE_LZ4=0 zstd-dll
install -D -m 755 programs/zstd "$PREFIX/bin/zstd"
ln -s zstd "$PREFIX/bin/unzstd"
ln -s zstd "$PREFIX/bin/zstdcat"
ln -s zstd "$PREFIX/bin/zstdmt"
