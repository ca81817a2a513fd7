#!/bin/bash
# Lay the npm tree out as `npm install --global` does: the proxy, and inside it what it needs.
set -euo pipefail

tar -xf upstream/*.tar*
patch --strip=1 --fuzz=0 --batch --directory=node_modules/configurable-http-proxy \
    <"$RECIPE_DIR/patches/0001-no-colours-in-a-file.patch"
rm -rf node_modules/.bin node_modules/.package-lock.json

# The licence of every npm package; one without is a reason to stop and look.
mkdir licences
find node_modules -regextype posix-extended -regex '(.*/)?node_modules/(@[^/]+/)?[^@/][^/]*/package\.json' | sort |
    while read -r manifest; do
        package=$(dirname "$manifest")
        found=$(find "$package" -maxdepth 1 -type f \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' \))
        if [ -z "$found" ]; then
            echo "$package: no licence file" >&2
            exit 1
        fi
        name=${package#node_modules/}
        name=${name//\//-}
        while read -r file; do
            cp "$file" "licences/$name-$(basename "$file")"
        done <<<"$found"
    done

home=$PREFIX/lib/node_modules/configurable-http-proxy
mkdir -p "$PREFIX/lib/node_modules" "$PREFIX/bin"
mv node_modules/configurable-http-proxy "$home"
mv node_modules "$home/node_modules"
find "$home" -type d -exec chmod 755 {} +
find "$home" -type f -exec chmod 644 {} +
install -m 755 "$RECIPE_DIR/configurable-http-proxy" "$PREFIX/bin/configurable-http-proxy"
