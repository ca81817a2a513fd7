# shellcheck shell=sh disable=SC2154,SC2034
# ---- --uninstall: what was put in goes; what it may not know stays ----

# host_removal OPTION…: the installed steps that know what was done to the host, or nothing where they are gone.
# shellcheck disable=SC2317  # called through logged
host_removal() {
    steps=$prefix/envs/jupyterhubenv/share/hubforge/post_install
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG="$locale" ${HOME:+"HOME=$HOME"} \
        "$prefix/envs/jupyterhubenv/bin/python" -I -B "$steps" --prefix "$prefix" ${purge:+--purge} "$@"
}

# What they would remove. Where they are gone, that is said otherwise.
# shellcheck disable=SC2317  # called through logged
list_host_removals() {
    host_removal --list-removals 2>/dev/null
}

# Everything below the prefix goes, but for what somebody had there before the installation.
remove_installed() {
    if [ ! -f "$state/found" ]; then
        remove_all
        return
    fi
    put_back || return 1
    paths_below "$prefix" >"$work/now" || return 1
    # of the paths, those that are there but once: not among the found ones, which are there twice and more
    LC_ALL=C sort "$state/found" "$state/found" "$work/now" | uniq -u | remove_named
}

# Everything in the prefix but our own state: to look at each of many thousand paths takes longer than to remove them.
remove_all() {
    for path in "$prefix"/* "$prefix"/.*; do
        case ${path##*/} in
        . | .. | .hubforge | lost+found) ;;
        *) rm -rf "$path" || return 1 ;;
        esac
    done
}

# Removes the paths, below the prefix, that standard input names; what lies below one that was named goes with it.
remove_named() {
    last=/
    set --
    while read -r name; do
        case $name in
        "$last"/*) continue ;;
        esac
        last=$name
        set -- "$@" "$prefix/$name"
        [ $# -lt 200 ] || { rm -rf "$@" && set --; } || return 1
    done
    [ $# -eq 0 ] || rm -rf "$@"
}

# Files of somebody's that were where packages have theirs get their names back (upgrade_aside.py).
put_back() {
    [ -f "$state/set-aside" ] || return 0
    while read -r name; do
        [ ! -e "$prefix/$name.before-hubforge" ] || mv -f "$prefix/$name.before-hubforge" "$prefix/$name" || return 1
    done <"$state/set-aside"
}

# The names in the prefix that were there before the installation, on one line.
found_names() {
    while read -r name; do
        case $name in
        */*) ;;
        *) printf ' %s' "$name" ;;
        esac
    done <"$state/found"
}

list_removals() {
    say removal_prefix "$prefix"
    for environment in "$prefix"/envs/*/; do
        case ${environment%/} in
        */jupyterhubenv | */\*) ;;
        *) say removal_environment "${environment%/}" ;;
        esac
    done
    [ ! -f "$state/found" ] || say removal_found "$prefix" "$(found_names)"
    list_log
    [ ! -f "$state/uninstalling" ] || return 0
    host_unknown=
    logged list_host_removals || {
        host_unknown=1
        say removal_host_unknown "$prefix"
    }
}

uninstall() {
    settle_prefix
    check_prefix_name
    if [ ! -d "$state" ]; then
        [ -z "$purge" ] || die 1 not_installed_purge "$prefix"
        die 1 not_installed "$prefix"
    fi
    [ -w "$state" ] || die 1 not_writable "$state" "$with_p"
    begin_work
    # what is said is kept only where that was asked for
    if [ -n "$wanted_log" ]; then choose_log && begin_log; else log=/dev/null; fi
    list_removals
    [ -n "$batch" ] || agreed uninstall_question || die 1 uninstall_declined

    begun=1
    if [ ! -f "$state/uninstalling" ]; then
        [ -n "$host_unknown" ] || logged host_removal --remove || die 4 removal_host_failed "$prefix"
        : >"$state/uninstalling" || die 4 removal_failed "$prefix"
    fi
    cd / || exit 4
    say removing "$prefix"
    remove_installed || die 4 removal_failed "$prefix"
    rm -rf "$state" || die 4 removal_failed "$prefix"
    work='' lock=''
    # the folder that an administrator's link leads to stays, as it was there before
    [ -n "$linked" ] || rmdir "$prefix" 2>/dev/null
    tell_rest
    remove_log
    say uninstalled "$product" "$prefix"
}

# What is left of the prefix: a mount point stays, and so does a folder in one that cannot be written to.
tell_rest() {
    [ -d "$prefix" ] || return 0
    case $(ls -A "$prefix") in
    '' | lost+found) say removal_empty "$prefix" ;;
    *) say removal_rest "$prefix" ;;
    esac
}

# The log that nobody named goes with --purge, unless it tells of the hub in another prefix, too.
list_log() {
    [ -z "$wanted_log" ] || return 0
    default_log
    [ -f "$log_target" ] || return 0
    if [ -n "$purge" ] && ! is_of_another; then say removal_log "$log_target"; else say removal_log_stays "$log_target"; fi
}

remove_log() {
    { [ -n "$purge" ] && [ -z "$wanted_log" ] && ! is_of_another; } || return 0
    default_log
    rm -f "$log_target"
}
