# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A machine for tests: Debian's systemd, booted in a container over this machine's own files, which stay as they are.
#
#     boot              once for each file of tests
#     inside CMD...     run it in there, as root;  as USER CMD...: as somebody else
#     shut_down
#
# What `make install` installs is there, and nothing of it is enabled.

: "${builddir:?is set by make check}"

# Of this machine's services only what a boot needs.
_quiet() {
    local unit
    rm -rf "$1"/etc/systemd/system/{multi-user,timers,sockets,graphical}.target.wants
    for unit in systemd-resolved systemd-networkd systemd-timesyncd console-getty; do
        ln -sf /dev/null "$1/etc/systemd/system/$unit.service"
    done
    ln -sf /lib/systemd/system/multi-user.target "$1/etc/systemd/system/default.target"
    rm -f "$1/etc/machine-id"
    : >"$1/etc/machine-id"
}

boot() {
    export MACHINE=$BATS_FILE_TMPDIR/machine
    mkdir "$MACHINE"
    mount -t tmpfs tmpfs "$MACHINE"
    mkdir "$MACHINE"/{upper,work,root}
    mount -t overlay -o "lowerdir=/,upperdir=$MACHINE/upper,workdir=$MACHINE/work" overlay "$MACHINE/root"
    _quiet "$MACHINE/root"
    if ! make -s -C "$builddir" install "DESTDIR=$MACHINE/root" >"$MACHINE/install.log" 2>&1; then
        tail -n 30 "$MACHINE/install.log" >&2
        return 1
    fi
    chroot "$MACHINE/root" ldconfig

    systemd-nspawn --quiet --directory="$MACHINE/root" --boot --register=no --keep-unit --private-network \
        </dev/null >"$MACHINE/console" 2>&1 3>&- &
    echo $! >"$MACHINE/nspawn"
    _wait_for_boot
}

# Its first process is the child of nspawn; then systemd says when it is up.
_wait_for_boot() {
    local tries state
    for ((tries = 0; tries < 300; tries++)); do
        LEADER=$(pgrep -P "$(<"$MACHINE/nspawn")" 2>/dev/null | head -n 1)
        state=$([[ -z $LEADER ]] || inside systemctl is-system-running 2>/dev/null || true)
        if [[ $state == running || $state == degraded ]]; then
            export LEADER
            return 0
        fi
        sleep 0.1
    done
    tail -n 30 "$MACHINE/console" >&2
    return 1
}

inside() {
    nsenter --target "$LEADER" --all env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        LANG=C.UTF-8 "$@"
}

# as USER CMD...: with the user's own service manager, if he has one.
as() {
    local user=$1 uid
    shift
    uid=$(inside id -u "$user")
    inside setpriv --reuid "$user" --regid "$(inside id -g "$user")" --init-groups \
        env HOME="/home/$user" USER="$user" LOGNAME="$user" XDG_RUNTIME_DIR="/run/user/$uid" \
        DBUS_SESSION_BUS_ADDRESS="unix:path=/run/user/$uid/bus" "$@"
}

shut_down() {
    local nspawn tries
    if nspawn=$(cat "$MACHINE/nspawn" 2>/dev/null); then
        inside systemctl poweroff --no-block >/dev/null 2>&1 || true
        for ((tries = 0; tries < 100; tries++)); do
            kill -0 "$nspawn" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$nspawn" 2>/dev/null || true
    fi
    umount -l "$MACHINE/root" "$MACHINE"
}

# A service of the machine is in that state, or will be within ten seconds.
wait_until() {
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        "$@" 2>/dev/null && return 0
        sleep 0.05
    done
    echo "not within ten seconds: $*" >&2
    return 1
}
