#!/bin/sh
header_sha256='@HEADER_SHA256@'
# The installer of a JupyterHub server: this text, then the parts that it names, then the packages.
#
# It needs a POSIX shell and coreutils (GNU's, busybox's or another's). In this order it
#   1. reads the command line and checks this file, the machine and the prefix; nothing is written until all is well;
#   2. unpacks every package to PREFIX/pkgs, each to a temporary name first, so that it is complete or not there;
#   3. hard-links the environments from there, with the Python and the py-rattler among those very packages;
#   4. writes PREFIX/.hubforge/installed.json, prepares the host, and says what comes next.
# Without installed.json the installation is not complete; while PREFIX/.hubforge/installing is there, something is left
# to do, and the same command does it. Temporary files lie below the prefix only.
#
# This is a template: forge/installer/assemble.py fills in the values between @ signs.

set -u
umask 022

product=@NAME@
version=@VERSION@
platform=linux-64
default_prefix=@DEFAULT_PREFIX@
prefix_limit=@PREFIX_LIMIT@ # characters
glibc_needed=@GLIBC@
package_count=@PACKAGE_COUNT@
installed_mib=@INSTALLED_MIB@
python=@PYTHON@ # within PREFIX/pkgs, as the folders below
python_folders=@PYTHON_FOLDERS@
library_folders=@LIBRARY_FOLDERS@
certificates=@CERTIFICATES@ # may be empty

# This file: the header, its parts ("name offset length sha256", offsets from the header's end), the packages.
header_length=@HEADER_LENGTH@
packages_offset=@PACKAGES_OFFSET@
total_length=@TOTAL_LENGTH@
parts=@PARTS@

@MESSAGES@

# ---- telling ----

# say KEY [VALUE…]: one message to standard output.
say() {
    message_en "$1"
    shift
    # shellcheck disable=SC2059,SC2154  # the format `text` comes from the messages above
    printf "$text\n" "$@"
}

# die CODE KEY [VALUE…]: one message to standard error, and the end.
die() {
    code=$1
    shift
    say "$@" >&2
    exit "$code"
}

# ---- the command line ----

parse_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
        -b) batch=1 ;;
        -f) force=1 ;;
        -u) upgrade=1 ;;
        -s) skip_host=1 ;;
        -k | -m) ;;
        -h | --help)
            say usage "$0" "$product" "$version" "$default_prefix"
            exit 0
            ;;
        -p)
            [ $# -ge 2 ] || die 2 no_value -p
            prefix=$2
            shift
            ;;
        -p?*) prefix=${1#-p} ;;
        --list) task=list ;;
        --extract-channel)
            [ $# -ge 2 ] || die 2 no_value --extract-channel
            task=channel channel=$2
            shift
            ;;
        --extract-channel=*) task=channel channel=${1#*=} ;;
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
    [ "$task" != channel ] || [ -n "$channel" ] || die 2 no_value --extract-channel
}

# ---- this file ----

# piece OFFSET LENGTH: those bytes of this file.
piece() {
    tail -c "+$(($1 + 1))" "$self" | head -c "$2"
}

# find_part NAME: sets part_offset (from the file's beginning), part_length and part_sha256.
find_part() {
    wanted=$1
    # shellcheck disable=SC2086  # four words a part
    set -- $parts
    while [ "$1" != "$wanted" ]; do shift 4; done
    part_offset=$((header_length + $2)) part_length=$3 part_sha256=$4
}

part() {
    find_part "$1"
    piece "$part_offset" "$part_length"
}

# is_sha256 HEX: whether standard input has this sha256.
is_sha256() {
    found=$(sha256sum) && [ "${found%% *}" = "$1" ]
}

