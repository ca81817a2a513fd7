#!/bin/bash
set -euo pipefail
unpack-source
cd source
mkdir -p "$PREFIX/include" "$PREFIX/lib/pkgconfig"
cp -r src/liblzma/api/lzma src/liblzma/api/lzma.h "$PREFIX/include/"
ln -s liblzma.so.5 "$PREFIX/lib/liblzma.so"
sed -e "s|@prefix@|$PREFIX|; s|@exec_prefix@|\${prefix}|; s|@libdir@|\${prefix}/lib|; s|@includedir@|\${prefix}/include|" \
    -e "s|@PACKAGE_URL@||; s|@PACKAGE_VERSION@|$PKG_VERSION|; s|@PTHREAD_CFLAGS@|-pthread|; s|@LIBS@||" \
    src/liblzma/liblzma.pc.in >"$PREFIX/lib/pkgconfig/liblzma.pc"
if grep @ "$PREFIX/lib/pkgconfig/liblzma.pc"; then
    echo "liblzma.pc has a field that is not filled in" >&2
    exit 1
fi
