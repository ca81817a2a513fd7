#!/bin/sh
# Run by the installer after both environments are linked (constructor's `post_install`: PREFIX is set, and is the
# current folder). Everything real is in Python, so that `hubctl setup` can run the same steps at any later time.
set -eu
environment="$PREFIX/envs/jupyterhubenv"
# -I: nothing from the administrator's PYTHON* variables or home; -B: no byte code beside the package's own files.
exec "$environment/bin/python" -I -B "$environment/share/hubforge/post_install" --prefix "$PREFIX"
