# shellcheck shell=sh disable=SC2154,SC2034,SC2317
# ---- telling ----

# The first of the arguments that is not empty, in `first`.
first_of() {
    first=
    while [ -z "$first" ] && [ $# -gt 0 ]; do
        first=$1
        shift
    done
}

# Sets `language`: Russian where the locale asks for it and can show it, else English; and `locale`, which says so to
# the programs that get nothing else of the caller's environment.
choose_language() {
    language=en locale=C.UTF-8
    first_of "${LC_ALL:-}" "${LC_MESSAGES:-}" "${LANG:-}"
    case $first in
    ru | ru[_.@]*) ;;
    *) return 0 ;;
    esac
    first_of "${LC_ALL:-}" "${LC_CTYPE:-}" "${LANG:-}"
    case $first in
    *[Uu][Tt][Ff]8* | *[Uu][Tt][Ff]-8*) language=ru locale=ru_RU.UTF-8 ;;
    esac
}

# message KEY: sets `text` to its printf format.
message() {
    "message_$language" "$1"
}

# say KEY [VALUE…]: one message to standard output, and into the log once there is one. That the output did not take it
# is no failure of an installation, but noted in `unsaid`, for the tasks that only tell.
say() {
    message "$1"
    shift
    # shellcheck disable=SC2059  # the format `text` comes from the messages
    printf "$text\n" "$@" 2>/dev/null || unsaid=1
    # shellcheck disable=SC2059
    [ -z "$log" ] || { printf "$text\n" "$@" >>"$log"; } 2>/dev/null || true
}

# die CODE KEY [VALUE…]: one message to standard error, and the end.
die() {
    code=$1
    shift
    say "$@" >&2
    exit "$code"
}

# With --check every finding is a line and the checks go on; otherwise only a refusal is said, and ends it all.

# report STATUS KEY [VALUE…]: one line of --check.
report() {
    printf '%-8s ' "$1" 2>/dev/null || unsaid=1
    shift
    say "$@"
}

fine() {
    [ "$task" != check ] || report ok "$@"
}

warn() {
    [ "$task" != check ] || report warning "$@"
}

refuse() {
    [ "$task" = check ] || die 1 "$@"
    report stop "$@"
    stops=$((stops + 1))
}

# errors_logged COMMAND…: runs it; what it says on standard error goes into the log, too.
errors_logged() {
    { true >"$work/status"; } 2>/dev/null
    {
        {
            "$@" 2>&1 >&3 3>&-
            { echo $? >"$work/status"; } 2>/dev/null
        } | tee -a "$log" >&2 3>&-
    } 3>&1
    status_of_last
}

# logged COMMAND…: the same, with its standard output.
logged() {
    errors_logged "$@" | tee -a "$log"
    status_of_last
}

# The exit code of the command that ran in a pipe; a full disk may have left no file with it.
status_of_last() {
    status=1
    [ ! -s "$work/status" ] || read -r status <"$work/status"
    return "$status"
}
