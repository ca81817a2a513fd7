# shellcheck shell=sh disable=SC2154,SC2034
# ---- installing ----

# What, where, how much: said before anything is written.
summarise() {
    message "summary_host_$(host_plan)"
    say summary "$product" "$version" "$package_count" "$prefix" "$needed_mib" "${free_mib:-?}" "$text" "$log_target"
}

# What will be done with the host: "skipped", "not_root", "of_another" or "prepared".
host_plan() {
    if [ -n "$skip_host" ]; then
        echo skipped
    elif [ "$(id -u)" != 0 ]; then
        echo not_root
    elif is_of_another; then
        echo of_another
    else
        echo prepared
    fi
}

# Whether the host is set up for the hub in another prefix, which is there still.
is_of_another() {
    find_hub_prefix
    [ -e "$hub_prefix/envs/jupyterhubenv/bin/hubctl" ] &&
        [ "$hub_prefix" != "$(cd -P "$prefix" 2>/dev/null && pwd -P)" ]
}

# Sets `hub_prefix`, the one whose hub the host is set up for, as post_install/host.py finds it; empty for none.
find_hub_prefix() {
    hub_prefix=
    if [ -r /var/lib/jupyterhub/prefix ]; then
        read -r hub_prefix </var/lib/jupyterhub/prefix
    elif [ -r /etc/systemd/system/jupyterhub.service ]; then
        while read -r line; do
            case $line in
            ExecStart=*/envs/jupyterhubenv/bin/jupyterhub*)
                line=${line#ExecStart=}
                line=${line#\"}
                hub_prefix=${line%%/envs/jupyterhubenv/*}
                ;;
            esac
        done </etc/systemd/system/jupyterhub.service
    else
        find_hub
        program=
        [ ! -r "/proc/${pid:-none}/cmdline" ] || program=$(tr '\0' '\n' <"/proc/$pid/cmdline" | head -n 1)
        case $program in
        /*/envs/jupyterhubenv/bin/*) hub_prefix=$(cd -P "${program%%/envs/jupyterhubenv/*}" 2>/dev/null && pwd -P) ;;
        esac
    fi
}

# From here on something is left to do. A release that is there already stays complete until its first package changes.
begin() {
    # What somebody else has here stays when this is uninstalled.
    if [ "$mode" = over ] && [ -z "$resume" ] && [ ! -f "$state/installed.json" ] && [ ! -f "$state/found" ]; then
        paths_below "$prefix" >"$state/found" || fail
    fi
    { echo "$version $mode $boot" >"$state/installing.new" && mv "$state/installing.new" "$state/installing"; } || fail
    begun=1
    begin_log
    summarise >/dev/null # it was said already, when nothing was to be written yet: the log has it from here
}

unpack_packages() {
    say unpacking "$package_count"
    mkdir -p "$prefix/pkgs" || fail
    # After a power cut files may be there without their content; after a kill they cannot.
    command=unpack
    [ -z "$resume" ] || [ "${installing_boot:-}" = "$boot" ] || command=afresh
    message progress_unpacking
    errors_logged "$helper" "$command" "$self" "$work/packages" "$packages_offset" "$prefix/pkgs" "$text" || {
        [ ! -f "$state/installed.json" ] || die 4 failed_early "$prefix"
        fail
    }
}

# What our Python parts read.
lay_descriptions() {
    for name in $parts; do
        case $name in
        index.json | *.py) part "$name" >"$work/$name" || return 1 ;;
        esac
    done
    for subdir in "$platform" noarch; do
        find_part "repodata-$subdir"
        "$helper" cat "$self" "$part_offset" "$part_length" >"$work/repodata-$subdir.json" || return 1
    done
}

# folder_list CACHE FOLDERS: sets `list` to them, below CACHE, joined with colons.
folder_list() {
    list=
    for folder in $2; do list=$list${list:+:}$1/$folder; done
}

# carried_python CACHE SCRIPT [ARGUMENT…]: one of our Python parts, with the Python and the libraries unpacked to CACHE.
# shellcheck disable=SC2317  # called through logged
carried_python() {
    cache=$1 script=$work/$2
    shift 2
    folder_list "$cache" "$python_folders" && python_path=$list
    folder_list "$cache" "$library_folders" && library_path=$list
    # Nothing of the caller's environment: a PYTHONHOME or LD_PRELOAD of theirs must not decide what is installed.
    # py-rattler does not start without certificates, though nothing is fetched; the host may have none.
    env -i PATH=/usr/bin:/bin LANG="$locale" HOME="$work" TMPDIR="$work" PYTHONPATH="$python_path" \
        LD_LIBRARY_PATH="$library_path" ${certificates:+"SSL_CERT_FILE=$cache/$certificates"} \
        "$cache/$python" -S -s -B -X utf8 "$script" "$@" </dev/null
}

link_environments() {
    say linking
    if [ "$mode" = new ]; then
        message progress_linking
        errors_logged lay_environments "$text" || fail
        return
    fi
    # The disk writes what is unpacked while links are made of it.
    "$helper" sync "$prefix/pkgs" 2>>"$log" &
    writing=$!
    lay_descriptions || fail
    logged carried_python "$prefix/pkgs" upgrade.py link --prefix "$prefix" --work "$work" ${force:+--relink} \
        --command "$command_line" || go_back
    wait "$writing" || fail
}

# lay_environments TITLE: the environments, which were worked out when this file was made; the cache's records and the
# marker, too.
# shellcheck disable=SC2317  # called through errors_logged
lay_environments() {
    [ -z "$resume" ] || remove_links || return 1
    title=$1
    shift
    for name in $parts; do
        case $name in
        linked-*) set -- "$@" "${name#linked-}" ;;
        esac
    done
    for name in "$@"; do
        shift
        case $name in
        base) folder=$prefix ;;
        cache) folder=$prefix/pkgs ;;
        marker) folder=$work ;;
        *)
            folder=$prefix/envs/$name
            mkdir -p "$folder" || return 1
            ;;
        esac
        find_part "linked-$name"
        set -- "$@" "$part_offset" "$part_length" "$folder"
    done
    "$helper" link "$self" "$prefix/pkgs" "$command_line" "$title" "$@"
}

# What an interrupted run has linked: half of a package may be there with nothing that says so.
# shellcheck disable=SC2317  # as above
remove_links() {
    for path in "$prefix"/* "$prefix"/.*; do
        case ${path##*/} in
        . | .. | .hubforge | lost+found | pkgs) ;;
        *) rm -rf "$path" || return 1 ;;
        esac
    done
    rm -f "$prefix"/pkgs/urls.txt "$prefix"/pkgs/*/info/repodata_record.json
}

# The marker is the last file; what it vouches for must be on the disk before it.
mark_installed() {
    errors_logged "$helper" sync "$prefix/pkgs" || fail
    mv "$work/installed.json" "$state/installed.json" || fail
    [ "$mode" = new ] ||
        rm -rf "$state/replaced.json" "$state/before" "$state/upgrade" || fail
}

# Where SELinux labels files, they get the labels that the policy has for their places.
restore_contexts() {
    command -v restorecon >/dev/null 2>&1 || return 0
    labelled=$prefix
    for path in /etc/jupyterhub /etc/pam.d/jupyterhub* /etc/systemd/system/jupyterhub* /etc/tmpfiles.d/jupyterhub.conf* \
        /etc/logrotate.d/jupyterhub* /var/lib/jupyterhub /var/log/jupyterhub /shared/jupyterhub; do
        [ ! -e "$path" ] || labelled="$labelled $path"
    done
    # shellcheck disable=SC2086  # no path in it has a space
    errors_logged restorecon -R $labelled
}

prepare_host() {
    if [ -n "$skip_host" ]; then
        say host_skipped
        return 0
    fi
    [ "$(part post_install | wc -c)" -gt 0 ] || return 0
    say preparing
    part post_install >"$work/post_install" || return 1
    logged run_post_install
}

# What constructor's installers give to such a script.
# shellcheck disable=SC2317  # called through logged
run_post_install() (
    cd "$prefix" || exit 1
    export PREFIX="$prefix" INSTALLER_NAME="$product" INSTALLER_VER="$version" INSTALLER_PLAT="$platform" \
        INSTALLER_TYPE=SH INSTALLER_UNATTENDED="${batch:-0}" INSTALLER_PATH="$self"
    sh "$work/post_install"
)

# `conda init` for the shell of the user who installs.
initialise_shell() {
    case ${SHELL:-} in
    */zsh) shell=zsh ;;
    */fish) shell=fish ;;
    *) shell=bash ;;
    esac
    say initialising "$shell"
    logged "$prefix/bin/conda" init "$shell"
}

