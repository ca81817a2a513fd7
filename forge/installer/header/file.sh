# shellcheck shell=sh disable=SC2154,SC2034
# ---- this file ----

# piece OFFSET LENGTH: those bytes of this file. `tail | head` would not read all that is before, but where SIGPIPE is
# ignored, as below systemd, tails complain about a head that has enough. Without its plus sign, Rust's tail (0.0.30)
# gives wrong bytes of a pipe.
piece() {
    head -c "$(($1 + $2))" "$self" | tail -c "+$(($1 + 1))"
}

# find_part NAME: sets part_offset (from the file's beginning), part_length and part_sha256. False where a damaged list has
# lost it.
find_part() {
    wanted=$1
    # shellcheck disable=SC2086  # four words a part
    set -- $parts
    while [ "$1" != "$wanted" ]; do
        [ $# -gt 4 ] || return 1
        shift 4
    done
    part_offset=$((header_length + $2)) part_length=$3 part_sha256=$4
}

part() {
    find_part "$1" && piece "$part_offset" "$part_length"
}

# is_sha256 HEX: whether standard input has this sha256.
is_sha256() {
    found=$(sha256sum) && [ "${found%% *}" = "$1" ]
}

# All but the packages, which the helper checks (they are most of the file), and the sum itself. It is read once; which
# part is damaged is looked for only when one is.
check_file() {
    size=$(wc -c <"$self") || die 1 not_a_file "$self"
    { [ -n "$total_length" ] && [ -n "$parts" ]; } || die 3 wrong_part "$self" header
    sum_offset=@HEADER_SHA256_OFFSET@
    sum_end=$((sum_offset + 64))
    { head -c "$sum_offset" "$self" && piece "$sum_end" "$((packages_offset - sum_end))"; } |
        is_sha256 "$header_sum" && [ "$((size))" -eq "$total_length" ] && return
    find_wrong_part
    [ "$((size))" -eq "$total_length" ] || die 3 wrong_size "$self" "${wrong:-end}" "$((size))" "$total_length"
    die 3 wrong_part "$self" "${wrong:-header}"
}

# The packages, without the helper, which would have to be written somewhere. They are read once, as above.
check_packages_in_place() {
    tail -c "+$((packages_offset + 1))" "$self" | is_sha256 "$packages_sha256" && return
    find_wrong_package
    die 3 wrong_part "$self" "$wrong"
}

# Sets `wrong` to the first part or package that is not as it should be; empty where all are.
find_wrong_part() {
    # shellcheck disable=SC2086  # four words a part
    set -- $parts
    while [ $# -gt 0 ]; do
        wrong=$1
        part "$1" | is_sha256 "$4" || return 0
        shift 4
    done
    find_wrong_package
}

# Where SIGPIPE is ignored, tails complain here, too.
find_wrong_package() {
    wrong=$(part packages | while read -r package_sha256 offset length _ _ _ _ _ name _; do
        tail -c "+$((packages_offset + offset + 1))" "$self" 2>/dev/null | head -c "$length" |
            is_sha256 "$package_sha256" || { echo "$name" && break; }
    done)
}
