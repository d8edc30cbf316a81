#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The system's instance as an administrator has it: installed, enabled, used by members of its group, stopped and started.

bats_require_minimum_version 1.5.0
load container

setup_file() {
    boot
    inside systemd-sysusers
    inside systemd-tmpfiles --create evloopd.conf
    inside useradd --create-home --groups evloop member
    inside useradd --create-home stranger
    inside systemctl daemon-reload
    inside systemctl --quiet enable --now evloopd.socket
}

teardown_file() {
    shut_down
}

setup() {
    inside systemctl reset-failed
    inside systemctl start evloopd.socket
}

state() {
    inside systemctl show --property "$2" --value "$1"
}

is_state() {
    [[ $(state "$1" "$2") == "$3" ]]
}

@test "it is started by the first one who connects" {
    inside systemctl stop evloopd.service
    is_state evloopd.service ActiveState inactive
    is_state evloopd.socket ActiveState active
    [[ $(inside stat -c '%a %U %G' /run/evloopd/socket) == '660 evloopd evloop' ]]
    run -0 as member evloop --system ping
    [[ $output == *'/run/evloopd/socket'* ]]
    is_state evloopd.service ActiveState active
    is_state evloopd.service NRestarts 0
    pid=$(state evloopd.service MainPID)
    [[ $(inside ps -o user= -p "$pid") == evloopd ]]
}

@test "members of the group share a limiter; a stranger is told why he may not" {
    inside mkdir -p /etc/evloopd/limits.d
    printf '%s\n' '[Limiter]' 'Rate=10/h' 'Burst=3' 'Group=evloop' 'Mode=0660' |
        inside tee /etc/evloopd/limits.d/provider.limit >/dev/null
    inside systemctl restart evloopd.service
    run -0 as member evloop --system limit provider --try
    [[ $output == 'allowed remaining=2 '* ]]
    run -0 inside evloop --system limit provider --try
    [[ $output == 'allowed remaining=1 '* ]]
    run -77 --separate-stderr as stranger evloop --system limit provider --try
    [[ -z $output ]]
    # shellcheck disable=SC2154 # run sets it
    [[ $stderr == 'evloop: '*'/run/evloopd/socket'*"'evloop'"* ]]
}

@test "its socket is not to be had by a daemon that makes its own" {
    run -75 --separate-stderr inside evloopd --socket /run/evloopd/socket
    [[ $stderr == 'evloopd: /run/evloopd/socket is in use: '* ]]
    run -1 inside test -e /run/evloopd/socket.lock
    run -0 as member evloop --system ping
    inside systemctl stop evloopd.service
    run -75 inside timeout 10 evloopd --socket /run/evloopd/socket
    run -0 as member evloop --system ping
}

@test "the system's instance runs no commands, and says what to use" {
    run --separate-stderr as member evloop --system after 1s true
    [[ $status -eq 76 ]]
    [[ $stderr == 'evloop: '*'use your own'* ]]
}

@test "it stops at once, with nothing wrong, and comes back when somebody connects" {
    as member evloop --system ping
    inside systemctl stop evloopd.service
    is_state evloopd.service Result success
    is_state evloopd.service ExecMainStatus 0
    is_state evloopd.socket ActiveState active
    run -0 as member evloop --system ping
}

@test "its state outlives a restart, and is cleaned as that of any service" {
    as member evloop --system limit kept --rate 1/h --burst 5 -n 4
    inside systemctl restart evloopd.service
    run -0 as member evloop --system limiter peek kept
    [[ $output == *'remaining=1 '* ]]
    inside systemctl stop evloopd.service evloopd.socket
    run -69 --separate-stderr as member evloop --system ping
    [[ $stderr == 'evloop: /run/evloopd/socket: no daemon listens there, though '*'systemctl restart evloopd.socket'* ]]
    inside test -e /var/lib/evloopd/ids
    inside systemctl clean --what=state evloopd.service
    run -1 inside test -e /var/lib/evloopd/ids
    inside systemctl start evloopd.socket
    run -66 as member evloop --system limiter peek kept
}

