#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# log: output as it came, with and without -f.

# shellcheck disable=SC2016,SC2154 # variables are for the shells that are started, or of the helper
load helper

setup() {
    start_daemon
    cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
    stop_daemon
}

arm() {
    evl "$@"
    expect_status 0
    id=$output
}

@test "standard output and standard error, byte for byte" {
    arm soon -c 'printf "a\0b\377\n"; echo error >&2; printf "no end"'
    evl wait "$id"
    evl log "$id"
    expect_status 0
    printf 'a\0b\377\nerror\nno end' | cmp - "$BATS_TEST_TMPDIR/out"
    evl log --json "$id"
    is_json "$output"
    [[ $(jq -c '.data[0:4]' <<<"$output") == '[97,0,98,255]' ]]
}

@test "of all runs, and no more than is kept" {
    arm every 20ms --count 3 --overlap queue --name runs -c 'echo run $EVLOOP_FIRE_SEQ'
    over() { [[ $("$EVLOOP" list --all --json runs | jq -r '.[0].state') == finished ]]; }
    eventually over
    evl log runs
    [[ ${lines[0]} == 'run 1' && ${lines[-1]} == 'run 3' ]] || fail "runs"
    arm soon -c 'head -c 200000 /dev/zero | tr "\0" x; echo; echo last'
    evl wait "$id"
    evl log "$id"
    expect_status 0
    [[ $(wc -c <"$BATS_TEST_TMPDIR/out") -eq 65536 ]]
    [[ ${lines[-1]} == last ]]
    expect_complaint "*$id: * bytes before this are not kept any more"
}

@test "-f goes on until the job is over" {
    arm soon --name slow -c 'echo one; while [ ! -e go ]; do sleep 0.02; done; echo two; exit 3'
    "$EVLOOP" log -f slow >followed 3>&- &
    local follower=$!
    one() { grep -q one followed; }
    eventually one
    ! grep -q two followed || fail "two is there already"
    touch go
    status=0
    wait "$follower" || status=$?
    [[ $status -eq 0 ]] || fail "status $status"
    [[ $(<followed) == $'one\ntwo' ]]
    # One that is over ends at once.
    evl log -f slow
    expect_output $'one\ntwo'
}

@test "-f loses nothing of a fast writer" {
    arm after 300ms --name fast -c 'i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i + 1)); done'
    evl log -f fast
    expect_status 0
    [[ ${#lines[@]} -eq 3000 && ${lines[2999]} == 'line 2999' ]] || fail "${#lines[@]} lines"
}

@test "several get titles" {
    arm soon --name a echo from-a
    arm soon --name b echo from-b
    evl wait a b
    evl log a b
    expect_output $'==> 1 a <==\nfrom-a\n\n==> 2 b <==\nfrom-b'
    evl log '[ab]'
    expect_output $'==> 1 a <==\nfrom-a\n\n==> 2 b <==\nfrom-b'
}

@test "what has no output, and what there is not" {
    refused 66 '*nobody: no such timer' log nobody
    refused 66 '*x\**: no such timer' log 'x*'
    "$EVLOOP" every 1h --name tick >/dev/null 3>&- &
    local ticker=$!
    there() { "$EVLOOP" list --json tick >/dev/null 2>&1; }
    eventually there
    refused 65 '*tick: has no command and so no output' log tick
    kill "$ticker"
}
