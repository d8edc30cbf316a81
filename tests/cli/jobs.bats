#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Jobs: runs that overlap, that take too long, that hang, that are many, and what is left of them.

# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # variables are for the shells that are started, or of the helper
load helper

setup() {
    start_daemon
    cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
    # Whatever still waits for a file finds it.
    touch go end
    stop_daemon
}

arm() {
    evl "$@"
    expect_status 0
    id=$output
}

field() {
    "$EVLOOP" show --json "$1" | jq -r ".$2"
}

is() {
    [[ $(field "$1" "$2") == "$3" ]]
}

# A run says that it is there, and ends when the file go is.
waiting='echo "run $EVLOOP_FIRE_SEQ" >>runs; while [ ! -e go ]; do sleep 0.02; done'

began() {
    [[ -e runs && $(wc -l <runs) -ge $1 ]]
}

# Fires are one by one and seen by the daemon when trigger returns, so nothing here depends on the time.
fire() {
    local i
    for ((i = 0; i < $2; i++)); do
        "$EVLOOP" trigger "$1" >/dev/null
    done
}

@test "--overlap skip: a fire during a run starts nothing" {
    arm every 1h --name skip --overlap skip -c "$waiting"
    fire skip 4
    eventually began 1
    is skip runs 1
    is skip skipped 3
    is skip active 1
    touch go
    eventually is skip active 0
    fire skip 1
    eventually is skip last_run.fire_seq 5
    eventually is skip active 0
    [[ $(<runs) == $'run 1\nrun 5' ]]
}

@test "--overlap skip is what happens without" {
    arm every 1h --name plain -c "$waiting"
    fire plain 3
    is plain overlap skip
    is plain skipped 2
}

@test "--overlap queue: one more run follows, for all fires that came meanwhile" {
    arm every 1h --name queue --overlap queue -c "$waiting"
    fire queue 4
    eventually began 1
    is queue active 1
    is queue skipped 0
    touch go
    eventually is queue runs 2
    eventually is queue active 0
    [[ $(<runs) == $'run 1\nrun 4' ]]
}

@test "--overlap restart: the run is ended, and only then the next one begins" {
    arm every 1h --name restart --overlap restart \
        -c "trap 'sleep 0.2; echo over >>runs; exit 5' TERM; echo \"run \$EVLOOP_FIRE_SEQ\" >>runs; while [ ! -e go ]; do sleep 0.02; done"
    fire restart 1
    eventually began 1
    fire restart 2
    eventually began 3
    touch go
    eventually is restart active 0
    is restart runs 2
    is restart last_run.status 0
    [[ $(<runs) == $'run 1\nover\nrun 3' ]]
}

@test "--overlap allow: up to 16 at a time" {
    arm every 1h --name allow --overlap allow -c "$waiting"
    fire allow 18
    eventually began 16
    is allow active 16
    is allow skipped 2
    touch go
    eventually is allow active 0
    [[ $(sort -k2n runs | tail -n 1) == 'run 16' ]]
}

@test "--timeout ends the run with TERM" {
    arm soon --timeout 100ms --name slow -c 'sleep 60 & echo $! >child; wait'
    evl wait slow --timeout 20s
    expect_status 143
    is slow last_run.result timed-out
    dead() { ! kill -0 "$(<child)" 2>/dev/null; }
    eventually dead
    # One that ends in time is not touched.
    arm soon --timeout 20s -c 'exit 4'
    evl wait "$id"
    expect_status 4
    is "$id" last_run.result exited
}

