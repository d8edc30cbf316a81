#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# wait and sleep: what they print, how long they take, and with which status they end.

# shellcheck disable=SC2016,SC2154 # variables are for the shells that are started, or of the helper
load helper

setup() {
    start_daemon
}

teardown() {
    stop_daemon
}

arm() {
    evl "$@"
    expect_status 0
    expect_regex '^[0-9]+$'
    id=$output
}

@test "the status of one is the job's" {
    arm soon true
    evl wait "$id"
    expect_status 0
    expect_regex "^$id - done status=0 lateness=0\.[0-9]{9}$"
    # It is kept.
    evl wait "$id"
    expect_status 0
    expect_match "$id - done status=0 *"
    arm soon --name bad -c 'exit 7'
    evl wait bad
    expect_status 7
    expect_match "$id bad done status=7 *"
    arm soon -c 'kill -9 $$'
    evl wait "$id"
    expect_status 137
    expect_match "$id - done status=137 *"
}

@test "--all: the first that is not 0, in the order of the operands" {
    arm after 300ms --name slow -c 'exit 3'
    arm soon --name quick -c 'exit 4'
    arm soon --name fine true
    # However long they take: which comes first is what was asked.
    evl wait fine slow quick
    expect_status 3
    [[ ${#lines[@]} -eq 3 ]]
    evl wait --all quick slow
    expect_status 4
    evl wait fine
    expect_status 0
}

@test "--any: the first to end, and nothing of the others" {
    arm after 1h --name late true
    arm after 50ms --name early -c 'exit 5'
    evl wait --any late early
    expect_status 5
    [[ ${#lines[@]} -eq 1 ]]
    expect_match '* early done status=5 *'
    refused 64 '*--any and --all: only one can be meant' wait --any late --all early
    refused 64 '*--any and --all: only one can be meant' wait --all --any late
}

@test "--timeout" {
    arm after 1h --name late true
    evl wait late --timeout 100ms
    expect_status 124
    [[ -z $output ]]
    expect_complaint '*timed out waiting for * late'
    refused 124 "evloop: timed out waiting for pid:$$" wait "pid:$$" --timeout 10ms
    evl wait --timeout 0 late
    expect_status 124
    arm soon true
    evl wait "$id" --timeout 20s
    expect_status 0
}

@test "a cancelled or replaced one is 1" {
    arm after 1h --name a true
    (
        sleep 0.2
        "$EVLOOP" cancel a
    ) >/dev/null 3>&- &
    evl wait a
    expect_status 1
    expect_match '* a cancelled *'
    arm after 1h --name b true
    (
        sleep 0.2
        "$EVLOOP" after 1h --name b --replace true
    ) >/dev/null 3>&- &
    evl wait b
    expect_status 1
    expect_match '* b replaced *'
}

@test "what there is not" {
    refused 66 '*4711: no such timer' wait 4711
    refused 66 '*nobody: no such timer' wait nobody
    refused 66 '*0: no such timer' wait 0
    refused 66 '*99999999999999999999999: no such timer' wait 99999999999999999999999
    refused 66 "*x\\**: no such timer" wait 'x*'
    refused 66 '*: no such timer' wait ''
    # The others are waited for all the same.
    arm soon true
    evl wait nobody "$id"
    expect_status 66
    expect_match "$id - done status=0 *"
    evl wait --any nobody "$id"
    expect_status 0
    expect_match "$id - done status=0 *"
}

@test "a pattern stands for all that it matches" {
    arm after 1s --name job-a true
    arm after 1100ms --name job-b true
    arm after 1h --name other true
    evl wait 'job-*' --timeout 20s
    expect_status 0
    [[ ${#lines[@]} -eq 2 ]]
}

@test "a pattern finds what has ended, of each name the last" {
    arm soon --name job-a -c 'exit 3'
    evl wait job-a
    arm soon --name job-b -c 'exit 4'
    evl wait job-b
    arm soon --name job-a true
    evl wait job-a
    # One that finds nothing does not keep the others from being waited for.
    evl wait 'none-*' job-b
    expect_status 66
    expect_match '* job-b done status=4 *'
    evl wait 'job-*'
    expect_status 4
    [[ ${#lines[@]} -eq 2 ]] || fail "two names"
    expect_match '* job-b done status=4 *job-a done status=0 *'
}

@test "a timer without a command has fired" {
    "$EVLOOP" every 100ms --name tick >/dev/null 3>&- &
    local ticker=$!
    there() { "$EVLOOP" list --json tick >/dev/null 2>&1; }
    eventually there
    evl wait tick
    expect_status 0
    expect_regex '^[0-9]+ tick fired status=0 lateness=0\.[0-9]{9}$'
    kill "$ticker"
}

@test "a repeating job is waited for until its next run has ended" {
    arm every 100ms --name again -c 'exit 2'
    evl wait again
    expect_status 2
    expect_match '* again done status=2 *'
    evl cancel again
}

@test "as JSON" {
    arm soon -c 'exit 6'
    evl wait --json "$id"
    expect_status 6
    is_json "$output"
    [[ $(jq -r '"\(.id) \(.run.status) \(.run.result)"' <<<"$output") == "$id 6 exited" ]]
}

@test "many wait for one" {
    arm after 300ms -c 'exit 9'
    local pids=() pid i
    for i in 1 2 3 4 5 6 7 8; do
        "$EVLOOP" wait "$id" >"$BATS_TEST_TMPDIR/wait$i" 3>&- &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        status=0
        wait "$pid" || status=$?
        [[ $status -eq 9 ]] || fail "status $status"
    done
    [[ $(cat "$BATS_TEST_TMPDIR"/wait? | grep -c "^$id - done status=9 ") -eq 8 ]]
}

@test "the daemon goes: 69" {
    arm after 1h true
    "$EVLOOP" wait "$id" >/dev/null 2>"$BATS_TEST_TMPDIR/said" 3>&- &
    local waiting=$!
    attached() { "$EVLOOP" list --json "$id" | jq -e '.[0].attached' >/dev/null; }
    eventually attached
    stop_daemon
    status=0
    wait "$waiting" || status=$?
    [[ $status -eq 69 ]] || fail "status $status"
    [[ $(grep -c '^evloop: ' "$BATS_TEST_TMPDIR/said") -eq 1 ]]
}

@test "sleep sleeps, never too short" {
    local began ended
    began=$(date +%s%N)
    evl sleep 120ms
    ended=$(date +%s%N)
    expect_status 0
    [[ -z $output$stderr ]]
    ((ended - began >= 120000000)) || fail "early"
    evl sleep 0
    expect_status 0
    evl sleep .05 --clock monotonic
    expect_status 0
    evl sleep --until "$(date -d '+0.2 seconds' +@%s.%N)"
    expect_status 0
}

@test "three sleeps together take no longer than one" {
    local began ended pids=() pid
    began=$(date +%s%N)
    for _ in 1 2 3; do
        "$EVLOOP" sleep 500ms 3>&- &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid"
    done
    ended=$(date +%s%N)
    ((ended - began < 1400000000)) || fail "took $((ended - began)) ns"
}

@test "interrupted in the foreground: 130, and nothing is left" {
    local verb
    for verb in 'sleep 1h' 'every 1h' 'wait keeper'; do
        [[ $verb != wait* ]] || arm after 1h --name keeper true
        # A shell of its own, so that the interrupt is not ignored as it is for what runs in the background.
        status=0
        # shellcheck disable=SC2086
        timeout --preserve-status -s INT 0.3 "$EVLOOP" $verb 3>&- || status=$?
        [[ $status -eq 130 ]] || fail "$verb: status $status"
    done
    evl cancel keeper
    gone() { [[ $("$EVLOOP" list --all --json | jq '[.[] | select(.state != "finished")] | length') -eq 0 ]]; }
    eventually gone
}
