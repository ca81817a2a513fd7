#!/bin/sh
set -eu
install-folder ./hubctl hubctl
# What `hubctl setup` runs, and what it puts on the host.
mkdir -p "$PREFIX/share/hubforge"
for folder in post_install config; do
    cp -R "$folder" "$PREFIX/share/hubforge/$folder"
    find "$PREFIX/share/hubforge/$folder" -name __pycache__ -prune -exec rm -r {} +
done
"$PREFIX/bin/python" -B -m compileall -q -s "$PREFIX" -p / --invalidation-mode unchecked-hash \
    "$PREFIX/share/hubforge/post_install"
# JupyterLab's defaults of the users' image, for servers without Docker.
mkdir -p "$PREFIX/etc"
cp -R jupyter "$PREFIX/etc/jupyter"