# The header without its own sum, then every part but the packages, which the helper checks (they are most of the file).
check_file() {
    size=$(wc -c <"$self") || die 1 not_a_file "$self"
    [ "$((size))" -eq "$total_length" ] || die 3 wrong_size "$self" "$((size))" "$total_length"
    sum_offset=@HEADER_SHA256_OFFSET@
    sum_end=$((sum_offset + 64))
    { piece 0 "$sum_offset" && piece "$sum_end" "$((header_length - sum_end))"; } |
        is_sha256 "$header_sha256" || die 3 wrong_part "$self" header
    # shellcheck disable=SC2086  # four words a part
    set -- $parts
    while [ $# -gt 0 ]; do
        part "$1" | is_sha256 "$4" || die 3 wrong_part "$self" "$1"
        shift 4
    done
}

# ---- the machine ----

check_tools() {
    for tool in cat chmod df head ls mkdir mv rm rmdir sha256sum sort tail uname wc; do
        command -v "$tool" >/dev/null 2>&1 || die 1 no_tool "$tool"
    done
    { [ -f "$self" ] && [ -r "$self" ]; } || die 1 not_a_file "$self"
}

check_architecture() {
    machine=$(uname -m)
    [ "$machine" = x86_64 ] || die 1 architecture "$machine"
}

# The C library says its version when it is run as a program; ldd and getconf may be missing.
check_glibc() {
    loader=/lib64/ld-linux-x86-64.so.2
    [ -x "$loader" ] || die 1 no_glibc "$loader" "$glibc_needed"
    for libc in /lib64/libc.so.6 /lib/x86_64-linux-gnu/libc.so.6 /usr/lib/libc.so.6 /lib/libc.so.6; do
        [ -f "$libc" ] || continue
        banner=$("$loader" "$libc" 2>/dev/null) || continue
        found=${banner#*release version } # "GNU C Library (…) stable release version 2.36."
        found_minor=${found#*.}
        found_minor=${found_minor%%[!0-9]*}
        found=${found%%.*}.$found_minor
        case $found in
        2.[0-9] | 2.[0-9][0-9] | 2.[0-9][0-9][0-9])
            [ "$found_minor" -ge "${glibc_needed#*.}" ] || die 1 old_glibc "$found" "$glibc_needed"
            ;;
        esac
        return
    done
}

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

# existing_folder PATH: sets `folder` to PATH or the nearest folder above it that exists.
existing_folder() {
    folder=$1
    while [ ! -e "$folder" ]; do
        folder=${folder%/*}
        folder=${folder:-/}
    done
}

check_prefix_name() {
    case $prefix in
    *[!ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+@/-]*) die 1 prefix_characters "$prefix" ;;
    /) die 1 prefix_root ;;
    esac
    [ "${#prefix}" -le "$prefix_limit" ] || die 1 prefix_length "$prefix" "${#prefix}" "$prefix_limit"
}

# Sets `mode`: "new" when everything in the prefix is or will be ours, "over" when something was there before.
check_prefix_state() {
    if [ -d "$prefix" ]; then
        content=$(ls -A "$prefix") || die 1 not_writable "$prefix"
    else
        content=
    fi
    if [ -f "$state/installing" ]; then
        read -r _ mode installing_boot <"$state/installing" || mode=over
        resume=1
        # Everything was linked, and only the host step was interrupted: nothing needs to go.
        [ ! -e "$state/installed.json" ] || mode=over
    elif [ -z "$content" ] || { [ "$content" = .hubforge ] && [ ! -e "$state/installed.json" ]; }; then
        mode=new
    elif [ -n "$upgrade$force" ]; then
        mode=over
    else
        die 1 prefix_exists "$prefix"
    fi
}

check_prefix() {
    check_prefix_name
    existing_folder "$prefix"
    [ -d "$folder" ] || die 1 prefix_file "$prefix"
    [ -w "$folder" ] || die 1 not_writable "$folder"
    check_prefix_state
    # An interrupted run has used up a part of the space already.
    [ -n "$resume" ] || check_space "$folder" "$installed_mib"
}

# check_space FOLDER MIB
check_space() {
    line=$(LC_ALL=C df -Pk "$1" | tail -n 1)
    # shellcheck disable=SC2086  # the fourth word is what is available, in KiB
    set -- "$1" "$2" $line
    case ${6:-} in
    '' | *[!0-9]*) ;; # no figure: a full disk will say so itself
    *) [ "$6" -ge "$(($2 * 1024))" ] || die 1 space "$1" "$(($6 / 1024))" "$2" ;;
    esac
}

# ---- questions ----

ask_licence() {
    say licence_follows "$product" "$version"
    if [ -t 0 ] && [ -t 1 ] && command -v more >/dev/null 2>&1; then
        part licence | more
    else
        part licence
    fi
    say licence_question
    while :; do
        read -r answer || die 2 licence_refused
        case $answer in
        [Yy] | [Yy][Ee][Ss]) return ;;
        [Nn] | [Nn][Oo]) die 2 licence_refused ;;
        esac
        say licence_again
    done
}

ask_prefix() {
    say prefix_question "$default_prefix"
    read -r answer || exit 2
    # shellcheck disable=SC2088  # it is not the shell that read the answer's tilde
    case $answer in
    '') prefix=$default_prefix ;;
    '~' | '~/'*) prefix=${HOME:-}${answer#\~} ;;
    *) prefix=$answer ;;
    esac
}

# ---- work folder, lock, clean-up ----

boot_id() {
    boot=unknown
    [ ! -r /proc/sys/kernel/random/boot_id ] || read -r boot </proc/sys/kernel/random/boot_id
}

# Takes the lock of the prefix, over a lock whose holder is gone.
take_lock() {
    lock=$state/lock
    if ! (set -C && echo "$$ $boot" >"$lock") 2>/dev/null; then
        read -r holder holder_boot <"$lock" || holder=
        if [ -n "$holder" ] && [ "$holder_boot" = "$boot" ] && [ -d "/proc/$holder" ]; then
            lock=
            die 1 running "$holder" "$prefix"
        fi
        echo "$$ $boot" >"$lock" || die 1 not_writable "$state"
    fi
}

# make_work FOLDER: the temporary folder, with the helper and the list of packages in it.
make_work() {
    work=$1
    { rm -rf "$work" && mkdir "$work" && chmod 700 "$work"; } || die 1 not_writable "${work%/*}"
    helper=$work/unpack
    { part helper >"$helper" && chmod 700 "$helper" && part packages >"$work/packages"; } || die 1 not_writable "$work"
    find_part helper
    [ "$("$helper" sha256 "$helper" 2>/dev/null)" = "$part_sha256" ] || die 1 noexec "$work"
}

check_packages() {
    say checking "$package_count"
    "$helper" verify "$self" "$work/packages" "$packages_offset"
    case $? in
    0) ;;
    3) die 3 wrong_packages "$self" ;;
    *) die 1 not_a_file "$self" ;;
    esac
}

# remove_empty FOLDER STOP: FOLDER and the empty folders above it, up to STOP, which was there before.
# shellcheck disable=SC2317  # called by the trap, as the next two
remove_empty() {
    empty=$1
    while [ "$empty" != "$2" ] && rmdir "$empty" 2>/dev/null; do
        empty=${empty%/*}
        empty=${empty:-/}
    done
}

# Whatever happened: no temporary files stay, and when nothing was begun, no new folders either.
# shellcheck disable=SC2317
clean_up() {
    [ -z "$work" ] || rm -rf "$work"
    [ -z "$lock" ] || rm -f "$lock"
    [ -n "$begun" ] || [ -z "$made" ] || remove_empty "$made" "$made_below"
}

# shellcheck disable=SC2317
interrupted() {
    [ -z "$begun" ] || say interrupted "$prefix" >&2
    [ -n "$begun" ] && exit 4
    exit 1
}

fail() {
    die 4 failed "$prefix"
}

# ---- installing ----

# From here on the prefix is known to be incomplete.
begin() {
    if [ -f "$state/installed.json" ]; then
        mv "$state/installed.json" "$state/replaced.json" || fail
    fi
    { echo "$version $mode $boot" >"$state/installing.new" && mv "$state/installing.new" "$state/installing"; } || fail
    begun=1
}

unpack_packages() {
    say unpacking "$package_count"
    mkdir -p "$prefix/pkgs" || fail
    # After a power cut files may be there without their content; after a kill they cannot.
    command=unpack
    [ -z "$resume" ] || [ "${installing_boot:-}" = "$boot" ] || command=afresh
    "$helper" "$command" "$self" "$work/packages" "$packages_offset" "$prefix/pkgs" || fail
}

# folder_list FOLDERS: sets `list` to them, below PREFIX/pkgs, joined with colons.
folder_list() {
    list=
    for folder in $1; do list=$list${list:+:}$prefix/pkgs/$folder; done
}

link_environments() {
    say linking
    for name in index.json link.py; do part "$name" >"$work/$name" || fail; done
    for subdir in "$platform" noarch; do
        find_part "repodata-$subdir"
        "$helper" cat "$self" "$part_offset" "$part_length" >"$work/repodata-$subdir.json" || fail
    done
    folder_list "$python_folders" && python_path=$list
    folder_list "$library_folders" && library_path=$list
    # Nothing of the caller's environment: a PYTHONHOME or LD_PRELOAD of theirs must not decide what is installed.
    # py-rattler does not start without certificates, though nothing is fetched; the host may have none.
    env -i PATH=/usr/bin:/bin HOME="$work" TMPDIR="$work" PYTHONPATH="$python_path" LD_LIBRARY_PATH="$library_path" \
        ${certificates:+"SSL_CERT_FILE=$prefix/pkgs/$certificates"} \
        "$prefix/pkgs/$python" -S -s -B -X utf8 "$work/link.py" \
        --prefix "$prefix" --work "$work" --mode "$mode" ${force:+--relink} ${resume:+--resume} \
        --command "$command_line" </dev/null || fail
}

# The marker is the last file; what it vouches for must be on the disk before it.
mark_installed() {
    sync -f "$prefix" 2>/dev/null || sync
    mv "$work/installed.json" "$state/installed.json" || fail
    rm -f "$state/replaced.json" || fail
}

prepare_host() {
    if [ -n "$skip_host" ]; then
        say host_skipped
        return 0
    fi
    [ "$(part post_install | wc -c)" -gt 0 ] || return 0
    say preparing
    part post_install >"$work/post_install" || return 1
    (
        cd "$prefix" || exit 1
        # What constructor's installers give to such a script.
        export PREFIX="$prefix" INSTALLER_NAME="$product" INSTALLER_VER="$version" INSTALLER_PLAT="$platform" \
            INSTALLER_TYPE=SH INSTALLER_UNATTENDED="${batch:-0}" INSTALLER_PATH="$self"
        sh "$work/post_install"
    )
}

# The closing text, with the prefix put in.
conclude() {
    say installed "$product" "$version" "$prefix"
    closing=$(part conclusion)
    shown=
    while :; do
        case $closing in
        *'{PREFIX}'*)
            shown=$shown${closing%%'{PREFIX}'*}$prefix
            closing=${closing#*'{PREFIX}'}
            ;;
        *) break ;;
        esac
    done
    printf '%s\n' "$shown$closing"
}

install() {
    check_glibc
    if [ -z "$batch" ]; then
        ask_licence
        [ -n "$prefix" ] || ask_prefix
    fi
    absolute "${prefix:-$default_prefix}"
    prefix=$path state=$path/.hubforge
    check_prefix
    say summary "$product" "$version" "$package_count" "$prefix" "$installed_mib"
    [ -z "$resume" ] || say resuming

    made_below=$folder made=$state
    mkdir -p "$state" || die 1 not_writable "$folder"
    take_lock
    make_work "$state/tmp"
    check_packages

    begin
    unpack_packages
    link_environments
    mark_installed
    prepare_host
    host_status=$?
    rm -f "$state/installing" || fail
    [ "$host_status" -eq 0 ] || die 5 host_step
    conclude
}

# ---- the other tasks ----

list_packages() {
    part packages | while read -r _ _ _ _ _ _ _ _ full_name environments; do
        build=${full_name##*-}
        full_name=${full_name%-*}
        printf '%-32s %-18s %-24s %s\n' "${full_name%-*}" "${full_name##*-}" "$build" "$environments"
    done | sort
}

extract_channel() {
    absolute "$channel"
    channel=$path
    existing_folder "$channel"
    [ -d "$folder" ] || die 1 prefix_file "$channel"
    [ -w "$folder" ] || die 1 not_writable "$folder"
    made_below=$folder made=$channel
    mkdir -p "$channel" || die 1 not_writable "$folder"
    make_work "$channel/.hubforge-tmp"
    check_packages

    prefix=$channel begun=1
    mkdir -p "$channel/$platform" "$channel/noarch" || fail
    "$helper" channel "$self" "$work/packages" "$packages_offset" "$channel" || fail
    for subdir in "$platform" noarch; do # the index last: it names only what is there
        find_part "repodata-$subdir"
        piece "$part_offset" "$part_length" >"$work/repodata.json.zst" || fail
        "$helper" cat "$self" "$part_offset" "$part_length" >"$work/repodata.json" || fail
        mv "$work/repodata.json.zst" "$work/repodata.json" "$channel/$subdir/" || fail
    done
    say channel_done "$channel" "$channel"
}

main() {
    task=install batch='' force='' upgrade='' skip_host='' prefix='' channel=''
    mode='' resume='' begun='' work='' lock='' made=''
    command_line="$0 $*"
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
    [ "$task" = list ] || check_architecture
    check_file
    case $task in
    list) list_packages ;;
    channel) extract_channel ;;
    install) install ;;
    esac
    exit
}

main "$@"
