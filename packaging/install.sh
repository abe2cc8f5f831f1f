#!/bin/sh
# Installs Oddline's programs from the folder this stands in, on a distribution that uses neither .deb packages nor a
# packager of its own for them; and takes them away again. Configuration and state are never overwritten.
set -eu
# The services' user has to read what root puts there.
umask 022

usage() {
    cat <<'TEXT'
usage: ./install.sh [--root DIR] PROGRAM...              install or upgrade: agent, collector, trainer
       ./install.sh --uninstall [--purge] PROGRAM...     take them away; with --purge configuration and state too
With --root everything goes below DIR (an image, a test): no user is made there and nothing is started.
TEXT
}

fail() {
    echo "install.sh: $1" >&2
    exit "${2:-1}"
}

here=$(cd "$(dirname "$0")" && pwd)
action=install
purge=no
root=
programs=
while [ $# -gt 0 ]; do
    case "$1" in
        --uninstall) action=uninstall ;;
        --purge) purge=yes ;;
        --root)
            [ $# -ge 2 ] || fail "--root wants a folder" 2
            root=${2%/}
            shift
            ;;
        -h | --help)
            usage
            exit 0
            ;;
        agent | collector | trainer) programs="$programs $1" ;;
        *)
            usage >&2
            fail "unknown: $1" 2
            ;;
    esac
    shift
done
if [ -z "$programs" ]; then
    usage >&2
    fail "name what: agent, collector or trainer" 2
fi
for program in $programs; do
    [ -f "$here/$program.files" ] || fail "this archive has no $program (it is for $(cat "$here/machine"))"
done

# What is true of this machine; an image below --root is another.
if [ -z "$root" ]; then
    [ "$(id -u)" = 0 ] || fail "it writes below /usr and /etc: run it as root, with sudo for instance" 77
    [ -d /run/systemd/system ] || fail "no systemd runs here, and nothing else would start the services. \
The programs are in $here/files/usr/bin and need no installation"
    for program in $programs; do
        if [ "$(dpkg-query --show --showformat '${db:Status-Status}' "oddline-$program" 2>/dev/null)" = installed ]; then
            fail "oddline-$program is installed as a Debian package: apt installs, upgrades and removes it"
        fi
    done
    if [ "$action" = install ]; then
        first=$(echo "$programs" | cut -d' ' -f2)
        "$here/files/usr/bin/oddline-$first" --version >/dev/null ||
            fail "the programs do not start here: they are for $(cat "$here/machine") with glibc 2.35 or newer"
    fi
fi

# Its units: services and timers.
units_of() {
    sed -n 's|^usr/lib/systemd/system/||p' "$here/$1.files"
}

# What is enabled and started: a timer where there is one, else the service.
started_of() {
    units=$(units_of "$1")
    timers=$(echo "$units" | grep '\.timer$' || true)
    echo "${timers:-$units}"
}

# The agent's user must not come to the authority of the fleet's certificates.
user_of() {
    if [ "$1" = agent ]; then echo oddline; else echo oddline-collector; fi
}

# They used to be one user, the agent's. Only what is its own is handed over, and no link is followed.
hand_over() {
    user=$(user_of "$1")
    [ "$user" != oddline ] && [ -d "/var/lib/oddline/$1" ] && id oddline >/dev/null 2>&1 || return 0
    chown --no-dereference root: /var/lib/oddline
    chown --recursive --no-dereference --from=oddline "$user": "/var/lib/oddline/$1"
    for file in $(find /etc/oddline -type f \( -user oddline -o -group oddline \) ! -perm -o=r); do
        ! cat "/etc/oddline/$1.toml" "/etc/oddline/$1.d/"*.toml 2>/dev/null | grep --quiet --fixed-strings "$file" ||
            echo "$file is named by the $1's configuration: let the user $user read it" >&2
    done
}

put() {
    mode=644
    [ -x "$here/files/$1" ] && mode=755
    mkdir -p "$root/$(dirname "$1")"
    # Beside its place, then renamed: a program that runs goes on running.
    cp "$here/files/$1" "$root/$1.new"
    chmod "$mode" "$root/$1.new"
    mv -f "$root/$1.new" "$root/$1"
}

install_program() {
    while read -r file; do
        case "$file" in
            etc/*)
                if [ -e "$root/$file" ]; then
                    cmp -s "$here/files/$file" "$root/$file" || echo "kept: /$file (the new default is $here/files/$file)"
                else
                    put "$file"
                fi
                ;;
            *) put "$file" ;;
        esac
    done <"$here/$1.files"
    [ -n "$root" ] && return
    if command -v systemd-sysusers >/dev/null; then
        systemd-sysusers "oddline-$1.conf"
    elif ! id "$(user_of "$1")" >/dev/null 2>&1; then
        useradd --system --home-dir /var/lib/oddline --shell /usr/sbin/nologin --comment Oddline "$(user_of "$1")"
    fi
    hand_over "$1"
    systemd-tmpfiles --create "oddline-$1.conf"
    systemctl daemon-reload
    for unit in $(started_of "$1"); do
        systemctl enable --quiet "$unit"
        systemctl restart "$unit" || echo "$unit does not start: journalctl -u $unit says why" >&2
    done
}

uninstall_program() {
    if [ -z "$root" ]; then
        for unit in $(units_of "$1"); do
            systemctl disable --quiet --now "$unit" 2>/dev/null || true
        done
    fi
    while read -r file; do
        case "$file" in
            etc/*) if [ "$purge" = yes ]; then rm -f "$root/$file"; fi ;;
            *) rm -f "$root/$file" ;;
        esac
    done <"$here/$1.files"
    if [ "$purge" = yes ]; then
        rm -rf "$root/var/lib/oddline/$1"
        rmdir "$root/var/lib/oddline" "$root/etc/oddline/$1.d" "$root/etc/oddline" 2>/dev/null || true
    fi
    # Folders that are nobody else's.
    for folder in "$root/usr/share/doc/oddline-$1" "$root/usr/share/oddline"; do
        [ ! -d "$folder" ] || find "$folder" -depth -type d -empty -delete
    done
    [ -n "$root" ] || systemctl daemon-reload
}

for program in $programs; do
    "${action}_program" "$program"
    echo "oddline-$program: ${action}ed"
done
