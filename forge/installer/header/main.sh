# shellcheck shell=sh disable=SC2154,SC2034
# ---- the beginning ----

# Standard input and outputs that are closed would hand their numbers to the next files that are opened. (A number that is
# redirected to itself fails in no shell, closed or not.)
open_standard_files() {
    { true 3<&0; } 2>/dev/null || exec </dev/null
    { true 3>&1; } 2>/dev/null || exec >/dev/null
    { true 3>&2; } || exec 2>/dev/null
}

# shown CODE: says that what was asked for could not be shown, unless its reader has had enough of it (SIGPIPE).
shown() {
    case $1 in
    0 | 141) return "$1" ;;
    *) die 1 output_failed ;;
    esac
}

main() {
    open_standard_files
    task=install batch='' force='' upgrade='' skip_host='' run_tests='' init_shell='' purge='' restart='' downgrade=''
    prefix='' channel='' wanted_log='' log='' work='' lock='' made='' made_below='' begun=''
    mode='' resume='' stops=0 unsaid=0 code=''
    command_line="$0 $*"
    tab=$(printf '\t')
    choose_language
    message with_p
    with_p=$text
    parse_arguments "$@"

    case $0 in
    /*) self=$0 ;;
    *) self=$PWD/$0 ;;
    esac
    boot_id
    trap clean_up EXIT
    trap interrupted HUP INT TERM
    check_tools
    # The header and the parts. Each task that has to do with the packages checks these, too; --uninstall does not: what
    # is wrong with them must not keep anybody from removing what was installed.
    check_file
    case $task in
    install) install ;;
    check) check ;;
    list)
        check_packages_in_place
        list_packages
        shown $?
        ;;
    sbom)
        check_packages_in_place
        part sbom
        shown $?
        ;;
    extract-channel) extract_channel ;;
    uninstall) uninstall ;;
    esac
    exit
}

main "$@"
