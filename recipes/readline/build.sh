#!/bin/bash
set -euo pipefail
unpack-source
cd source

# The library names the terminal library itself, so that what is linked with it does not have to.
bash_cv_termcap_lib=libtinfo ./configure --prefix="$PREFIX" --disable-static --disable-install-examples --with-curses
make SHLIB_LIBS="-L$PREFIX/lib -ltinfow"
make install SHLIB_LIBS="-L$PREFIX/lib -ltinfow"
sed -i 's/^Requires.private: .*/Requires.private: tinfow/' "$PREFIX/lib/pkgconfig/readline.pc"
rm -rf "${PREFIX:?}"/bin "${PREFIX:?}"/share