@test "a mistake in its configuration keeps it from starting, once, and is named" {
    inside systemctl stop evloopd.service
    printf '%s\n' '[Limiter]' 'Rate=10/fortnight' | inside tee /etc/evloopd/limits.d/bad.limit >/dev/null
    run inside systemctl start evloopd.service
    [[ $status -ne 0 ]]
    wait_until is_state evloopd.service ActiveState failed
    is_state evloopd.service ExecMainStatus 78
    is_state evloopd.service NRestarts 0
    run -0 inside journalctl --unit evloopd.service --output cat --lines 20
    [[ $output == *'/etc/evloopd/limits.d/bad.limit:2: '* ]]
    inside rm /etc/evloopd/limits.d/bad.limit
    inside systemctl reset-failed
    inside systemctl restart evloopd.socket
    run -0 as member evloop --system ping
}

@test "a check by root fails of what the daemon may not read" {
    local file=/etc/evloopd/limits.d/secret.limit
    inside mkdir -p /etc/evloopd/limits.d "$file.d"
    printf '%s\n' '[Limiter]' 'Rate=5/h' | inside tee "$file" >/dev/null
    run -0 --separate-stderr inside evloopd --system --check-config
    [[ $output == *"$file: secret"* && -z $stderr ]]
    inside chmod 600 "$file"
    run -78 --separate-stderr inside evloopd --system --check-config
    [[ $output == *"$file: secret"* && $stderr == "evloopd: the daemon, as user 'evloopd', cannot read it, "*" $file: Permission denied" ]]
    # It is as it says.
    run inside systemctl reload evloopd.service
    [[ $status -ne 0 ]]
    inside chgrp evloopd "$file"
    inside chmod 640 "$file"
    run -0 --separate-stderr inside evloopd --system --check-config
    [[ -z $stderr ]]
    # So with what is in a folder.
    printf '%s\n' '[Limiter]' 'Burst=2' | inside tee "$file.d/burst.conf" >/dev/null
    inside chmod 700 "$file.d"
    run -78 --separate-stderr inside evloopd --system --check-config
    [[ $stderr == "evloopd: the daemon, as user 'evloopd', "*" $file.d"*": Permission denied" ]]
    inside rm -r "$file" "$file.d"
    inside systemctl reload evloopd.service
}

limiters_in_status() {
    state evloopd.service StatusText | sed -E 's/.* ([0-9]+) limiters?$/\1/'
}

@test "a reload says how it has ended" {
    as member evloop --system ping
    printf '%s\n' '[Limiter]' 'Rate=5/h' 'Burst=2' | inside tee /etc/evloopd/limits.d/late.limit >/dev/null
    local before
    inside mv /etc/evloopd/limits.d/late.limit /etc/evloopd/limits.d/late
    inside systemctl reload evloopd.service
    before=$(limiters_in_status)
    inside mv /etc/evloopd/limits.d/late /etc/evloopd/limits.d/late.limit
    run -0 inside systemctl reload evloopd.service
    [[ $(limiters_in_status) -eq $((before + 1)) ]] # at once
    run -0 as member evloop --system limiter peek late
    [[ $output == *'remaining=2 '* ]]
    printf '%s\n' '[Limiter]' 'Rate=5' | inside tee /etc/evloopd/limits.d/late.limit >/dev/null
    run inside systemctl reload evloopd.service
    [[ $status -ne 0 ]]
    run -0 inside journalctl --unit evloopd.service --output cat --lines 5
    [[ $output == *'evloop: /etc/evloopd/limits.d/late.limit:2: '* ]]
    run -77 as member evloop --system reload
    # By a signal it is the same, but nobody is told.
    inside systemctl kill --signal HUP evloopd.service
    run -0 as member evloop --system limiter peek late
    inside rm /etc/evloopd/limits.d/late.limit
    inside systemctl reload evloopd.service
    run -66 as member evloop --system limiter peek late
}

