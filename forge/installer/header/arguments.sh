# shellcheck shell=sh disable=SC2154,SC2034
# ---- the command line ----

# choose TASK: what is to be done instead of installing.
choose() {
    [ "$task" = install ] || [ "$task" = "$1" ] || die 2 two_tasks "--$task" "--$1"
    task=$1
}

parse_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
        -b) batch=1 ;;
        -c) init_shell=1 ;;
        -f) force=1 ;;
        -k | -m) ;;
        -s) skip_host=1 ;;
        -t) run_tests=1 ;;
        -u) upgrade=1 ;;
        -h | --help)
            say usage "$0" "$product" "$version" "$default_prefix" "$copied_mib"
            shown "$unsaid"
            exit
            ;;
        -p | --log | --extract-channel)
            { [ $# -ge 2 ] && [ -n "$2" ]; } || die 2 no_value "$1"
            take_value "$1" "$2"
            shift
            ;;
        -p?*) take_value -p "${1#-p}" ;;
        --log=?* | --extract-channel=?*) take_value "${1%%=*}" "${1#*=}" ;;
        --log= | --extract-channel=) die 2 no_value "${1%=}" ;;
        --purge) purge=1 ;;
        --restart) restart=1 ;;
        --allow-downgrade) downgrade=1 ;;
        --check | --list | --sbom | --uninstall) choose "${1#--}" ;;
        -[!-]?*) # several flags in one word: the first, then the rest
            rest=${1#-?}
            first=${1%"$rest"}
            shift
            set -- "$first" "-$rest" "$@"
            continue
            ;;
        *) die 2 unknown_argument "$1" ;;
        esac
        shift
    done
    [ -z "$purge" ] || [ "$task" = uninstall ] || die 2 purge_alone
}

take_value() {
    case $1 in
    -p) prefix=$2 ;;
    --log) wanted_log=$2 ;;
    --extract-channel)
        choose extract-channel
        channel=$2
        ;;
    esac
}
