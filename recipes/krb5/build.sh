#!/bin/bash
set -euo pipefail
unpack-source
cd source/src

# The server's /etc/krb5.conf and /etc/krb5.keytab; plugins come from this prefix.
./configure --prefix="$PREFIX" --sysconfdir=/etc --localstatedir=/var --runstatedir=/run \
    --with-crypto-impl=builtin --with-tls-impl=openssl --without-system-et --without-system-ss \
    --without-system-verto --without-keyutils --without-ldap --without-libedit --without-lmdb --without-readline \
    --without-tcl --disable-nls --disable-rpath

# What a client needs, in the order of the source's own list (kinit is linked with the library of the KDC's database).
parts=(
    util include lib/crypto lib/krb5 lib/gssapi lib/rpc lib/kdb lib/kadm5
    plugins/preauth/pkinit plugins/preauth/spake plugins/tls/k5tls
    clients/kinit clients/klist clients/kdestroy clients/kvno
    build-tools
)
make generate-files-mac-prerecurse
for part in "${parts[@]}"; do
    # Its warnings are errors for its authors' compilers, not for this one's newer headers.
    make -C "$part" WARN_CFLAGS=-w
done
make install-mkdirs
for part in "${parts[@]}"; do
    make -C "$part" install WARN_CFLAGS=-w
done
rm -rf "$PREFIX/share/examples" "$PREFIX/sbin" "$PREFIX/bin/compile_et" "$PREFIX/share/et"
