#!/bin/sh
# Run by the build tool in a fresh environment that holds this package.
set -eu
HOME=$(mktemp -d)
export HOME
unset CONDA_SHLVL CONDA_PREFIX CONDA_EXE 2>/dev/null || true

[ "$("$PREFIX/bin/conda" --version)" = "conda 24.7.1" ]
"$PREFIX/condabin/conda" info
"$PREFIX/bin/conda" list --prefix "$PREFIX" conda

# Nothing of what the package ships is rewritten by `conda init`, so it needs no root.
"$PREFIX/bin/conda" init bash zsh fish >"$HOME/init.log"
grep -q "^modified.*$HOME/.bashrc" "$HOME/init.log"
if grep "^modified" "$HOME/init.log" | grep -F "$PREFIX/"; then
    echo "conda init rewrites a file of the package" >&2
    exit 1
fi
if "$PREFIX/bin/conda" init powershell 2>"$HOME/powershell.log"; then
    echo "conda init powershell was accepted" >&2
    exit 1
fi
grep -q "no shell functions for powershell" "$HOME/powershell.log"

# Activation in a POSIX shell that stops at unset variables and at errors.
sh -euc '. "$1/etc/profile.d/conda.sh"; conda activate base; [ "$CONDA_PREFIX" = "$1" ]; conda deactivate' - "$PREFIX"

# No address of a public channel in any text of the package.
if grep -rlE '(anaconda|conda)\.(org|com|io)\b' "$PREFIX/lib/python3.13/site-packages/conda" "$PREFIX/condabin" \
    "$PREFIX/etc/profile.d/conda.sh"; then
    echo "these files name the host of a public channel" >&2
    exit 1
fi