@test "a daemon that is killed again and again does not close its socket for good" {
    local restarts
    as member evloop --system ping
    for restarts in {1..12}; do
        inside systemctl kill --signal KILL evloopd.service
        wait_until is_state evloopd.service NRestarts "$restarts"
        wait_until is_state evloopd.service ActiveState active
    done
    is_state evloopd.socket ActiveState active
    run -0 as member evloop --system ping
}

@test "it says how much it has to do" {
    as member evloop --system limiter set counted --rate 1/h >/dev/null
    wait_until status_is '*limiter*'
    as member evloop --system every 1h </dev/null >/dev/null 3>&- &
    wait_until status_is '1 client, 1 timer, 0 jobs running, *'
    inside pkill -x evloop
    wait_until status_is '0 clients, 0 timers, *'
}

status_is() {
    # shellcheck disable=SC2053 # it is a pattern
    [[ $(state evloopd.service StatusText) == $1 ]]
}

@test "a loop that does not turn is ended, and another one begins" {
    local pid
    inside mkdir -p /run/systemd/system/evloopd.service.d
    printf '%s\n' '[Service]' 'WatchdogSec=1s' | inside tee /run/systemd/system/evloopd.service.d/watchdog.conf >/dev/null
    inside systemctl daemon-reload
    inside systemctl restart evloopd.service
    # One that turns is left alone.
    sleep 2.5
    is_state evloopd.service NRestarts 0
    pid=$(state evloopd.service MainPID)
    inside kill -STOP "$pid"
    wait_until is_state evloopd.service NRestarts 1
    run -0 as member evloop --system ping
    run -0 inside journalctl --unit evloopd.service --output cat --lines 20
    [[ $output == *'Watchdog timeout'* ]]
    inside rm -r /run/systemd/system/evloopd.service.d
    inside systemctl daemon-reload
    inside systemctl restart evloopd.service
}

@test "its memory has an end, and nothing short of it makes its clients wait" {
    as member evloop --system ping
    is_state evloopd.service MemoryMax $((4 << 30))
    is_state evloopd.service MemoryHigh infinity
}

@test "its exposure is at most 0.5 of 10" {
    local score
    score=$(inside systemd-analyze security --no-pager evloopd.service | grep -o 'level for evloopd.service: [0-9.]*' |
        grep -o '[0-9.]*$')
    echo "# systemd-analyze security: $score" >&3
    [[ $score =~ ^0\.[0-5]$ ]]
}

@test "in its sandbox nothing works but what it needs" {
    install -m 755 "$builddir/tests/system/sandbox" "$MACHINE/root/usr/local/bin/evloop-sandbox"
    inside sh -c 'echo secret >/home/member/secret; chmod 755 /home/member; chmod 644 /home/member/secret'
    inside mkdir -p /run/systemd/system/evloopd.service.d
    # The same unit, with another program, which does not say that it is ready.
    printf '%s\n' '[Service]' 'Type=oneshot' 'Restart=no' 'WatchdogSec=0' 'ExecStart=' 'ExecStart=/usr/local/bin/evloop-sandbox' \
        'ExecPaths=/usr/local/bin/evloop-sandbox' 'StandardOutput=journal' |
        inside tee /run/systemd/system/evloopd.service.d/sandbox.conf >/dev/null
    inside systemctl stop evloopd.service
    inside systemctl daemon-reload
    run inside systemctl start evloopd.service
    inside rm /run/systemd/system/evloopd.service.d/sandbox.conf
    inside systemctl daemon-reload
    # The socket has passed for one that is served.
    inside systemctl restart evloopd.socket
    inside journalctl --no-pager --output=cat _COMM=evloop-sandbox | sed 's/^/# /' >&3
    [[ $status -eq 0 ]]
    inside journalctl --no-pager --output=cat _COMM=evloop-sandbox | grep -q '^sandbox: 37 tried, 0 wrong$'
}

@test "two uids are two uids, and each has its own limits" {
    # Nothing is left of the daemons that have died here.
    inside systemctl stop evloopd.service
    inside systemctl clean --what=state evloopd.service
    as member evloop --system limit mine --rate 1/h
    run -66 inside evloop --system limiter peek mine
    run -0 as member evloop --system limiter peek mine
}
