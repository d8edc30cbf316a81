#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What an administrator finds in the journal, and what no client can do to it; the configuration as systemd has it.

bats_require_minimum_version 1.5.0
load container

setup_file() {
    boot
    inside systemd-sysusers
    inside systemd-tmpfiles --create evloopd.conf
    inside journalctl --update-catalog
    inside useradd --create-home --groups evloop member
    inside useradd --create-home --groups evloop other
    inside mkdir -p /etc/evloopd/evloopd.conf.d
    inside systemctl daemon-reload
    inside systemctl --quiet enable --now evloopd.socket
}

teardown_file() {
    shut_down
}

setup() {
    inside sh -c 'rm -rf /etc/evloopd/evloopd.conf.d/* /run/evloopd/evloopd.conf.d /usr/lib/evloopd /run/systemd/system/evloopd.service.d'
    inside systemctl daemon-reload
    inside systemctl reset-failed
    inside systemctl restart evloopd.service
}

# drop_in PATH LINE...: below /, with these lines
drop_in() {
    inside mkdir -p "$(dirname "$1")"
    printf '%s\n' "${@:2}" | inside tee "$1" >/dev/null
}

# entries NAME [MATCH...]: entries with the id MESSAGE_NAME of this daemon, a line of JSON each
entries() {
    local id
    # shellcheck disable=SC2154 # it is make's
    id=$(sed -nE "s/^#define MESSAGE_$1 \"(.*)\"/\1/p" "$srcdir/daemon/svc/message-id.h")
    inside journalctl --sync
    inside journalctl --output json MESSAGE_ID="$id" _PID="$(inside systemctl show --property MainPID --value evloopd.service)" "${@:2}"
}

uid_of() {
    inside id -u "$1"
}

limit_of() {
    as member evloop --system quota --json | jq -r --arg name "$1" ".quotas[] | select(.name == \$name).${2:-limit}"
}

@test "a limit that is reached is in the journal with all that is known of it, and explained" {
    drop_in /etc/evloopd/evloopd.conf.d/one.conf '[Limits]' 'Limiters=1'
    inside systemctl reload evloopd.service
    as member evloop --system limit first --rate 1/h >/dev/null
    run -77 as member evloop --system limit second --rate 1/h
    [[ $output == *'uses 1 of 1 limiters and asks for 1 more'* ]]
    run -0 entries LIMIT_REACHED
    run -0 jq -r '[.EVLOOPD_UID, .EVLOOPD_LIMIT, .EVLOOPD_SCOPE, .EVLOOPD_CLIENT, .PRIORITY, .SYSLOG_IDENTIFIER, ._SYSTEMD_UNIT] | join(" ")' <<<"$output"
    [[ $output == "$(uid_of member) limiters uid evloop 4 evloopd evloopd.service" ]]
    run -0 inside journalctl --catalog --unit evloopd.service EVLOOPD_LIMIT=limiters
    [[ $output == *"Uid $(uid_of member) has asked for more \"limiters\" than is allowed"* ]]
    [[ $output == *'the limit, which is 1 now, '*'[Limits]'*'Limiters=...'* ]]
}

@test "of a pool nobody gets what is left for others, who still find something" {
    drop_in /etc/evloopd/evloopd.conf.d/pool.conf '[Pool]' 'Limiters=6'
    inside systemctl reload evloopd.service
    as member evloop --system limiter list --json | jq -r '.[].spec.name' | while read -r name; do
        as member evloop --system limiter remove "$name"
    done
    for name in a b c; do
        as member evloop --system limit "$name" --rate 1/h
    done
    run -77 as member evloop --system limit d --rate 1/h
    [[ $output == *'all uids together use 3 of 6'* ]]
    run -0 as other evloop --system limit a --rate 1/h
    run -0 as member evloop --system quota
    [[ $output =~ limiters\ +3\ +0\ +1000\ +4\ +6 ]]
    run -0 entries LIMIT_REACHED EVLOOPD_SCOPE=pool
    [[ $(wc -l <<<"$output") -eq 1 ]]
}

@test "a client that makes mistakes all the time fills no journal, and hides nobody else's" {
    drop_in /etc/evloopd/evloopd.conf.d/none.conf '[Limits]' 'Subscriptions=0'
    inside systemctl reload evloopd.service
    as member sh -c 'i=0; while [ $i -lt 5000 ]; do i=$((i + 1)); echo "{\"id\":$i,\"call\":\"subscribe\",\"topic\":\"t\"}"; done |
        evloop --system bridge' >/dev/null || true
    run as other evloop --system subscribe t --once
    [[ $status -eq 77 ]]
    run -0 entries LIMIT_REACHED EVLOOPD_UID="$(uid_of member)"
    [[ $(wc -l <<<"$output") -eq 10 ]]
    run -0 entries LIMIT_REACHED EVLOOPD_UID="$(uid_of other)"
    [[ $(wc -l <<<"$output") -eq 1 ]]
}

@test "what breaks the protocol is named" {
    as member python3 -c 'import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect("/run/evloopd/socket"); s.send(b"nonsense"); s.recv(1000)'
    run -0 entries PROTOCOL_BROKEN
    [[ $(jq -r .EVLOOPD_UID <<<"$output") == "$(uid_of member)" ]]
}

