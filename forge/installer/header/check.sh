# shellcheck shell=sh disable=SC2154,SC2034
# ---- --check: this file and this host, one line each; nothing is written ----

check() {
    check_packages_in_place
    fine file_fine "$self" "$package_count"
    check_architecture
    check_glibc
    check_libstdcxx
    settle_prefix
    check_prefix
    check_noexec
    check_user
    check_ports
    check_docker
    check_systemd
    check_keytab
    check_clock
    [ "$stops" -eq 0 ] || die 1 check_stops "$stops"
}

# The options of the file system that the prefix lies on: the last of the longest mount points above it.
check_noexec() {
    longest=0 options=
    while read -r _ point _ found_options _; do
        case $folder/ in
        "${point%/}"/*) ;;
        *) continue ;;
        esac
        [ "${#point}" -ge "$longest" ] || continue
        longest=${#point} options=$found_options
    done </proc/self/mounts
    case ,$options, in
    *,noexec,*) refuse noexec "$folder" ;;
    *) fine exec_fine "$folder" ;;
    esac
}

check_user() {
    if [ "$(id -u)" != 0 ]; then
        warn not_root
        return 0
    fi
    while IFS=: read -r name _; do
        if [ "$name" = jupyterhub ]; then
            fine group_fine jupyterhub
            return 0
        fi
    done </etc/group
    if command -v groupadd >/dev/null 2>&1; then fine group_new jupyterhub; else warn no_groupadd jupyterhub; fi
}

# The hub's ports as /proc/net/tcp writes them; 0A is a socket that listens.
check_ports() {
    for pair in 8000:1F40 8001:1F41 8081:1F91; do
        if port_taken "${pair#*:}"; then warn port_taken "${pair%:*}"; else fine port_free "${pair%:*}"; fi
    done
}

port_taken() {
    for table in /proc/net/tcp /proc/net/tcp6; do
        [ -r "$table" ] || continue
        while read -r _ local_address _ socket_state _; do
            [ "${local_address##*:} $socket_state" != "$1 0A" ] || return 0
        done <"$table"
    done
    return 1
}

check_docker() {
    if [ ! -S /run/docker.sock ] && [ ! -S /var/run/docker.sock ]; then
        warn no_docker
    elif command -v docker >/dev/null 2>&1 && ! docker version >/dev/null 2>&1; then
        warn docker_silent
    else
        fine docker_fine
    fi
}

check_systemd() {
    if [ -d /run/systemd/system ]; then fine systemd_fine; else warn no_systemd; fi
}

check_keytab() {
    if [ -e /etc/krb5.keytab ]; then fine keytab_fine /etc/krb5.keytab; else warn no_keytab /etc/krb5.keytab; fi
}

# Kerberos wants the clocks of all machines within five minutes; certificates want the right year.
check_clock() {
    now=$(date -u '+%Y-%m-%d %H:%M UTC')
    if [ "$(date +%s)" -lt "$released" ]; then
        warn clock_behind "$now"
    elif command -v timedatectl >/dev/null 2>&1 &&
        [ "$(timedatectl show -p NTPSynchronized --value 2>/dev/null)" = no ]; then
        warn clock_alone "$now"
    else
        fine clock_fine "$now"
    fi
}
