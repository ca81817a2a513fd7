# shellcheck shell=sh disable=SC2154,SC2034,SC2317
# ---- over what is there: -u and -f ----

# The release that is in the prefix, or was before an interrupted run, in `release_before`; empty for none.
# The hub's metapackage says it: conda goes to other releases, too, and leaves the marker as it is.
find_release_before() {
    release_before=
    records=$prefix/envs/jupyterhubenv/conda-meta
    [ -f "$state/installed.json" ] || [ ! -d "$state/before" ] || records=$state/before/jupyterhubenv
    for record in "$records"/hubforge-[0-9]*.json; do
        [ -f "$record" ] || continue
        release_before=${record##*/hubforge-}
        release_before=${release_before%%-*}
    done
    [ -n "$release_before" ] || find_marked_release
}

find_marked_release() {
    for marker in "$state/replaced.json" "$state/installed.json"; do
        [ -r "$marker" ] || continue
        while read -r key value; do
            [ "$key" = '"version":' ] || continue
            value=${value#\"}
            release_before=${value%%\"*}
        done <"$marker"
    done
}

# is_older THIS THAT: whether a release, numbers with dots between them, comes before another one.
is_older() {
    this=$1. that=$2.
    while [ -n "$this$that" ]; do
        left=${this%%.*} right=${that%%.*}
        if [ "${left:-0}" -ne "${right:-0}" ]; then
            [ "${left:-0}" -lt "${right:-0}" ]
            return
        fi
        this=${this#*.} that=${that#*.}
    done
    return 1
}

# in_bootstrap PACKAGE: whether it is of those that work out an upgrade.
in_bootstrap() {
    case " $python $python_folders $library_folders $certificates" in
    *" $1/"*) return 0 ;;
    *) return 1 ;;
    esac
}

# The Python and the py-rattler of this release, in the work folder: the plan is made before anything else is written.
unpack_bootstrap() {
    mkdir -p "$work/pkgs" || return 1
    part packages | while read -r line; do
        # shellcheck disable=SC2086  # the ninth word is the package
        set -- $line
        ! in_bootstrap "$9" || echo "$line"
    done >"$work/bootstrap"
    "$helper" unpack "$self" "$work/bootstrap" "$packages_offset" "$work/pkgs" ''
}

# Refuses when something of the administrator's is in the way; leaves what would change in the file `plan`.
plan_upgrade() {
    say planning
    { lay_descriptions && unpack_bootstrap; } || die 1 plan_failed "$prefix"
    carried_python "$work/pkgs" upgrade.py plan --prefix "$prefix" --work "$work" ${force:+--relink}
    case $? in
    0) rm -rf "$work/pkgs" ;;
    1)
        tell_refusals >&2
        die 1 upgrade_refused "$prefix"
        ;;
    *) die 1 plan_failed "$prefix" ;;
    esac
}

tell_refusals() {
    while read -r key environment first second third; do
        folder=$prefix
        [ "$environment" = base ] || folder=$prefix/envs/$environment
        case $key in
        package) say in_the_way_package "$environment" "$first" "$second" "$prefix/bin/conda remove -p $folder $first" ;;
        pip) say in_the_way_pip "$environment" "$first" "$second" "$folder/bin/python -m pip uninstall $first" ;;
        python) say in_the_way_python "$environment" "$third" "$first" "$second" ;;
        reason) printf '    %s\n' "$first $second $third" ;;
        esac
    done <"$work/plan"
}

# shellcheck disable=SC2086  # `rest` is three numbers
tell_changes() {
    while read -r key environment rest; do
        case $key in
        changes) say changes "$environment" $rest ;;
        kept) say changes_kept "$environment" "$rest" ;;
        pip_kept) say changes_pip "$environment" "$rest" ;;
        esac
    done <"$work/plan"
}

# After a failure: the set before comes back, and with it its marker.
go_back() {
    say going_back
    if [ -d "$state/before" ] && ! logged carried_python "$prefix/pkgs" upgrade.py back --prefix "$prefix" --work "$work"; then
        fail
    fi
    [ ! -f "$state/replaced.json" ] || mv "$state/replaced.json" "$state/installed.json" || fail
    rm -rf "$state/before" "$state/before.partial" "$state/installing" || fail
    die 4 gone_back "$prefix"
}

# Sets `pid` to the hub's process: the one that its pid file names, or the service's. It may be another prefix's, or gone.
find_hub() {
    pid=
    if [ -r /run/jupyterhub/hub.pid ]; then
        read -r pid </run/jupyterhub/hub.pid
    elif [ -d /run/systemd/system ]; then
        pid=$(systemctl show --property=MainPID --value jupyterhub.service 2>/dev/null)
    fi
}

# Whether the hub of this prefix runs.
hub_runs() {
    find_hub
    # Its first argument is the program; only so much is read, since a shell stumbles over the zero at its end.
    programs=$prefix/envs/jupyterhubenv/bin/
    [ -r "/proc/${pid:-none}/cmdline" ] && [ "$(head -c "${#programs}" "/proc/$pid/cmdline")" = "$programs" ]
}

# restart_after FAILED: the hub that runs becomes the new one; not after a step that has failed.
restart_after() {
    hub_runs || return 0
    [ -z "$1" ] || return 1
    say restarting
    logged "$prefix/envs/jupyterhubenv/bin/hubctl" stop && logged "$prefix/envs/jupyterhubenv/bin/hubctl" start
}
