#!/bin/sh
# Run by the build tool in a fresh environment that holds this package.
set -eu
HOME=$(mktemp -d)
export HOME

[ "$(node --version)" = "v$PKG_VERSION" ]
[ "$(node -p '21 * 2')" = 42 ]
node -e 'require("node:crypto").createHash("sha256"); require("node:zlib").gzipSync("x"); new Intl.NumberFormat("de")'
[ "$(npm prefix --global)" = "$PREFIX" ]
npx --version
# A package from a folder, with nothing fetched.
mkdir -p "$HOME/answer" "$HOME/app"
echo '{"name": "answer", "version": "1.0.0", "main": "answer.js"}' >"$HOME/answer/package.json"
echo 'module.exports = 42' >"$HOME/answer/answer.js"
cd "$HOME/app"
npm install --offline --no-audit --no-fund ../answer
[ "$(node -p 'require("answer")')" = 42 ]
test -f "$PREFIX/include/node/node_api.h"
grep -q "\"node_prefix\": \"$PREFIX\"" "$PREFIX/include/node/config.gypi"
