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

# A password in a channel's address: neither in what conda says, as far as it can be made to, nor in a history.
secret=http://anna:secret@127.0.0.1:9/channel
if "$PREFIX/bin/conda" create -vvv --yes --prefix "$HOME/made" --override-channels -c $secret six >"$HOME/said" 2>&1; then
    echo "a channel that is not there gave a package" >&2
    exit 1
fi
"$PREFIX/bin/conda" create --yes --offline --prefix "$HOME/made" --override-channels -c $secret >>"$HOME/said" 2>&1
CONDA_CHANNELS=$secret "$PREFIX/bin/conda" info >>"$HOME/said"
grep -q "//anna:<PASSWORD>@127.0.0.1:9/" "$HOME/said" "$HOME/made/conda-meta/history"
if grep -r "anna:secret" "$HOME/said" "$HOME/made"; then
    echo "conda shows a password" >&2
    exit 1
fi

# No address of a public channel in any text of the package.
if grep -rlE '(anaconda|conda)\.(org|com|io)\b' "$PREFIX/lib/python3.13/site-packages/conda" "$PREFIX/condabin" \
    "$PREFIX/etc/profile.d/conda.sh"; then
    echo "these files name the host of a public channel" >&2
    exit 1
fi
