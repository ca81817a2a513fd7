# shellcheck shell=sh disable=SC2154,SC2034
# ---- the other tasks ----

list_packages() {
    part packages | while read -r _ _ _ _ _ _ _ _ full_name environments _; do
        build=${full_name##*-}
        full_name=${full_name%-*}
        printf '%-32s %-18s %-24s %s\n' "${full_name%-*}" "${full_name##*-}" "$build" "$environments"
    done | sort
}

extract_channel() {
    check_architecture
    settle "$channel"
    channel=$path
    writable_folder "$channel"
    for subdir in "$platform" noarch; do
        [ ! -h "$channel/$subdir" ] || refuse channel_link "$channel/$subdir"
    done
    check_channel_space
    made_below=$folder prefix=$channel state=$channel/.hubforge
    begin_work
    check_packages

    refuse_rewriting
    find_others

    begun=1
    mkdir -p "$channel/$platform" "$channel/noarch" || fail
    message progress_writing
    "$helper" channel "$self" "$work/packages" "$packages_offset" "$channel" "$text" || fail
    # the index last: it names only what is there
    if [ -n "$others" ]; then index_with_others; else lay_index; fi
    begun=
    say channel_done "$channel" "$channel"
}

# Room for the packages that are not there yet, and two MiB for the index and the helper. Where that cannot be told, a
# full disk will say so itself.
check_channel_space() {
    measure_space "$folder"
    needed_mib=$(part packages | {
        bytes=0
        while read -r _ _ length _ _ _ _ subdir name _; do
            [ -f "$channel/$subdir/$name.conda" ] || bytes=$((bytes + length))
        done
        echo $((bytes / 1048576 + 2))
    })
    [ "${free_mib:-$needed_mib}" -ge "$needed_mib" ] || refuse space "$folder" "$free_mib" "$needed_mib"
}

# A name that a channel has published stands for the same bytes for ever.
refuse_rewriting() {
    while read -r package_sha256 _ _ _ _ _ _ subdir name _; do
        file=$channel/$subdir/$name.conda
        [ ! -f "$file" ] || is_sha256 "$package_sha256" <"$file" || die 1 channel_other "$file"
    done <"$work/packages"
}

# Sets `others` where the channel holds packages, of other releases, that this file does not carry.
find_others() {
    names=' ' others=
    while read -r _ _ _ _ _ _ _ subdir name _; do names="$names$subdir/$name.conda "; done <"$work/packages"
    for file in "$channel/$platform"/*.conda "$channel/noarch"/*.conda "$channel"/*/*.tar.bz2; do
        [ -f "$file" ] || continue
        case $names in
        *" ${file#"$channel"/} "*) ;;
        *) others=1 ;;
        esac
    done
}

lay_index() {
    for subdir in "$platform" noarch; do
        find_part "repodata-$subdir"
        piece "$part_offset" "$part_length" >"$work/repodata.json.zst" || fail
        "$helper" cat "$self" "$part_offset" "$part_length" >"$work/repodata.json" || fail
        mv "$work/repodata.json.zst" "$work/repodata.json" "$channel/$subdir/" || fail
    done
}

# An index of all that is there, by the Python that this file carries: what was published before stays in it.
index_with_others() {
    say indexing
    { part index_channel.py >"$work/index_channel.py" && unpack_bootstrap; } || fail
    carried_python "$work/pkgs" index_channel.py "$channel" || fail
}
