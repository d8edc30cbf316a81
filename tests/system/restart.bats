#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A restart that no client notices: what they have armed fires, what they wait for comes, what they hold they still hold.

# shellcheck disable=SC2016 # what is in quotes is for the shell of others
bats_require_minimum_version 1.5.0
load container

setup_file() {
    boot
    inside systemd-sysusers
    inside systemd-tmpfiles --create evloopd.conf
    inside useradd --create-home --groups evloop member
    inside useradd --create-home alice
    inside loginctl enable-linger alice
    inside systemctl daemon-reload
    inside systemctl --quiet enable --now evloopd.socket
    wait_until as alice systemctl --user is-active --quiet default.target
    as alice systemctl --user --quiet enable --now evloopd.socket
}

teardown_file() {
    shut_down
}

setup() {
    inside systemctl reset-failed
    as member evloop --system ping
    as alice evloop ping
    out=$BATS_TEST_TMPDIR/out
}

restart() {
    inside systemctl restart evloopd.service
}

restart_of_alice() {
    as alice systemctl --user reset-failed
    as alice systemctl --user restart evloopd.service
}

lines_in() {
    [[ $(wc -l <"$1") -ge $2 ]]
}

@test "ticks go on, with no number left out and none told twice" {
    as member evloop --system every 50ms --count 60 >"$out" 2>"$out.err" 3>&- &
    wait_until lines_in "$out" 3
    for _ in 1 2 3; do
        restart
        sleep 0.2
    done
    wait $!
    [[ ! -s $out.err ]]
    # The numbers of the fires are 1 to 60, however they were merged.
    awk '{ split($2, f, "="); sum += f[2]; if ($1 != sum) exit 1 } END { exit sum != 60 }' "$out"
}

@test "who sleeps wakes when he would have" {
    local began=$EPOCHREALTIME took
    as member evloop --system sleep 2s 3>&- &
    sleep 0.3
    restart
    wait $!
    took=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print int((b - a) * 1000) }')
    [[ $took -ge 2000 && $took -lt 3500 ]] || { echo "took $took ms" && false; }
}

@test "who is in line for a limiter stays there, and keeps his place" {
    as member evloop --system limiter set slow --rate 1/s --burst 1 >/dev/null
    as member evloop --system limit slow >/dev/null
    for i in 1 2 3; do
        as member evloop --system limit slow -- echo "$i" >>"$out" 3>&- &
        wait_until waiting slow "$i"
    done
    restart
    wait_until lines_in "$out" 3
    [[ $(<"$out") == $'1\n2\n3' ]]
}

waiting() {
    [[ $(as member evloop --system limiter show "$1" --json | jq .waiting) -eq $2 ]]
}

@test "places that are held stay held, by sessions and by processes" {
    inside mkfifo -m 666 /tmp/gate
    as member evloop --system limit place --concurrency 1 -- sh -c 'read line </tmp/gate' 3>&- &
    wait_until held place 1
    restart
    held place 1
    run -75 as member evloop --system limit place --try true
    inside sh -c 'echo >/tmp/gate'
    wait $!
    wait_until held place 0
    run -0 as member evloop --system limit place --try true
}

held() {
    [[ $(as member evloop --system limiter show "$1" --json | jq .held) -eq $2 ]]
}

@test "what was taken stays taken" {
    as member evloop --system limit kept --rate 1/h --burst 5 -n 3
    restart
    run -0 as member evloop --system limiter show kept --json
    [[ $(jq -r '"\(.allowed) \(.grant.remaining)"' <<<"$output") == '3 2' ]]
}

@test "named timers, jobs, what they wrote, and who waits for them" {
    as alice mkfifo /home/alice/gate
    as alice evloop every 1h --name hourly --ensure true
    as alice evloop soon --name long sh -c 'echo begun; read line <"$HOME/gate"; echo "$line"; exit 7' >/dev/null
    as alice evloop soon --name short sh -c 'exit 3' >/dev/null
    as alice evloop wait short >/dev/null || true
    wait_until log_has begun
    (
        status=0
        as alice evloop wait long >"$out" 3>&- || status=$?
        echo "status $status" >>"$out"
    ) &
    sleep 0.3
    before=$(as alice evloop list --json)
    restart_of_alice
    after=$(as alice evloop list --json)
    [[ $(jq -c '[.[] | [.id, .name, .kind, .next_ns, .state, .runs]]' <<<"$before") == \
        "$(jq -c '[.[] | [.id, .name, .kind, .next_ns, .state, .runs]]' <<<"$after")" ]]
    run -3 as alice evloop wait short
    as alice sh -c 'echo through >"$HOME/gate"'
    wait $!
    grep -qx 'status 7' "$out"
    run -0 as alice evloop log long
    [[ $output == $'begun\nthrough' ]] || { echo "log: $output" && false; }
}

log_has() {
    as alice evloop log long | grep -q "$1"
}

@test "watches of descriptors, processes and paths, and topics" {
    as alice mkdir /home/alice/tree
    as alice mkfifo /home/alice/pipe
    as alice sh -c 'exec 5<>"$HOME/pipe"; exec evloop watch fd 5 --once' >"$out.fd" 3>&- &
    pid_fd=$!
    as alice sh -c 'sleep 300 & echo $! >"$HOME/sleeper"; exec evloop watch pid $!' >"$out.pid" 3>&- &
    pid_pid=$!
    as alice evloop watch path -r /home/alice/tree --once >"$out.path" 3>&- &
    pid_path=$!
    as alice evloop subscribe news --once >"$out.topic" 3>&- &
    pid_topic=$!
    wait_until inside test -s /home/alice/sleeper
    sleep 0.5
    restart_of_alice
    as alice sh -c 'echo >"$HOME/pipe"; touch "$HOME/tree/new"; kill $(cat "$HOME/sleeper")'
    run -0 as alice evloop emit news hello
    [[ $output == 'receivers=1' ]]
    wait "$pid_fd" "$pid_pid" "$pid_path" "$pid_topic"
    [[ $(<"$out.fd") == 'fd=5 readable' ]]
    [[ $(<"$out.pid") == pid=*' ended status='* ]]
    [[ $(<"$out.path") == *'/home/alice/tree/new' ]]
    [[ $(<"$out.topic") == hello ]]
}

@test "a stop is the end, and is told" {
    as member evloop --system sleep 60s 2>"$out" 3>&- &
    sleep 0.3
    inside systemctl stop evloopd.service
    status=0
    wait $! || status=$?
    [[ $status -eq 69 ]]
    # Nothing was left with the service manager, who would have to close it, however long that takes.
    run inside journalctl --no-pager --output=cat --unit=evloopd.service --lines=5
    [[ $output == *'received SIGTERM: leaving'* && $output != *'handed over'* ]]
    run -0 as member evloop --system ping
}
