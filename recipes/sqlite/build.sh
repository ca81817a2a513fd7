#!/bin/bash
set -euo pipefail
unpack-source
cd source

# The library as one file, made by the makefile that needs no configuration, and compiled once.
make -f main.mk TOP=. BCC="$CC_FOR_BUILD" TCC="$CC" sqlite3.c

# What conda-forge's library has, so that one can take the other's place.
options=(
    -DHAVE_FDATASYNC=1 -DHAVE_GMTIME_R=1 -DHAVE_ISNAN=1 -DHAVE_LOCALTIME_R=1 -DHAVE_STRCHRNUL=1 -DHAVE_USLEEP=1
    -DSQLITE_ENABLE_COLUMN_METADATA=1 -DSQLITE_ENABLE_DBSTAT_VTAB=1 -DSQLITE_ENABLE_FTS3=1
    -DSQLITE_ENABLE_FTS3_TOKENIZER=1 -DSQLITE_ENABLE_FTS4=1 -DSQLITE_ENABLE_FTS5=1 -DSQLITE_ENABLE_GEOPOLY=1
    -DSQLITE_ENABLE_MATH_FUNCTIONS=1 -DSQLITE_ENABLE_RTREE=1 -DSQLITE_ENABLE_UNLOCK_NOTIFY=1
    -DSQLITE_MAX_EXPR_DEPTH=10000 -DSQLITE_MAX_VARIABLE_NUMBER=250000 -DSQLITE_SECURE_DELETE=1 -DSQLITE_THREADSAFE=1
)
mkdir -p "$PREFIX"/{include,lib/pkgconfig}
# shellcheck disable=SC2086  # flags are words
"$CC" $CFLAGS "${options[@]}" -shared -Wl,-soname,libsqlite3.so.0 sqlite3.c $LDFLAGS -lm -ldl -lpthread \
    -o "$PREFIX/lib/libsqlite3.so.$PKG_VERSION"
ln -s "libsqlite3.so.$PKG_VERSION" "$PREFIX/lib/libsqlite3.so.0"
ln -s "libsqlite3.so.$PKG_VERSION" "$PREFIX/lib/libsqlite3.so"
install -m 644 sqlite3.h sqlite3ext.h "$PREFIX/include/"
sed -e "s|@prefix@|$PREFIX|; s|@exec_prefix@|\${prefix}|; s|@libdir@|\${prefix}/lib|; s|@includedir@|\${prefix}/include|" \
    -e "s|@PACKAGE_VERSION@|$PKG_VERSION|; s|@LIBS@|-lm -ldl -lpthread|" \
    sqlite3.pc.in >"$PREFIX/lib/pkgconfig/sqlite3.pc"