@test "each start, end, reload and refusal can be found" {
    inside systemctl reload evloopd.service
    run -0 entries STARTED
    [[ $(jq -r .MESSAGE <<<"$output") == 'serving /run/evloopd/socket' ]]
    run -0 entries CONFIGURATION_READ
    [[ -n $output ]]
    drop_in /etc/evloopd/evloopd.conf.d/bad.conf '[Limits]' 'Timers=many'
    run inside systemctl reload evloopd.service
    [[ $status -ne 0 ]]
    run -0 entries CONFIGURATION_REFUSED
    [[ $(jq -r .MESSAGE <<<"$output") == *'/etc/evloopd/evloopd.conf.d/bad.conf:2: Timers=many: '* ]]
    [[ $(jq -r .PRIORITY <<<"$output") == 3 ]]
    [[ $(limit_of timers) == 100000 ]]
    # It would not start, either, and says the same.
    run inside systemctl restart evloopd.service
    [[ $status -ne 0 ]]
    [[ $(inside systemctl show --property ExecMainStatus --value evloopd.service) == 78 ]]
    [[ $(inside systemctl show --property NRestarts --value evloopd.service) == 0 ]]
}

@test "SIGUSR1 writes statistics, with a field for each number" {
    as member evloop --system limit counted --rate 1/h
    as member evloop --system subscribe t </dev/null >/dev/null 3>&- &
    wait_until subscribed
    inside systemctl kill --kill-whom=main --signal USR1 evloopd.service
    run -0 entries STATISTICS EVLOOPD_UID="$(uid_of member)"
    [[ $(jq -r '.EVLOOPD_SUBSCRIPTIONS + " " + .EVLOOPD_SESSIONS' <<<"$output") == '1 1' ]]
    [[ $(jq -r .MESSAGE <<<"$output") == "uid $(uid_of member): sessions 1, "*'subscriptions 1, '* ]]
    run -0 entries STATISTICS EVLOOPD_SESSIONS=1
    [[ $output == *'statistics: 1 sessions, '* ]]
    inside pkill -x evloop
}

subscribed() {
    [[ $(limit_of subscriptions used) == 1 ]]
}

@test "cat-config prints what systemd-analyze prints" {
    drop_in /usr/lib/evloopd/evloopd.conf '# of the package' '[Limits]' 'Timers=1000'
    drop_in /usr/lib/evloopd/evloopd.conf.d/10-package.conf '[Limits]' 'Timers=2000'
    drop_in /usr/lib/evloopd/evloopd.conf.d/20-hidden.conf '[Limits]' 'Timers=3000'
    drop_in /run/evloopd/evloopd.conf.d/30-boot.conf '[Limits]' 'Claims=70'
    drop_in /etc/evloopd/evloopd.conf.d/15-local.conf '[Limits]' 'Timers=4000'
    inside ln -s /dev/null /etc/evloopd/evloopd.conf.d/20-hidden.conf
    compare_cat
    inside systemctl reload evloopd.service
    [[ $(limit_of timers) == 4000 && $(limit_of claims) == 70 ]]
    # Another main file wins over the package's, which has no effect then.
    drop_in /etc/evloopd/evloopd.conf '[Limits]' 'Jobs=3'
    compare_cat
    inside rm /etc/evloopd/evloopd.conf /usr/lib/evloopd/evloopd.conf
    compare_cat
    inside rm -r /etc/evloopd/evloopd.conf.d /run/evloopd/evloopd.conf.d /usr/lib/evloopd
    compare_cat
}

compare_cat() {
    diff -u <(inside systemd-analyze cat-config evloopd/evloopd.conf) <(inside evloopd --system --cat-config)
}

@test "a credential is stronger than all files, and a reload leaves it so" {
    drop_in /etc/evloopd/evloopd.conf.d/50-local.conf '[Limits]' 'Timers=4000' 'Claims=80'
    drop_in /run/systemd/system/evloopd.service.d/credential.conf '[Service]' 'SetCredential=evloopd.conf:[Limits]\nTimers=5000\n'
    inside systemctl daemon-reload
    inside systemctl restart evloopd.service
    [[ $(limit_of timers) == 5000 && $(limit_of claims) == 80 ]]
    drop_in /etc/evloopd/evloopd.conf.d/50-local.conf '[Limits]' 'Timers=4000' 'Claims=81'
    inside systemctl reload evloopd.service
    [[ $(limit_of timers) == 5000 && $(limit_of claims) == 81 ]]
}

@test "a daemon that leaves when it is idle is started by the next one who connects" {
    drop_in /etc/evloopd/evloopd.conf.d/idle.conf '[Daemon]' 'ExitIdleSec=300ms'
    # Limiters that are not full are not forgotten.
    inside systemctl stop evloopd.service evloopd.socket
    inside systemctl clean --what=state evloopd.service
    inside systemctl start evloopd.socket evloopd.service
    wait_until is_inactive
    run -0 as member evloop --system ping
    [[ $(inside systemctl show --property Result --value evloopd.service) == success ]]
}

is_inactive() {
    [[ $(inside systemctl show --property ActiveState --value evloopd.service) == inactive ]]
}

# More than fits a socket, whatever net.unix.max_dgram_qlen is.
print_burst() {
    seq -f %0200.0f 1000
}

@test "all lines of a job are in the journal, in order, though it stands still meanwhile" {
    inside pkill --signal STOP -x systemd-journal
    run as member sh -c 'evloop soon --name burst seq -f %0200.0f 1000 && evloop wait burst'
    inside pkill --signal CONT -x systemd-journal
    [[ $status -eq 0 ]]
    wait_until has_all_of_burst
}

has_all_of_burst() {
    inside journalctl --sync
    cmp -s <(print_burst) <(inside journalctl --quiet --output cat --identifier burst)
}
