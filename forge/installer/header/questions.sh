# shellcheck shell=sh disable=SC2154,SC2034
# ---- questions ----

# answer_is KEY: whether the answer is one of the words of this message.
answer_is() {
    message "$1"
    for word in $text; do
        [ "$answer" != "$word" ] || return 0
    done
    return 1
}

# agreed KEY [VALUE…]: asks until the answer is yes (0) or no, or there is nobody who answers (1).
agreed() {
    say "$@"
    while read -r answer; do
        answer_is words_for_yes && return 0
        answer_is words_for_no && return 1
        say answer_again
    done
    return 1
}

ask_licence() {
    say licence_follows "$product" "$version"
    part licence # without a pager: `more` waits for a key at its end
    agreed licence_question || die 2 licence_refused
}

ask_prefix() {
    say prefix_question "$default_prefix"
    read -r answer || die 2 nobody_answers
    # shellcheck disable=SC2088  # it is not the shell that read the answer's tilde
    case $answer in
    '') prefix=$default_prefix ;;
    '~' | '~/'*) prefix=${HOME:-}${answer#\~} ;;
    *) prefix=$answer ;;
    esac
}

# Whether the hub, which runs, is to be started again at the end.
ask_restart() {
    say restart_question
    read -r answer || answer=
    if answer_is words_for_yes; then restart=1; fi
}

# Whether `conda activate` is to work in new shells of the user who installs; root's are left as they are by default.
ask_shell() {
    [ -n "${HOME:-}" ] || return 0
    if [ "$(id -u)" = 0 ]; then
        say shell_question_root "$HOME"
    else
        say shell_question "$HOME"
    fi
    read -r answer || answer=
    if answer_is words_for_yes || { [ -z "$answer" ] && [ "$(id -u)" != 0 ]; }; then init_shell=1; fi
}
