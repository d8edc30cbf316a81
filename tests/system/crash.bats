#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A daemon that is killed, and the next one: what it knew of limiters, and who stays connected.

# shellcheck disable=SC2016 # what is in quotes is for the shell of others
bats_require_minimum_version 1.5.0
load container

setup_file() {
    boot
    inside systemd-sysusers
    inside systemd-tmpfiles --create evloopd.conf
    inside useradd --create-home --groups evloop member
    inside systemctl daemon-reload
    inside systemctl --quiet enable --now evloopd.socket
}

teardown_file() {
    shut_down
}

setup() {
    inside systemctl reset-failed
    evl ping
    out=$BATS_TEST_TMPDIR/out
}

evl() {
    as member evloop --system "$@"
}

main_pid() {
    inside systemctl show --property=MainPID --value evloopd.service
}

crash() {
    local pid
    pid=$(main_pid)
    inside kill -9 "$pid"
    wait_until is_another "$pid"
    evl ping
}

is_another() {
    local pid
    pid=$(main_pid)
    [[ $pid -ne 0 && $pid -ne $1 ]]
}

shown() {
    evl limiter show "$1" --json | jq -r "$2"
}

@test "a definition survives, and what was taken stays taken" {
    evl limit kept --rate 1/h --burst 5 -n 3
    evl limiter set both --rate 10/m --rate 100/h >/dev/null
    sleep 1.5
    for _ in 1 2 3; do
        crash
        [[ $(shown kept '"\(.allowed) \(.grant.remaining)"') == '3 2' ]]
        [[ $(shown both '.spec.rules | length') -eq 2 ]]
    done
    run -75 evl limit kept --try -n 3
    run -0 evl limit kept --try -n 2
}

@test "a limiter that was in use begins empty" {
    evl limiter set busy --rate 1/h --burst 100 >/dev/null
    sleep 1.5
    while true; do evl limit busy --try || break; done 3>&- &
    sleep 0.5
    crash
    wait $! || true
    [[ $(shown busy .grant.remaining) -eq 0 ]]
}

@test "a clean restart goes before what was noted, and a stop, too" {
    evl limit clean --rate 1/h --burst 5 -n 2
    inside systemctl restart evloopd.service
    [[ $(shown clean .grant.remaining) -eq 3 ]]
    evl limit clean -n 1
    inside systemctl stop evloopd.service
    evl ping
    [[ $(shown clean .grant.remaining) -eq 2 ]]
    run inside journalctl --no-pager --output=cat --unit=evloopd.service --lines=4
    [[ $output != *'has died'* ]]
}

held() {
    [[ $(shown "$1" .held) -eq $2 ]]
}

@test "places that processes hold stay held, and come back when they end" {
    inside mkfifo -m 666 /tmp/gate
    evl limit place --concurrency 1 -- sh -c 'read line </tmp/gate' 3>&- &
    wait_until held place 1
    sleep 2.2
    for _ in 1 2; do
        crash
        held place 1
    done
    sleep 2.2
    run -75 evl limit place --try true
    inside systemctl restart evloopd.service
    held place 1
    run -75 evl limit place --try true
    crash
    held place 1
    inside sh -c 'echo >/tmp/gate'
    wait $!
    wait_until held place 0
    sleep 2.2
    run -0 evl limit place --try true
}

@test "after a crash nobody gets a place before those who had them have said so" {
    evl limiter set four --concurrency 4 >/dev/null
    sleep 1.5
    crash
    run -75 evl limit four --try true
    run -0 evl limit four true
}

switches() {
    inside awk '/^voluntary/ { print $2 }' "/proc/$(main_pid)/status"
}

# But for the watchdog, which is fed every 7.5 s.
@test "a daemon to whose limiters nothing happens does nothing" {
    evl limit idle --rate 1/h --burst 5
    sleep 2.5
    before=$(switches)
    sleep 4
    [[ $(($(switches) - before)) -le 2 ]]
}

# The last one: it may have been any limiter that was not noted, so all that come new begin empty.
@test "what has just been defined may be lost, but not what was taken" {
    evl limiter set early --rate 1/h --burst 5 >/dev/null
    sleep 1.5
    evl limiter set first --rate 1/h --burst 5 >/dev/null
    for i in 1 2 3; do
        evl limit "late$i" --rate 1/h --burst 5 -n 5
    done
    crash
    for i in 1 2 3; do
        run -75 evl limit "late$i" --rate 1/h --burst 5 --try
    done
    [[ $(shown early .grant.remaining) -eq 5 ]]
}
