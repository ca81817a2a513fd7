#!/bin/sh
# Runs `python -m forge "$@"` on a machine that may hold nothing but Debian's base system, make and this checkout:
# first the Debian packages that the command needs, then a virtual environment of locked tools, then forge itself.
set -eu

checkout=$(cd "$(dirname "$0")/.." && pwd)
lock=$checkout/lockfiles/pypi/forge.txt

# What a service starts, such as a CI runner's job, may have no HOME.
: "${HOME:=$(getent passwd "$(id -u)" | cut -d : -f 6)}"
export HOME
cache=${XDG_CACHE_HOME:-$HOME/.cache}/hubforge

# Debian packages, by what needs them.
tools="python3 python3-venv ca-certificates"
compiling="gcc libc6-dev make patch perl m4 bison autoconf automake libtool libltdl-dev pkg-config xz-utils binutils ncurses-bin
    tcl unzip"
imaging="mmdebstrap uidmap"
testing="docker.io krb5-kdc krb5-admin-server krb5-user libpam-krb5 faketime chromium shellcheck busybox zstd
    e2fsprogs git gnupg iproute2 libpam0g openssh-client openssl systemd zsh fish fonts-dejavu-core"

die() {
    printf '%s\n' "$*" >&2
    exit 1
}

# Whether a command is running, and what it prints.
running=
log=

interrupted() {
    trap '' INT TERM HUP
    if [ -n "$running" ]; then
        kill -- "-$!" 2>/dev/null || kill "$!" 2>/dev/null || true
        wait "$!" 2>/dev/null || true  # the shell would say "Terminated"
    fi
    rm -f "$log"
    echo 'interrupted: the same command goes on from here' >&3
    exit 130
}
exec 3>&2  # where the person reads, also while a command's own output goes elsewhere
trap interrupted INT TERM HUP

# Runs a command as a group of its own, which an interruption ends. The exit code is the command's.
interruptibly() {
    running=yes
    setsid "$@" &
    wait "$!" && code=0 || code=$?
    running=
    return "$code"
}

# Runs a command whose output matters only when it fails: then dies of what the other arguments say, or of a full disk.
quietly() {
    what=$1 advice=$2
    shift 2
    log=$(mktemp)
    interruptibly "$@" >"$log" 2>&1 && failed= || failed=yes
    if [ -n "$failed" ]; then
        { grep '^Looking in ' "$log" || true; tail -n 15 "$log"; } | sed 's,://[^/ ]*@,://****@,g' >&2
        if grep -q -e 'No space left on device' -e 'enough free space' -e 'quota exceeded' "$log"; then
            advice="The disk is full: make room, then run it again.
$(df -h / "${TMPDIR:-/tmp}" "$HOME" "$cache" 2>/dev/null)"
        fi
    fi
    rm -f "$log"
    log=
    [ -z "$failed" ] || die "error: $what
$advice"
}

case ${1-} in
    lock | hub-stop | --help | '') needed=$tools ;;
    lint) needed="$tools git shellcheck" ;;
    test | bench) needed="$tools $compiling $imaging $testing" ;;
    image) needed="$tools $compiling $imaging" ;;
    *) needed="$tools $compiling" ;;
esac

missing=
for package in $needed; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=absent
    [ "$status" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
    install="apt-get install -y --no-install-recommends$missing"
    if [ "$(id -u)" != 0 ]; then
        die "This needs Debian packages that are not installed. As root, run this once, then the same command again:" \
            "

  apt-get update && DEBIAN_FRONTEND=noninteractive $install
"
    fi
    printf 'Installing Debian packages:%s\n' "$missing" >&2
    export DEBIAN_FRONTEND=noninteractive
    could_not="apt could not install:$missing"
    reach="Check that this machine's apt sources reach a Debian mirror: apt-get update"
    # where an installation was interrupted, apt does nothing before this
    quietly "$could_not" "As root: dpkg --configure -a" dpkg --configure -a
    apt="apt-get -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30"
    # shellcheck disable=SC2086  # the lists are meant to be split
    quietly "$could_not" "$reach" $apt update
    # shellcheck disable=SC2086
    quietly "$could_not" "$reach" $apt install -y --no-install-recommends$missing
fi

# The virtual environment is named by what is in it, so that it is made once and never mended. The marker is written
# last: an interrupted attempt is thrown away.
python=/usr/bin/python3 # Debian's, whatever else is on PATH
version=$($python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
key=$(sha256sum <"$lock" | cut -c 1-16)
tools_folder=$cache/tools/py$version-$key
if [ ! -e "$tools_folder/complete" ]; then
    mkdir -p "$cache/tools"
    exec 9>"$cache/tools/lock"
    flock -n 9 || {
        echo "another build installs the build tools; waiting" >&2
        interruptibly flock 9
    }
fi
if [ ! -e "$tools_folder/complete" ]; then
    printf 'Installing the build tools into %s\n' "$tools_folder" >&2
    rm -rf "$tools_folder"
    could_not="pip could not install the locked tools of $lock"
    look="Look at what Python's venv prints above."
    # in two steps, because venv hides what ensurepip says
    quietly "$could_not" "$look" "$python" -m venv --without-pip "$tools_folder"
    mkdir "$tools_folder/tmp"  # what an interrupted pip leaves there goes with the folder
    quietly "$could_not" "$look" env TMPDIR="$tools_folder/tmp" "$tools_folder/bin/python" -m ensurepip --default-pip
    quietly "$could_not" "Check that this machine's pip configuration reaches a PyPI mirror: pip config list" \
        env TMPDIR="$tools_folder/tmp" PIP_RETRIES=2 \
        "$tools_folder/bin/python" -m pip install --disable-pip-version-check --require-hashes -r "$lock"
    rm -r "$tools_folder/tmp"
    : >"$tools_folder/complete"
fi
exec 3>&- 9>&-  # a build may take long, and others need not wait for it

cd "$checkout"
exec "$tools_folder/bin/python" -m forge "$@"
