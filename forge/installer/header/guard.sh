#!/bin/sh
# shellcheck disable=SC2034
header_sum='@HEADER_SHA256@'
rest_sum='@REST_SHA256@'
# The first act. A shell reads a script as it runs it, so that a damaged text behind this one is told before a shell
# stumbles over it. Quotes, and names without a 6, keep one wrong bit in these lines from making a redirection.
[ -f "$0" ] && case $(head -c "@HEADER_LENGTH@" "$0" | tail -c "+@REST_START@" | "sha256sum") in
"$rest_sum"* | '' | 'e3b0c44298fc1c14'*) ;; # nothing, or the sum of nothing: a command is missing, as is said below
*)
    printf '%s\n' "The installer file $0 is damaged: the sha256 of its part 'header' is wrong. Copy it again." 1>&2
    exit '3'
    ;;
esac

