#!/bin/sh
# Run by the build tool in a fresh environment that holds this package.
set -eu

[ "$(configurable-http-proxy --version)" = "$PKG_VERSION" ]
configurable-http-proxy --help >/dev/null
# The script finds its own node, also through a link and with nothing on PATH but the system.
scratch=$(mktemp -d)
ln -s "$PREFIX/bin/configurable-http-proxy" "$scratch/proxy"
[ "$(PATH=/usr/bin:/bin "$scratch/proxy" --version)" = "$PKG_VERSION" ]
node proxied-request.mjs
