# shellcheck shell=sh disable=SC2154,SC2034,SC2317
# ---- work folder, lock, log, clean-up ----

boot_id() {
    boot=unknown
    [ ! -r /proc/sys/kernel/random/boot_id ] || read -r boot </proc/sys/kernel/random/boot_id
}

# Makes `state`, takes its lock, and lays the helper and the list of packages into a temporary folder in it.
#
# The kernel gives the lock back when this process and all that it has started are gone: after a kill -9 of this one,
# the others end what they are at, and the next run waits for that.
begin_work() {
    made=$state
    mkdir -p "$state" || die 1 not_writable "${state%/*}" "$with_p"
    make_work
    file=$state/lock
    while (: >>"$file") 2>/dev/null || die 1 not_writable "$state" "$with_p"; do
        exec 9>>"$file"
        "$helper" lock 9 "$file" && break
        [ $? = 1 ] || die 1 not_writable "$state" "$with_p"
        read -r holder <"$file" || holder=
        if [ -n "$holder" ] && [ "$holder" != $$ ] && [ -d "/proc/$holder" ]; then die 1 running "$holder" "$prefix"; fi
        [ -z "$holder" ] || say waiting "$prefix"
        "$helper" lock 9 "$file" wait && break
    done
    lock=$file
    for leftover in "$state"/tmp.*; do
        holder=${leftover##*/tmp.}
        [ -d "/proc/${holder%%.*}" ] || rm -rf "$leftover"
    done
}

# A folder of its own for each run: one that has yet to learn that it is the second must not touch the first one's.
make_work() {
    work=$state/tmp.$$ tries=
    while ! mkdir -m 700 "$work" 2>/dev/null; do
        if [ -e "$work" ]; then
            work=$work.1
        else # where the folder was empty, a run that ends now has taken it away
            tries=$tries.
            { [ ${#tries} -lt 10 ] && mkdir -p "$state" 2>/dev/null; } || die 1 not_writable "$state" "$with_p"
        fi
    done
    helper=$work/unpack
    { part helper >"$helper" && chmod 700 "$helper" && part packages >"$work/packages"; } || no_room_for_work
    find_part helper
    [ "$("$helper" sha256 "$helper" 2>/dev/null)" = "$part_sha256" ] || die 1 noexec "$prefix"
}

# The helper and the list take less than a MiB. A disk that is full even for them is no matter of rights.
no_room_for_work() {
    measure_space "$state"
    [ "${free_mib:-1}" -gt 0 ] || die 1 space "$state" 0 1
    die 1 not_writable "$work" "$with_p"
}

check_packages() {
    say checking "$package_count"
    message progress_checking
    # The line that moves goes to the terminal, what is wrong into `said`.
    { said=$("$helper" verify "$self" "$work/packages" "$packages_offset" "$text" 2>&1 >&3 3>&-); } 3>&1
    case $? in
    0) ;;
    3)
        check_packages_in_place # names the package in the user's language
        die 3 wrong_packages "$self"
        ;;
    *)
        printf '%s\n' "$said" >&2
        die 1 not_a_file "$self"
        ;;
    esac
}

# Sets `log_target`, the file that the log will be: as asked for, else root's common one, else one beside the prefix.
choose_log() {
    log_target=$wanted_log
    if [ -n "$log_target" ]; then
        absolute "$log_target"
        log_target=$path
        # shellcheck disable=SC3013  # in POSIX since 2024; the shells that are meant have had it for long
        [ ! "$log_target" -ef "$self" ] || die 2 log_is_this_file "$log_target"
        can_append "$log_target" || die 1 log_not_writable "$log_target"
        return 0
    fi
    default_log
    can_append "$log_target" || no_log
}

default_log() {
    if [ "$(id -u)" = 0 ]; then log_target=/var/log/hubforge-install.log; else log_target=$prefix-install.log; fi
}

# can_append FILE: opens it, since `test -w` knows nothing of read-only mounts and of /proc. What was not there goes again.
can_append() {
    if [ -e "$1" ] || [ -L "$1" ]; then
        { true >>"$1"; } 2>/dev/null
    else
        { true >>"$1"; } 2>/dev/null && rm -f "$1"
    fi
}

no_log() {
    say no_log "$log_target"
    log_target=/dev/null
}

# A full disk refuses it only now.
begin_log() {
    { echo "==== $(date -u '+%Y-%m-%dT%H:%M:%SZ') $product $version, $prefix: $command_line" >>"$log_target"; } 2>/dev/null || no_log
    log=$log_target
}

# remove_empty FOLDER STOP: FOLDER and the empty folders above it, up to STOP, which was there before.
# shellcheck disable=SC2317  # called by the trap
remove_empty() {
    empty=$1
    while [ "$empty" != "$2" ] && rmdir "$empty" 2>/dev/null; do
        empty=${empty%/*}
        empty=${empty:-/}
    done
}

# Whatever happened: no temporary files stay, and when nothing was begun, no new folders either, and no empty
# ones in a channel. A disk that takes nothing any more lets nothing be removed: why this run ends has been said by then.
# shellcheck disable=SC2317  # called by the trap
clean_up() {
    ended=$?
    [ -z "$work" ] || rm -rf "$work" 2>/dev/null
    [ -z "$lock" ] || rm -f "$lock" 2>/dev/null
    [ -z "$made" ] || { [ -n "$begun" ] && [ "$task" != extract-channel ]; } || remove_empty "$made" "$made_below"
    # A signal that comes while bash starts a pipeline ends it without that signal's trap.
    [ -n "$code" ] || case $ended in
    0) ;;
    129 | 130 | 143) interrupted ;;
    *) [ -z "$begun" ] || interrupted ;;
    esac
}

# On a terminal the cursor is behind a question or in the line that moves.
# shellcheck disable=SC2317  # called by the trap
interrupted() {
    [ ! -t 2 ] || echo >&2
    [ -n "$begun" ] || die 1 interrupted_early
    case $task in
    uninstall) die 4 removal_failed "$prefix" ;;
    extract-channel) die 4 channel_failed "$prefix" ;;
    *) die 4 interrupted "$prefix" ;;
    esac
}

fail() {
    if [ "$task" = extract-channel ]; then die 4 channel_failed "$prefix"; else die 4 failed "$prefix"; fi
}
