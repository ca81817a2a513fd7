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

# agreed_or DEFAULT KEY [VALUE…]: the same, where an empty answer, or nobody who answers, means DEFAULT.
agreed_or() {
    default=$1
    shift
    say "$@"
    while :; do
        read -r answer || answer=
        [ -n "$answer" ] || answer=$default
        answer_is words_for_yes && return 0
        answer_is words_for_no && return 1
        say answer_again
    done
}

ask_licence() {
    say licence_follows "$product" "$version"
    part licence # without a pager: `more` waits for a key at its end
    agreed licence_question || die 2 licence_refused
}

# Asks until nothing stands in the way of the answer: a refusal, with its reason, ends the subshell only. It names no -p:
# the question comes again.
ask_prefix() {
    with_p=
    while :; do
        say prefix_question "$default_prefix"
        read -r answer || die 2 nobody_answers
        # shellcheck disable=SC2088  # it is not the shell that read the answer's tilde
        case $answer in
        '') prefix=$default_prefix ;;
        '~' | '~/'*) prefix=${HOME:-}${answer#\~} ;;
        *) prefix=$answer ;;
        esac
        settle_prefix
        ! (check_prefix) || return 0
    done
}

# Whether the hub, which runs, is to be started again at the end.
ask_restart() {
    if agreed_or no restart_question; then restart=1; fi
}

# Whether `conda activate` is to work in new shells of the user who installs; root's are left as they are by default.
ask_shell() {
    [ -n "${HOME:-}" ] || return 0
    if [ "$(id -u)" = 0 ]; then
        agreed_or no shell_question_root "$HOME" || return 0
    else
        agreed_or yes shell_question "$HOME" || return 0
    fi
    init_shell=1
}
