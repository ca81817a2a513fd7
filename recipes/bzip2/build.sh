#!/bin/bash
set -euo pipefail
unpack-source
cd source

# Its makefiles know no LDFLAGS for the library, and have no target that installs it.
# shellcheck disable=SC2016  # make expands it
sed -i 's/ -shared / $(LDFLAGS)&/' Makefile-libbz2_so
make -f Makefile-libbz2_so CC="$CC" CFLAGS="$CFLAGS -D_FILE_OFFSET_BITS=64" LDFLAGS="$LDFLAGS"
library=$(echo libbz2.so.1.0.?)

# bzip2 itself is linked with the library: the makefile's own target is a static one.
# shellcheck disable=SC2086  # flags are words
"$CC" $CFLAGS -D_FILE_OFFSET_BITS=64 bzip2.c "$library" $LDFLAGS -o bzip2

install -D -m 755 bzip2 "$PREFIX/bin/bzip2"
ln -s bzip2 "$PREFIX/bin/bunzip2"
ln -s bzip2 "$PREFIX/bin/bzcat"
install -D -m 755 "$library" "$PREFIX/lib/$library"
ln -s "$library" "$PREFIX/lib/libbz2.so.1.0"
ln -s "$library" "$PREFIX/lib/libbz2.so"
install -D -m 644 bzlib.h "$PREFIX/include/bzlib.h"
install -D -m 644 /dev/stdin "$PREFIX/lib/pkgconfig/bzip2.pc" <<PC
prefix=$PREFIX
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: bzip2
Description: $PKG_NAME
Version: $PKG_VERSION
Libs: -L\${libdir} -lbz2
Cflags: -I\${includedir}
PC
