#!/bin/bash
set -euo pipefail
unpack-source
cd source
make -f main.mk TOP=. BCC="$CC_FOR_BUILD" TCC="$CC" shell.c
mkdir -p "$PREFIX/bin"
# shellcheck disable=SC2086  # flags are words
"$CC" $CFLAGS $CPPFLAGS -DHAVE_READLINE=1 -DSQLITE_ENABLE_FTS5=1 -DSQLITE_ENABLE_DBSTAT_VTAB=1 \
    shell.c $LDFLAGS -lsqlite3 -lreadline -lm -o "$PREFIX/bin/sqlite3"
