#!/bin/bash
set -euo pipefail
unpack-source
cd source
patch --strip=1 --batch <"$RECIPE_DIR/patches/0001-find-directories-from-where-the-library-is.patch"

# The engines and algorithms that are left out need hardware or licences that nobody here has; the interface of the
# libraries stays whole.
./Configure linux-x86_64 \
    --prefix="$PREFIX" --libdir=lib --openssldir="$PREFIX/ssl" \
    shared threads enable-ktls no-docs no-tests no-zlib no-afalgeng no-capieng no-loadereng no-padlockeng

# Only what is shared is compiled: the static libraries would double the time.
make LIBS= INSTALL_LIBS= build_sw
make LIBS= INSTALL_LIBS= install_sw install_ssldirs
