#!/bin/sh
set -eu
grep -q "^version = \"$PKG_VERSION\"\$" source/pyproject.toml || {
    echo "recipe.yaml says $PKG_VERSION, pyproject.toml another version" >&2
    exit 1
}
install-folder ./source conda_hubforge
