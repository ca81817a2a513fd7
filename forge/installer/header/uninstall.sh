# shellcheck shell=sh disable=SC2154,SC2034
# ---- --uninstall: what was put in goes; what it may not know stays ----

# host_removal OPTION…: the installed steps that know what was done to the host, or nothing where they are gone.
host_removal() {
    steps=$prefix/envs/jupyterhubenv/share/hubforge/post_install
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin ${HOME:+"HOME=$HOME"} \
        "$prefix/envs/jupyterhubenv/bin/python" -I -B "$steps" --prefix "$prefix" ${purge:+--purge} "$@"
}

# Everything below the prefix that nobody else had there before the installation.
prefix_entries() {
    entries_of "$prefix" | while read -r entry; do
        [ ! -f "$state/found" ] || ! line_of "$entry" <"$state/found" || continue
        echo "$entry"
    done
}

# line_of TEXT: whether it is a line of standard input.
line_of() {
    while read -r line; do
        [ "$line" != "$1" ] || return 0
    done
    return 1
}

list_removals() {
    say removal_prefix "$prefix"
    for environment in "$prefix"/envs/*/; do
        case ${environment%/} in
        */jupyterhubenv | */\*) ;;
        *) say removal_environment "${environment%/}" ;;
        esac
    done
    [ ! -f "$state/found" ] || say removal_found "$prefix" "$(cat "$state/found")"
    [ ! -f "$state/uninstalling" ] || return 0
    host_unknown=
    host_removal --list-removals 2>/dev/null || {
        host_unknown=1
        say removal_host_unknown "$prefix"
    }
}

uninstall() {
    settle_prefix
    check_prefix_name
    [ -d "$state" ] || die 1 not_installed "$prefix"
    [ -w "$state" ] || die 1 not_writable "$state"
    begin_work
    list_removals
    [ -n "$batch" ] || agreed uninstall_question || die 1 uninstall_declined

    begun=1
    if [ ! -f "$state/uninstalling" ]; then
        [ -n "$host_unknown" ] || host_removal --remove || die 5 removal_host_failed "$prefix"
        : >"$state/uninstalling" || die 4 removal_failed "$prefix"
    fi
    cd / || exit 4
    prefix_entries | while read -r entry; do rm -rf "${prefix:?}/$entry" || exit 1; done || die 4 removal_failed "$prefix"
    rm -rf "$state" || die 4 removal_failed "$prefix"
    work='' lock=''
    rmdir "$prefix" 2>/dev/null || say removal_rest "$prefix"
    remove_log
    say uninstalled "$product" "$prefix"
}

# The log that nobody named goes with --purge.
remove_log() {
    { [ -n "$purge" ] && [ -z "$wanted_log" ]; } || return 0
    default_log
    rm -f "$log_target"
}
