# shellcheck shell=sh disable=SC2154,SC2034
# ---- the machine ----

check_tools() {
    for tool in cat chmod date df du env head id ls mkdir mv rm rmdir sha256sum sort tail tee uname uniq wc; do
        command -v "$tool" >/dev/null 2>&1 || die 1 no_tool "$tool"
    done
    { [ -f "$self" ] && [ -r "$self" ]; } || die 1 not_a_file "$self"
    # It tells what is mounted and which processes live; programs find the libraries beside them through it.
    [ -r /proc/self/mounts ] || die 1 no_proc
}

check_architecture() {
    machine=$(uname -m)
    if [ "$machine" = x86_64 ]; then fine architecture_fine "$machine"; else refuse architecture "$machine"; fi
}

# The C library says its version when it is run as a program; ldd and getconf may be missing.
check_glibc() {
    loader=/lib64/ld-linux-x86-64.so.2
    [ -x "$loader" ] || {
        refuse no_glibc "$loader" "$glibc_needed"
        return 0
    }
    for libc in /lib64/libc.so.6 /lib/x86_64-linux-gnu/libc.so.6 /usr/lib/libc.so.6 /lib/libc.so.6; do
        [ -f "$libc" ] || continue
        banner=$("$loader" "$libc" 2>/dev/null) || continue
        found=${banner#*release version } # "GNU C Library (…) stable release version 2.36."
        found_minor=${found#*.}
        found_minor=${found_minor%%[!0-9]*}
        found=${found%%.*}.$found_minor
        case $found in
        2.[0-9] | 2.[0-9][0-9] | 2.[0-9][0-9][0-9])
            if [ "$found_minor" -ge "${glibc_needed#*.}" ]; then
                fine glibc_fine "$found" "$glibc_needed"
            else
                refuse old_glibc "$found" "$glibc_needed"
            fi
            ;;
        *) warn glibc_unknown "$glibc_needed" ;;
        esac
        return 0
    done
    # gcompat puts a loader for musl to the place of glibc's.
    for musl in /lib/ld-musl-*.so.1; do
        [ ! -e "$musl" ] || {
            refuse no_glibc libc.so.6 "$glibc_needed"
            return 0
        }
    done
    warn glibc_unknown "$glibc_needed"
}

# node, which the proxy runs on, takes the server's.
check_libstdcxx() {
    for libstdcxx in /lib64 /usr/lib64 /lib/x86_64-linux-gnu /usr/lib/x86_64-linux-gnu /lib /usr/lib; do
        if [ -e "$libstdcxx/libstdc++.so.6" ] && [ -e "$libstdcxx/libgcc_s.so.1" ]; then
            fine libstdcxx_fine "$libstdcxx"
            return 0
        fi
    done
    warn no_libstdcxx
}
