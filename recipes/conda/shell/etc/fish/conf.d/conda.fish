# Shell functions of conda for fish, to be sourced. CONDA_EXE is set by the lines that conda puts above this text
# (`conda shell.fish hook`); `conda shell.fish activate|deactivate|reactivate` prints the assignments evaluated here.

function __conda_eval
    set -l assignments ($CONDA_EXE shell.fish $argv)
    or return
    printf '%s\n' $assignments | source
end

function conda
    switch "$argv[1]"
        case activate deactivate
            __conda_eval $argv
        case install update upgrade remove uninstall
            # The active environment's activation scripts may have changed with its packages.
            $CONDA_EXE $argv
            and __conda_eval reactivate
        case '*'
            $CONDA_EXE $argv
    end
end

if not functions -q __conda_prompt_before; and functions -q fish_prompt
    functions -c fish_prompt __conda_prompt_before
    function fish_prompt
        printf '%s' $CONDA_PROMPT_MODIFIER
        __conda_prompt_before
    end
end

if not set -q CONDA_SHLVL
    set -gx CONDA_SHLVL 0
    # condabin holds conda alone: it stays on PATH when no environment is active.
    set -gx PATH (dirname (dirname $CONDA_EXE))/condabin $PATH
end