@test "statuses are kept, and listed when they are bad" {
    local status_wanted
    for status_wanted in 0 1 3 126 127 255; do
        arm soon --name "s$status_wanted" -c "exit $status_wanted"
        evl wait "$id"
        expect_status "$status_wanted"
        # Asked again.
        evl wait "s$status_wanted"
        expect_status "$status_wanted"
    done
    evl list --failed --json
    [[ $(jq -r '.[].last_run.status' <<<"$output" | sort -n | tr '\n' ' ') == '1 3 126 127 255 ' ]]
    evl list
    [[ ${#lines[@]} -le 1 ]] || fail "what is finished is listed"
}

@test "a command that is gone when its time comes is not started" {
    printf '#!/bin/sh\n' >tool
    chmod +x tool
    arm every 1h --name tool ./tool
    rm tool
    fire tool 1
    eventually is tool last_run.status 127
    is tool last_run.result not-started
    evl log tool
    expect_match "evloop: cannot run './tool': No such file or directory"
    : >tool
    fire tool 1
    eventually is tool last_run.status 126
    mkdir there
    (cd there && "$EVLOOP" every 1h --name there true)
    rmdir there
    fire there 1
    eventually is there last_run.status 126
    evl log there
    expect_match "evloop: cannot enter '$PWD/there': No such file or directory"
}

@test "EVLOOP_ variables say which fire it is, and where the daemon is" {
    arm every 1h --name some:name -c 'echo "$EVLOOP_ID $EVLOOP_NAME $EVLOOP_FIRE_SEQ $EVLOOP_MISSED"; '"$EVLOOP"' cancel "$EVLOOP_NAME"'
    EVLOOP_ID=stale fire some:name 1
    ended() { [[ $("$EVLOOP" list --all --json some:name | jq -r '.[0].state') == finished ]]; }
    eventually ended
    evl log some:name
    [[ ${lines[0]} == "$id some:name 1 0" ]] || fail "variables"
    [[ ${lines[1]} == "$id some:name cancelled" || ${lines[1]} == "$id cancelled" ]] || fail "the job found no daemon"
    # One without a name has an empty one, also where the caller has another one.
    export EVLOOP_NAME=stale
    arm soon -c 'echo "[$EVLOOP_NAME]"'
    evl wait "$id"
    evl log "$id"
    expect_output '[]'
}

@test "a job has default signals, whatever the daemon ignores" {
    arm soon sh -c 'kill -PIPE $$'
    evl wait "$id"
    expect_status 141
}

@test "what a job leaves behind goes on, may write, and keeps nobody" {
    arm soon -c '(while [ ! -e go ]; do sleep 0.02; done; head -c 300000 /dev/zero && touch proof) & echo now'
    evl wait "$id" --timeout 20s
    expect_status 0
    evl log -f "$id"
    expect_output now
    touch go
    eventually test -e proof
    evl log "$id"
    expect_output now
}

@test "a job outlives the daemon, killed or not" {
    local signal
    for signal in TERM KILL; do
        rm -f go began proof ready
        [[ -n $daemon ]] || start_daemon
        arm soon -c 'touch began; while [ ! -e go ]; do sleep 0.02; done; head -c 300000 /dev/zero && touch proof'
        eventually test -e began
        kill -"$signal" "$daemon"
        wait "$daemon" || true
        daemon=
        touch go
        eventually test -e proof
    done
}

@test "more than a uid may run at once wait for their turn" {
    stop_daemon
    rm -f ready
    start_daemon --limit jobs=2
    local i
    for i in 1 2 3 4 5; do
        arm soon --name "j$i" -c "echo $i >>order; while [ ! -e go ]; do sleep 0.02; done"
    done
    two() { [[ -e order && $(wc -l <order) -eq 2 ]]; }
    eventually two
    sleep 0.1
    two || fail "more than two"
    evl list j5
    expect_match '*waits for a place*'
    evl show j5
    expect_match '*state *running, waits for a place*'
    # One that waits can be killed: then it never runs.
    evl kill j4
    touch go
    evl wait j1 j2 j3 j5 --timeout 20s
    expect_status 0
    [[ $(sort order | tr -d '\n') == 1235 ]]
    is j4 runs 0
}

@test "two hundred at once" {
    local i
    for ((i = 0; i < 200; i++)); do
        echo "after 300ms --name n$i -c 'echo $i'"
    done >all
    xargs -P8 -L1 "$EVLOOP" <all >/dev/null
    evl wait $(seq -f 'n%g' 0 199) --timeout 30s
    expect_status 0
    [[ ${#lines[@]} -eq 200 ]]
    for i in 0 77 199; do
        evl log "n$i"
        expect_output "$i"
    done
    # Descriptors are back: listener, epoll, three clocks, signals and the like.
    [[ $(find "/proc/$daemon/fd" -mindepth 1 | wc -l) -lt 25 ]]
}