# The tests that the packages carry, with base's own Python.
test_packages() {
    say testing
    lay_descriptions || return 1
    logged env -i PATH=/usr/bin:/bin LANG="$locale" HOME="$work" TMPDIR="$work" \
        ${certificates:+"SSL_CERT_FILE=$prefix/pkgs/$certificates"} \
        "$prefix/${python#*/}" -s -B -X utf8 "$work/package_tests.py" --prefix "$prefix" --work "$work" </dev/null
}

# The port that the settings name; 8000 is theirs where they cannot be read.
hub_port() {
    port=8000
    [ -r /etc/jupyterhub/hub.yaml ] || return 0
    while read -r key value _; do
        [ "$key" != port: ] || port=$value
    done </etc/jupyterhub/hub.yaml
}

finish() {
    { rm -rf "$work" && rm -f "$state/installing" "$lock"; } || fail
    work='' lock=''
}

# The packages are there, and what failed after them is named above: for each of it the command that runs it again.
end_unfinished() {
    code=5
    for step in $unfinished; do
        case $step in
        host_step) say host_step "$prefix/envs/jupyterhubenv/bin/hubctl setup" ;;
        context_step) say context_step "restorecon -R $labelled" ;;
        init_step) say init_step "$prefix/bin/conda init $shell" ;;
        test_step) say test_step "sh '$self' -b -u -s -t -p $prefix" ;;
        restart_step) say restart_step "$prefix/envs/jupyterhubenv/bin/hubctl restart" ;;
        esac
    done >&2
    exit "$code"
}

