#!/bin/sh
set -eu
# Byte code is written once, at the end.
export PYTHONDONTWRITEBYTECODE=1
grep -q "^version = \"$PKG_VERSION\"\$" source/pyproject.toml || {
    echo "recipe.yaml says $PKG_VERSION, pyproject.toml another version" >&2
    exit 1
}
mkdir wheels
"$PREFIX/bin/python" -m pip wheel --quiet --no-index --no-build-isolation --no-deps --wheel-dir wheels ./source
"$PREFIX/bin/python" -m pip install --quiet --no-index --no-deps --no-compile --find-links wheels \
    "jupyterhub-kerberos==$PKG_VERSION"
packages=$("$PREFIX/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# no path of this machine in the byte code, and none that goes stale by the clock
"$PREFIX/bin/python" -m compileall -q --invalidation-mode unchecked-hash \
    -s "$packages" -p "${packages#"$PREFIX"}" "$packages/jupyterhub_kerberos"
