# shellcheck shell=sh disable=SC2154,SC2034
# ---- --check: this file and this host, one line each; nothing is written ----

check() {
    check_packages_in_place
    fine file_fine "$self" "$package_count"
    check_signature
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
    shown "$unsaid"
}

# The detached signature beside the file, by the key beside it: OpenSSH's kind (sshsig) or openssl's.
check_signature() {
    signature=$self.sig key=${self%/*}/hubforge.pub
    if [ ! -f "$signature" ]; then
        fine signature_none "$signature"
    elif [ ! -f "$key" ]; then
        warn signature_without_key "$signature" "$key"
    else
        first=
        read -r first <"$key"
        case $first in
        ssh-* | ecdsa-* | sk-*) check_signature_with ssh-keygen ;;
        *) check_signature_with openssl ;;
        esac
    fi
}

# check_signature_with TOOL
check_signature_with() {
    command -v "$1" >/dev/null 2>&1 || {
        warn signature_without_tool "$signature" "$1"
        return 0
    }
    if [ "$1" = ssh-keygen ] && ! ssh_knows_signatures; then
        warn signature_by_old_tool "$signature" "OpenSSH 8.1"
        return 0
    fi
    case $1 in
    openssl) openssl dgst -sha256 -verify "$key" -signature "$signature" "$self" >/dev/null 2>&1 ;;
    ssh-keygen) signed_by_ssh_key ;;
    esac || die 3 signature_wrong "$self" "$signature" "$key"
    fine signature_fine "$signature" "$key"
}

# OpenSSH before 8.1, which servers with glibc 2.28 may have, knows none of files.
ssh_knows_signatures() {
    case $(ssh-keygen -Y 2>&1) in
    *'unknown option'*) return 1 ;;
    esac
}

# ssh-keygen names the key that a signature was made with; it has to be this one. A list of allowed signers, which it
# would look it up in, would have to be written somewhere.
signed_by_ssh_key() {
    said=$(ssh-keygen -Y check-novalidate -n file -s "$signature" <"$self" 2>&1) || return 1
    of_key=$(ssh-keygen -l -f "$key" 2>/dev/null) || return 1
    of_key=${of_key#* } # "256 SHA256:… comment (ED25519)"
    case "$said " in
    'Good "file" signature with '*" key ${of_key%% *} "*) return 0 ;;
    *) return 1 ;;
    esac
}

check_noexec() {
    mount_options "$folder"
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

# The hub's ports as /proc/net/tcp writes them.
check_ports() {
    for pair in 8000:1F40 8001:1F41 8081:1F91; do
        find_listener "${pair#*:}"
        if [ -z "$listener" ]; then
            fine port_free "${pair%:*}"
        elif hub_has_socket "$listener"; then
            fine port_of_hub "${pair%:*}" "$prefix"
        else
            warn port_taken "${pair%:*}"
        fi
    done
}

# find_listener PORT: sets `listener` to the number of the socket that listens there (0A); empty for none.
find_listener() {
    listener=
    for table in /proc/net/tcp /proc/net/tcp6; do
        [ -r "$table" ] || continue
        while read -r _ local_address _ socket_state _ _ _ _ _ socket _; do
            [ "${local_address##*:} $socket_state" != "$1 0A" ] || listener=$socket
        done <"$table"
    done
}

# hub_has_socket NUMBER: whether it is the hub's of this prefix, or its proxy's. Whose the program is, its file says: the
# proxy's first argument is no path.
hub_has_socket() {
    find_hub
    proxy=
    [ ! -r /run/jupyterhub/proxy.pid ] || read -r proxy </run/jupyterhub/proxy.pid
    programs="-> $(cd -P "$prefix" 2>/dev/null && pwd -P)/envs/jupyterhubenv/bin/"
    for process in $pid $proxy; do
        case $(ls -l "/proc/$process/exe" "/proc/$process/fd" 2>/dev/null) in
        *"$programs"*"socket:[$1]"*) return 0 ;;
        esac
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