conclude() {
    say installed "$product" "$version" "$prefix"
    if hub_runs; then
        [ -n "$restart" ] || say restart_later "$prefix/envs/jupyterhubenv/bin"
        return 0
    fi
    hub_port
    if is_of_another; then
        say next_steps_of_another "$hub_prefix" "sh '$self' --uninstall -p $hub_prefix" \
            "$prefix/envs/jupyterhubenv/bin" "$(uname -n)" "$port"
    elif [ "$(host_plan)" != prepared ]; then
        say next_steps_setup "$prefix/envs/jupyterhubenv/bin" "$(uname -n)" "$port"
    elif [ -e /var/lib/jupyterhub/jupyterhub.sqlite ]; then # a hub has run here
        say next_steps_again "$prefix/envs/jupyterhubenv/bin" "$(uname -n)" "$port"
    else
        say next_steps "$prefix/envs/jupyterhubenv/bin" "$(uname -n)" "$port"
    fi
}

install() {
    check_architecture
    check_glibc
    if [ -z "$batch" ]; then
        ask_licence
        [ -n "$prefix" ] || ask_prefix
    fi
    settle_prefix
    check_prefix
    [ -n "$batch$init_shell" ] || ask_shell
    [ -n "$batch$restart" ] || [ -z "$upgrade" ] || ! hub_runs || ask_restart
    choose_log
    summarise

    made_below=$folder
    begin_work
    check_prefix_state # another run may have ended just now
    [ -z "$resume" ] || say resuming
    check_packages
    [ "$mode" = new ] || plan_upgrade

    begin
    [ "$mode" = new ] || tell_changes
    unpack_packages
    link_environments
    mark_installed
    unfinished=
    prepare_host || unfinished=host_step
    restore_contexts || unfinished="$unfinished context_step"
    [ -z "$init_shell" ] || initialise_shell || unfinished="$unfinished init_step"
    [ -z "$run_tests" ] || test_packages || unfinished="$unfinished test_step"
    [ -z "$restart" ] || restart_after "$unfinished" || unfinished="$unfinished restart_step"
    finish
    [ -z "$unfinished" ] || end_unfinished
    conclude
}
