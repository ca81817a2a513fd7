#!/bin/sh
set -eu
# Byte code is written once, at the end, without build paths and without clocks in it.
export PYTHONDONTWRITEBYTECODE=1
python="$PREFIX/bin/python"
# By way of a wheel: installed from a folder, the package would remember that folder (direct_url.json).
"$python" -m pip wheel --quiet --no-index --no-build-isolation --no-deps --wheel-dir wheels ./hubctl
"$python" -m pip install --quiet --no-index --no-deps --no-compile --find-links wheels "hubctl==$PKG_VERSION"
site_packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$python" -m compileall -q -s "$PREFIX" -p / --invalidation-mode unchecked-hash "$site_packages/hubctl"
# What `hubctl setup` runs, and what it puts on the host.
mkdir -p "$PREFIX/share/hubforge"
for folder in post_install config; do
    cp -R "$folder" "$PREFIX/share/hubforge/$folder"
    find "$PREFIX/share/hubforge/$folder" -name __pycache__ -prune -exec rm -r {} +
done
"$python" -m compileall -q -s "$PREFIX" -p / --invalidation-mode unchecked-hash "$PREFIX/share/hubforge/post_install"
# JupyterLab's defaults of the users' image, for servers without Docker.
mkdir -p "$PREFIX/etc"
cp -R jupyter "$PREFIX/etc/jupyter"
