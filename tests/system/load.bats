#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Restarts under load: nothing is lost, repeated or out of order, whatever the daemon is doing when it ends.
#
# Short by default; `make check-system-load` is the whole of it.

# shellcheck disable=SC2016 # what is in quotes is for the shell of others
bats_require_minimum_version 1.5.0
load container

setup_file() {
    boot
    install -m 755 "$builddir/tests/system/load" "$MACHINE/root/usr/local/bin/evloop-load"
    inside systemd-sysusers
    inside systemd-tmpfiles --create evloopd.conf
    inside mkdir -p /run/systemd/system/evloopd.service.d
    # One uid is to have as much as many have otherwise.
    inside mkdir -p /etc/evloopd
    printf '%s\n' '[Limits]' 'Sessions=2000' 'Bytes=1G' 'Descriptors=20000' 'Timers=2000000' \
        '[Pool]' 'Bytes=infinity' 'Timers=infinity' |
        inside tee /etc/evloopd/evloopd.conf >/dev/null
    # A start fails where somebody has asked for that.
    printf '%s\n' '[Unit]' 'StartLimitBurst=1000' '[Service]' \
        'ExecStartPre=+/bin/sh -c "test ! -e /run/fail || { rm /run/fail; kill -KILL $$$$; }"' |
        inside tee /run/systemd/system/evloopd.service.d/load.conf >/dev/null
    inside systemctl daemon-reload
    inside useradd --create-home --groups evloop mallory
    inside systemctl --quiet enable --now evloopd.socket
}

teardown_file() {
    shut_down
}

setup() {
    inside systemctl reset-failed
    inside systemctl start evloopd.service
    out=$BATS_TEST_TMPDIR/out
}

teardown() {
    inside pkill -KILL -x evloop-load || true
}

# As many sessions, watches and events each second as given; it is ended when a test is.
begin_load() {
    inside evloop-load /run/evloopd/socket "$@" >"$out" 2>&1 3>&- &
    load=$!
    wait_until grep -q READY "$out" || { cat "$out" && false; }
}

end_load() {
    local status=0
    inside pkill -TERM -u root -x evloop-load
    wait "$load" || status=$?
    sed 's/^/# /' "$out" >&3
    return "$status"
}

restart() {
    inside systemctl restart evloopd.service
}

@test "restarts under load" {
    begin_load "${LOAD_SESSIONS:-200}" "${LOAD_WATCHES:-1000}" "${LOAD_EVENTS:-5000}"
    for ((i = 0; i < ${LOAD_RESTARTS:-10}; i++)); do
        sleep "0.$((RANDOM % 5))"
        restart
    done
    end_load
}

@test "a restart with many timers takes a moment" {
    local began took
    begin_load 20 100 1000 "${LOAD_TIMERS:-50000}"
    began=$EPOCHREALTIME
    restart
    took=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print int((b - a) * 1000) }')
    echo "# restart with ${LOAD_TIMERS:-50000} timers: $took ms" >&3
    end_load
    [[ $took -lt 10000 ]]
}

@test "somebody who floods, and somebody who does not read, disturb no restart" {
    local hostile
    # Thousands of events wait for one who has fallen asleep, with sockets full, and another one is always in a hurry.
    # Not as the child of nsenter, which stops with its child.
    as mallory sh -c 'evloop-load /run/evloopd/socket 50 200 4000 & wait' >"$out.mallory" 2>&1 3>&- &
    wait_until grep -q READY "$out.mallory"
    inside pkill -STOP -u mallory -x evloop-load
    as mallory sh -c 'while :; do evloop --system ping; evloop --system emit load-0 x; evloop --system limit load -n 1 --try; done' \
        >/dev/null 2>&1 3>&- &
    hostile=$!
    begin_load 50 200 1000
    for _ in {1..5}; do
        restart
        sleep 0.1
    done
    kill "$hostile"
    inside pkill -KILL -u mallory
    end_load
}

@test "two restarts at once, and while systemd replaces itself" {
    begin_load 50 200 1000
    restart &
    restart
    wait $!
    inside systemctl daemon-reexec
    restart
    inside systemctl restart --no-block evloopd.service
    inside systemctl daemon-reexec
    # Its bus ends with systemd's former self.
    inside systemctl daemon-reexec &
    wait_until restart
    wait $!
    restart
    end_load
}

@test "one that dies before it takes over leaves everything to the next" {
    begin_load 50 200 1000
    inside touch /run/fail
    run ! restart
    wait_until inside systemctl is-active --quiet evloopd.service
    restart
    end_load
}
