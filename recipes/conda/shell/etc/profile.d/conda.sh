# shellcheck shell=sh
# Shell functions of conda for POSIX shells (bash, zsh, dash), to be sourced: `conda activate` has to change the
# variables of the shell itself, which a child process can't.
#
# `conda shell.posix activate|deactivate|reactivate` prints the assignments; the function `conda` evaluates them.
# CONDA_EXE, _CE_M and _CE_CONDA are set by the lines that conda puts above this text (`conda shell.posix hook`).
# Everything here also runs under `set -u` and `set -e`.

__conda_exe() {
    # _CE_M and _CE_CONDA are "-m" and "conda" when CONDA_EXE is a python (`conda activate --dev`), else empty.
    # The caller's prompt is handed over, since conda writes the environment's name into it.
    PS1="${PS1-}" "$CONDA_EXE" ${_CE_M:+"$_CE_M"} ${_CE_CONDA:+"$_CE_CONDA"} "$@"
}

__conda_eval() {
    __conda_assignments="$(__conda_exe shell.posix "$@")" || return
    eval "$__conda_assignments"
    unset __conda_assignments
    hash -r # forget where the programs of the environment left behind were found
}

conda() {
    case "${1-}" in
        activate | deactivate)
            __conda_eval "$@"
            ;;
        install | update | upgrade | remove | uninstall)
            # The active environment's activation scripts may have changed with its packages.
            __conda_exe "$@" || return
            __conda_eval reactivate
            ;;
        *)
            __conda_exe "$@"
            ;;
    esac
}

if [ -z "${CONDA_SHLVL+x}" ]; then
    export CONDA_SHLVL=0
    # condabin holds conda alone: it stays on PATH when no environment is active.
    # shellcheck disable=SC2123  # it is the search path that is meant
    PATH="${CONDA_EXE%/bin/*}/condabin${PATH:+":$PATH"}"
    export PATH
fi
