# shellcheck shell=sh disable=SC2154,SC2034
# ---- the prefix ----

# absolute PATH: sets `path` to it, absolute, without "." and ".." and doubled slashes.
absolute() {
    case $1 in
    /*) rest=$1/ ;;
    *) rest=$PWD/$1/ ;;
    esac
    path=
    while [ -n "$rest" ]; do
        component=${rest%%/*}
        rest=${rest#*/}
        case $component in
        '' | .) ;;
        ..) path=${path%/*} ;;
        *) path=$path/$component ;;
        esac
    done
    path=${path:-/}
}

# settle PATH: sets `path` as above, and `linked` where an administrator's link to a folder is in its place; then `path`
# is that folder. Below it no link is followed: packages might have brought it.
settle() {
    absolute "$1"
    linked=
    if [ -h "$path" ] && [ -d "$path" ]; then linked=$path path=$(cd -P "$path" && pwd -P); fi
}

# existing_folder PATH: sets `folder` to PATH or the nearest folder above it that exists, were it a link to nowhere.
existing_folder() {
    folder=$1
    while [ ! -e "$folder" ] && [ ! -h "$folder" ]; do
        folder=${folder%/*}
        folder=${folder:-/}
    done
}

# writable_folder PATH: as above; whether something can be made there. Refuses it where not.
writable_folder() {
    existing_folder "$1"
    [ -d "$folder" ] || {
        refuse prefix_file "$1"
        return 1
    }
    mount_options "$folder"
    case ,$options, in
    *,ro,*) ;; # root may write everywhere, says `test -w` of busybox
    *) [ ! -w "$folder" ] || return 0 ;;
    esac
    refuse not_writable "$folder" "$with_p"
    return 1
}

# mount_options FOLDER: sets `options` to those of its file system: the last of the longest mount points above it.
mount_options() {
    longest=0 options=
    set -- "$(cd -P "$1" 2>/dev/null && pwd -P)"
    while read -r _ point _ found_options _; do
        case $1/ in
        "${point%/}"/*) ;;
        *) continue ;;
        esac
        [ "${#point}" -ge "$longest" ] || continue
        longest=${#point} options=$found_options
    done </proc/self/mounts
}

# paths_below FOLDER: everything in it, one a line and sorted, our own state aside. (A hard link counts each time.)
paths_below() {
    (cd "$1" && du -al .) | while IFS="$tab" read -r _ name; do
        case $name in
        . | ./.hubforge | ./.hubforge/*) ;;
        *) echo "${name#./}" ;;
        esac
    done | LC_ALL=C sort
}

# Sets `prefix` to an absolute path, and `state`.
settle_prefix() {
    settle "${prefix:-$default_prefix}"
    prefix=$path state=$path/.hubforge
}

check_prefix_name() {
    stops_before=$stops
    case $prefix in
    *[!ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+@/-]*) refuse prefix_characters "$prefix" "$with_p" ;;
    /) refuse prefix_root ;;
    esac
    [ "${#prefix}" -le "$prefix_limit" ] || refuse prefix_length "$prefix" "${#prefix}" "$prefix_limit"
    [ "$stops" -eq "$stops_before" ]
}

# Whether nothing of anybody's is among `content`: a volume that is mounted for the prefix brings lost+found.
is_new() {
    [ ! -e "$state/installed.json" ] || return 1
    printf '%s\n' "$content" | while read -r name; do
        case $name in
        '' | .hubforge | lost+found) ;;
        *) exit 1 ;;
        esac
    done
}

# Whether another run is at work here, in `holder`: the one whose pid is in the lock (begin_work) and that has it open; a
# killed one leaves the lock, and its pid becomes another's. To try the lock takes the helper, which has to be written.
is_at_work() {
    holder=
    [ ! -r "$state/lock" ] || read -r holder <"$state/lock"
    [ "${holder:-$$}" != $$ ] || return 1
    for opened in "/proc/$holder/fd"/*; do
        # shellcheck disable=SC3013  # as in choose_log
        [ ! "$opened" -ef "$state/lock" ] || return 0
    done
    return 1
}

# Sets `mode`: "new" when everything in the prefix is or will be ours, "over" when something was there before.
check_prefix_state() {
    if [ -d "$prefix" ]; then
        content=$(ls -A "$prefix") || {
            refuse not_writable "$prefix" "$with_p"
            return 0
        }
    else
        content=
    fi
    if [ -h "$prefix/pkgs" ]; then
        refuse cache_link "$prefix/pkgs"
    elif is_at_work; then
        resume=1 # it has used up a part of the space already, as an interrupted one
        refuse running "$holder" "$prefix"
    elif [ -f "$state/installing" ]; then
        read -r _ mode installing_boot <"$state/installing" || mode=over
        resume=1
        # A release is complete here, this one or that before: nothing needs to go.
        [ ! -e "$state/installed.json" ] || mode=over
        fine prefix_resumed "$prefix"
        check_downgrade
    elif is_new; then
        mode=new
        fine prefix_fine "$prefix"
    elif [ -n "$upgrade$force" ] && database_is_on_its_way; then
        refuse database_on_its_way "$prefix" "$state/upgrade/finish" "$state/upgrade/finish --back"
    elif [ -n "$upgrade$force" ]; then
        mode=over
        fine prefix_over "$prefix"
        check_downgrade
    else
        refuse prefix_exists "$prefix" "$with_p"
    fi
}

# Whether a `hubctl upgrade` that has not come to its end may have given the database the schema of another release.
# It knows the way on, and the one back; -u would leave the database as it is, and take both ways away.
database_is_on_its_way() {
    [ -r "$state/upgrade/journal.json" ] || return 1
    while read -r key value; do
        [ "$key ${value%,}" != '"is_migrated": true' ] || return 0
    done <"$state/upgrade/journal.json"
    return 1
}

check_downgrade() {
    find_release_before
    [ -n "$release_before" ] && [ -z "$downgrade" ] || return 0
    ! is_older "$version" "$release_before" || refuse downgrade "$prefix" "$release_before" "$version"
}

check_prefix() {
    existing_folder "$prefix"
    if check_prefix_name && writable_folder "$prefix"; then check_prefix_state; fi
    measure_space "$folder"
    measure_need
    # An interrupted run has used up a part of the space already.
    [ -z "$resume" ] || return 0
    case $free_mib in
    '') warn space_unknown "$folder" "$needed_mib" ;; # a full disk will say so itself
    *)
        if [ "$free_mib" -ge "$needed_mib" ]; then
            fine space_fine "$folder" "$free_mib" "$needed_mib"
        else
            refuse space "$folder" "$free_mib" "$needed_mib"
        fi
        ;;
    esac
}

# Sets `needed_mib`: all that is unpacked, and what -t copies then; over an installation of the packages those that its
# cache has not yet, or what works out the upgrade, which is gone before they are unpacked.
measure_need() {
    copied=0
    [ -z "$run_tests" ] || copied=$copied_mib
    needed_mib=$((installed_mib + copied))
    [ "$mode" = over ] || return 0
    needed_mib=$(part packages | {
        unpacked=$((copied * 1024)) planning=0
        while read -r _ _ _ _ _ _ _ _ name _ kib; do
            [ -d "$prefix/pkgs/$name" ] || unpacked=$((unpacked + kib))
            ! in_bootstrap "$name" || planning=$((planning + kib))
        done
        [ "$unpacked" -ge "$planning" ] || unpacked=$planning
        echo $(((unpacked + 1023) / 1024))
    })
}

# measure_space FOLDER: sets `free_mib`; empty when there is no figure.
measure_space() {
    line=$(LC_ALL=C df -Pk "$1" 2>/dev/null | tail -n 1)
    # shellcheck disable=SC2086  # the fourth word is what is available, in KiB
    set -- $line
    case ${4:-} in
    '' | *[!0-9]*) free_mib= ;;
    *) free_mib=$(($4 / 1024)) ;;
    esac
}
