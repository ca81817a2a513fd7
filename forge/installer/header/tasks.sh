# shellcheck shell=sh disable=SC2154,SC2034
# ---- the other tasks ----

list_packages() {
    part packages | while read -r _ _ _ _ _ _ _ _ full_name environments; do
        build=${full_name##*-}
        full_name=${full_name%-*}
        printf '%-32s %-18s %-24s %s\n' "${full_name%-*}" "${full_name##*-}" "$build" "$environments"
    done | sort
}

extract_channel() {
    check_architecture
    absolute "$channel"
    channel=$path
    writable_folder "$channel"
    made_below=$folder prefix=$channel state=$channel/.hubforge
    begin_work
    check_packages

    begun=1
    mkdir -p "$channel/$platform" "$channel/noarch" || fail
    message progress_writing
    "$helper" channel "$self" "$work/packages" "$packages_offset" "$channel" "$text" || fail
    for subdir in "$platform" noarch; do # the index last: it names only what is there
        find_part "repodata-$subdir"
        piece "$part_offset" "$part_length" >"$work/repodata.json.zst" || fail
        "$helper" cat "$self" "$part_offset" "$part_length" >"$work/repodata.json" || fail
        mv "$work/repodata.json.zst" "$work/repodata.json" "$channel/$subdir/" || fail
    done
    begun=
    say channel_done "$channel" "$channel"
}
