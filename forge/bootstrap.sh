#!/bin/sh
# Runs `python -m forge "$@"` on a machine that may hold nothing but Debian's base system, make and this checkout:
# first the Debian packages that the command needs, then a virtual environment of locked tools, then forge itself.
set -eu

checkout=$(cd "$(dirname "$0")/.." && pwd)
lock=$checkout/lockfiles/pypi/forge.txt

# What a service starts, such as a CI runner's job, may have no HOME.
: "${HOME:=$(getent passwd "$(id -u)" | cut -d : -f 6)}"
export HOME

# Debian packages, by what needs them.
tools="python3 python3-venv ca-certificates"
compiling="gcc libc6-dev make patch perl m4 bison autoconf automake libtool libltdl-dev pkg-config xz-utils binutils ncurses-bin
    tcl unzip"
imaging="mmdebstrap uidmap"
testing="docker.io krb5-kdc krb5-admin-server krb5-user libpam-krb5 faketime chromium shellcheck busybox zstd
    git gnupg iproute2 libpam0g openssl systemd zsh fish fonts-dejavu-core"

die() {
    printf '%s\n' "$*" >&2
    exit 1
}

# Runs a command whose output matters only when it fails.
quietly() {
    log=$(mktemp)
    "$@" >"$log" 2>&1 && failed= || failed=yes
    [ -z "$failed" ] || tail -n 15 "$log" >&2
    rm -f "$log"
    [ -z "$failed" ]
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
    # shellcheck disable=SC2086  # the list is meant to be split
    { quietly apt-get update && quietly $install; } ||
        die "apt could not install:$missing
Check that this machine's apt sources reach a Debian mirror: apt-get update"
fi

# The virtual environment is named by what is in it, so that it is made once and never mended. The marker is written
# last: an interrupted attempt is thrown away.
python=/usr/bin/python3 # Debian's, whatever else is on PATH
version=$($python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
key=$(sha256sum <"$lock" | cut -c 1-16)
tools_folder=${XDG_CACHE_HOME:-$HOME/.cache}/hubforge/tools/py$version-$key
if [ ! -e "$tools_folder/complete" ]; then
    printf 'Installing the build tools into %s\n' "$tools_folder" >&2
    rm -rf "$tools_folder"
    mkdir -p "$(dirname "$tools_folder")"
    $python -m venv "$tools_folder"
    quietly "$tools_folder/bin/python" -m pip install --disable-pip-version-check --require-hashes -r "$lock" ||
        die "pip could not install the locked tools of $lock
Check that this machine's pip configuration reaches a PyPI mirror: pip config list"
    : >"$tools_folder/complete"
fi

cd "$checkout"
exec "$tools_folder/bin/python" -m forge "$@"
