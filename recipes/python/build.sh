#!/bin/bash
set -euo pipefail
unpack-source
cd source

series=${PKG_VERSION%.*}
library=$PREFIX/lib/python$series
build=$PWD

# Its makefile compiles byte code three times while installing; here that is done once, below.
sed -i 's/^\t-PYTHONPATH=.*/\t: \\/' Makefile.pre.in

# Its own choice is -O3: CFLAGS would come after it. Modules that need what is not here (_tkinter, _gdbm) are left out
# by configure itself.
CXX=z++ CFLAGS="-g0 -fstack-protector-strong" ./configure --prefix="$PREFIX" \
    --with-openssl="$PREFIX" --with-tzpath="$PREFIX/share/zoneinfo" --with-computed-gotos --with-ensurepip=no \
    --enable-loadable-sqlite-extensions --without-static-libpython --disable-test-modules --with-dbmliborder=
unset CFLAGS CPPFLAGS LDFLAGS # configure has written them into the makefile, which would add these
make
make install

ln -s "python$series" "$PREFIX/bin/python"
ln -s "pydoc$series" "$PREFIX/bin/pydoc"
ln -s "python$series-config" "$PREFIX/bin/python-config"

# What needs Tk.
rm -rf "$library"/{idlelib,tkinter,turtledemo,turtle.py} "$PREFIX"/bin/idle*

# Extensions that pip compiles on a server are compiled by the server's compiler, and nothing there may look for the
# folder of this build.
configuration=("$library"/_sysconfigdata_*.py "$library"/config-*/Makefile "$library"/config-*/python-config.py
    "$PREFIX/bin/python$series-config" "$PREFIX"/lib/pkgconfig/python*.pc)
sed -i -E -e 's/\bz\+\+/g++/g; s/\bzcc\b/gcc/g; s/\bzranlib\b/ranlib/g; s/\bzar\b/ar/g' \
    -e "s|$build|/usr/src/python|g" "${configuration[@]}"
rm -f "$library"/config-*/{python.o,config.c,install-sh,makesetup,Setup*}

# unchecked-hash: an installation changes the time of files, and nothing is ever edited in place. The build's
# configuration is left out: it holds the prefix, which installing replaces in text but not in byte code.
export PYTHONDONTWRITEBYTECODE=1
find "$library" -name __pycache__ -prune -exec rm -r {} +
# One process: in several, what each of them has compiled before would decide the bytes.
"$PREFIX/bin/python" -m compileall -q --invalidation-mode unchecked-hash \
    -s "$PREFIX/" -x '/_sysconfigdata' "$library"
