#!/bin/sh
# What build scripts read. Sourced when the build environment is activated.
export CC=zcc AR=zar RANLIB=zranlib STRIP=strip
# No recipe is C++, and a configure script that looks for it anyway would make zig compile the C++ library first, which
# takes a minute. A recipe that is says CXX=z++.
export CXX=no
export CFLAGS="-O2 -g0 -fPIC -fstack-protector-strong" CXXFLAGS="-O2 -g0 -fPIC -fstack-protector-strong"
export CPPFLAGS="-I${PREFIX}/include"
# The absolute run path is what programs need while they are built; packaging turns it into $ORIGIN/../lib.
export LDFLAGS="-L${PREFIX}/lib -Wl,-rpath,${PREFIX}/lib"
# Build tools are compiled like everything else: no other compiler has to be there.
export CC_FOR_BUILD=zcc BUILD_CC=zcc
# Only the host environment's libraries are seen.
export PKG_CONFIG_LIBDIR="${PREFIX}/lib/pkgconfig:${PREFIX}/share/pkgconfig" PKG_CONFIG_PATH=
export MAKEFLAGS="-j${CPU_COUNT:-2}"
# The builder sets it to the time of the build; what is compiled twice has to be the same.
export SOURCE_DATE_EPOCH="${HUBFORGE_EPOCH:-$SOURCE_DATE_EPOCH}"
