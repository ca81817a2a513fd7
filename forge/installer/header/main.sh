# shellcheck shell=sh disable=SC2154,SC2034
# ---- the beginning ----

main() {
    task=install batch='' force='' upgrade='' skip_host='' run_tests='' init_shell='' purge='' restart='' downgrade=''
    prefix='' channel='' wanted_log='' log='' work='' lock='' made='' made_below='' begun=''
    mode='' resume='' stops=0 code=''
    command_line="$0 $*"
    tab=$(printf '\t')
    choose_language
    parse_arguments "$@"

    # A closed standard input would hand its number to the next file that is opened.
    { true <&0; } 2>/dev/null || exec </dev/null
    case $0 in
    /*) self=$0 ;;
    *) self=$PWD/$0 ;;
    esac
    boot_id
    trap clean_up EXIT
    trap interrupted HUP INT TERM
    check_tools
    check_file
    case $task in
    install) install ;;
    check) check ;;
    list) list_packages ;;
    sbom) part sbom ;;
    extract-channel) extract_channel ;;
    uninstall) uninstall ;;
    esac
    exit
}

main "$@"
