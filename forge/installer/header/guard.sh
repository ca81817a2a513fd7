#!/bin/sh
# shellcheck disable=SC2034
header_sha256='@HEADER_SHA256@'
rest_sha256='@REST_SHA256@'
# The first act. A shell reads a script as it runs it, so that a damaged text behind this one is told before a shell
# stumbles over it. The quotes keep one wrong bit here from turning a letter into a redirection.
[ -f "$0" ] && case $(head -c "@HEADER_LENGTH@" "$0" | tail -c "@REST_LENGTH@" | "sha256sum") in
"$rest_sha256"* | '') ;; # nothing at all: a command is missing, which is said below
*)
    printf '%s\n' "The installer file $0 is damaged: the sha256 of its part 'header' is wrong. Copy it again." 1>&2
    exit '3'
    ;;
esac

