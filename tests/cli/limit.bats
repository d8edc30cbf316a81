#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# limit: what it takes, how it waits, what it becomes, and what is left when it is killed.

# shellcheck disable=SC2016,SC2154 # variables are for the shells that are started, or of the helper
load helper

setup() {
    cd "$BATS_TEST_TMPDIR"
    start_daemon
}

teardown() {
    stop_daemon
}

# FIELD of `limiter show NAME`.
shown() {
    "$EVLOOP" limiter show "$1" --json | jq -r ".$2"
}

@test "allowed and denied, in text and JSON" {
    evl limit api --rate 10/s
    expect_status 0
    expect_output 'allowed remaining=9 retry_after=0.000000000'
    # However slow the machine is, no token comes back before the test is over.
    evl limit slow --rate 10/h --burst 10 -n 10
    expect_output 'allowed remaining=0 retry_after=0.000000000'
    evl limit slow --try
    expect_status 75
    expect_regex '^denied remaining=0 retry_after=3[0-9]{2}\.[0-9]{9}$'
    evl limit slow --try --deny-exit-code 3
    expect_status 3
    evl limit slow --max-wait 10ms
    expect_status 75
    evl limit api -n 9
    evl limit api --json
    expect_status 0
    is_json "$output"
    [[ $(jq -r '"\(.allowed) \(.limit) \(.remaining|type)"' <<<"$output") == 'true 10 number' ]]
    evl limit free --rate unlimited -n 1000000
    expect_output 'allowed remaining=unlimited retry_after=0.000000000'
}

@test "a definition is made once" {
    evl limit api --rate 10/s
    evl limit api --rate 600/min --burst 10
    expect_status 0
    refused 73 "evloop: the limiter 'api' is defined otherwise: 10/s with a burst of 10; --update changes it" limit api --rate 11/s
    refused 73 "evloop: the limiter 'api' is defined otherwise: 10/s with a burst of 10, max_waiters 10000, max_debt 0; --update changes it" \
        limit api --rate 10/s --max-waiters 3 --max-debt 5
    refused 73 "evloop: the limiter 'api' is defined otherwise: 10/s with a burst of 10; 'evloop limiter remove api' makes room for it" \
        limit api --concurrency 2 true
    refused 73 "evloop: the limiter 'api' is defined otherwise: 10/s with a burst of 10, without keys; 'evloop limiter remove api' makes room for it" \
        limit api --rate 10/s --key k
    evl limit api --rate 20/s --update
    expect_status 0
    [[ $(shown api spec.rules[0].tokens) == 20 ]]
    refused 66 "evloop: there is no limiter named 'nobody'" limit nobody
    evl limit list
    expect_status 66
    [[ ${stderr_lines[1]} == "evloop: did you mean 'evloop limiter list'?" ]] || fail
    evl limit ls
    [[ ${stderr_lines[1]} == "evloop: did you mean 'evloop limiter list'?" ]] || fail
    evl limit reset api
    expect_status 127
    [[ ${stderr_lines[1]} == "evloop: did you mean 'evloop limiter reset'?" ]] || fail
}

@test "wrong use" {
    refused 64 '*no name of a limiter*' limit
    refused 65 "*--rate '1.5/s': only whole numbers are allowed: write 3/2s for 1.5/s" limit x --rate 1.5/s
    refused 65 "*--rate '0/0': *" limit x --rate 0/0
    refused 65 "*--rate '5/': *" limit x --rate 5/
    refused 65 "*--rate '0/s': it would never allow anything" limit x --rate 0/s
    refused 65 "*--rate 'fast': *" limit x --rate fast
    refused 64 "*--burst belongs behind a --rate" limit x --burst 5
    refused 64 "*--burst '0' is not a number of at least 1" limit x --rate 1/s --burst 0
    refused 65 "*-n '18446744073709551616' is above 18446744073709551615" limit x -n 18446744073709551616
    refused 64 "*-n '0' is not a number*" limit x --rate 1/s -n 0
    refused 64 '*exclude each other*' limit x --rate 1/s --concurrency 2 true
    refused 64 '*limit: --try and --max-wait contradict each other' limit x --rate 1/s --try --max-wait 3s
    refused 64 '*limit: --try and --max-wait contradict each other' limit x --rate 1/s --max-wait 0 --try
    refused 64 '*a place is held by a command*' limit x --concurrency 2
    refused 64 '*--update goes with*' limit x --update
    refused 64 "*--key '' is no key" limit x --rate 1/s --key ''
    refused 64 "*--also '' names no limiter" limit x --rate 1/s --also ''
    refused 64 "*--deny-exit-code '256' is not*" limit x --rate 1/s --deny-exit-code 256
    refused 65 "*--max-wait '5x' is not a duration*" limit x --rate 1/s --max-wait 5x
    refused 64 '*--lines passes lines on*' limit x --rate 1/s --lines true
    refused 65 "*the name '1st' is not made of*" limit 1st --rate 1/s
    refused 65 '*4.5 years*' limit x --rate 1/365d --burst 1000000
    # What it could never grant is not made, nor changed.
    refused 65 "evloop: limit: -n 5 is more than --rate '1/s' grants at one instant, a burst of 1" limit y --rate 1/s -n 5
    refused 65 "evloop: limit: -n 5 is more than --rate '9/m' grants at one instant, a --burst of 4" limit y --rate 9/s --rate 9/m --burst 4 -n 5
    refused 65 "evloop: limit: -n 5 is more than --concurrency 3" limit y --concurrency 3 -n 5 true
    # What cannot be run costs nothing.
    refused 127 '*nonesuch: command not found' limit y --rate 1/s -- nonesuch
    evl limiter list
    [[ -z $output ]] || fail "something was made"
    evl limit x --rate 3/s
    refused 65 "*4 is more than the limiter 'x' could ever grant: 3/s with a burst of 3" limit x -n 4
    refused 65 "*the limiter 'x' has no keys" limit x --key k
    [[ $(shown x allowed) == 1 ]]
}

@test "it becomes the command" {
    evl limit api --rate 10/s sh -c 'echo "$EVLOOP_LIMIT_NAME $EVLOOP_LIMIT_REMAINING $EVLOOP_LIMIT_RESET_AFTER"; exit 7'
    expect_status 7
    expect_regex '^api 9 0\.1[0-9]{8}$'
    evl limit api -c 'echo "$0 $1"; exit 8' a 'b  c'
    expect_status 8
    expect_output 'a b  c'
    evl limit api -- printf '%s|' -n '' 'a
b' --try
    expect_output '-n||a
b|--try|'
    evl limit api -n 7
    refused 75 '*api: denied, would be allowed in *' limit api --try -n 5 -- touch ran
    [[ ! -e ran ]]
}

@test "six takers of 2/s: 0, 0, 0.5, 1, 1.5, 2 s" {
    local times
    times=$(for _ in 1 2 3 4 5 6; do echo two; done | xargs -P6 -I{} "$EVLOOP" limit {} --rate 2/s --burst 2 --json 3>&- |
        jq -r '.now_ns|tonumber' | sort -n)
    [[ $(wc -l <<<"$times") -eq 6 ]]
    # By the decisions: none is early, and the burst is at once.  Late a machine may be.
    awk 'NR == 1 { first = $1 }
         NR > 2 && $1 - first < (NR - 2) * 500000000 - 1000 { exit 1 }' <<<"$times" || fail "$times"
}

@test "no item is lost under a rate, and it takes the time that the rate says" {
    local began=$(date +%s%N) took
    seq 200 | xargs -P16 -n1 "$EVLOOP" limit gh --rate 50/s -- sh -c 'echo "$1" >>items' - 3>&-
    took=$((($(date +%s%N) - began) / 1000000))
    [[ $(sort -n items | tr '\n' ' ') == "$(seq 200 | tr '\n' ' ')" ]]
    [[ $(shown gh allowed) == 200 ]]
    # Fifty at once, and the others 20 ms apart.
    [[ $took -ge 3000 && $took -lt 4500 ]] || fail "it took $took ms"
}

@test "who is killed in line has never been there" {
    evl limit one --rate 1/h
    local i
    for i in 1 2 3; do
        "$EVLOOP" limit one 3>&- >"granted$i" &
        pids[i]=$!
        waiting() { [[ $(shown one waiting) == "$i" ]]; }
        eventually waiting
    done
    evl limiter holders one
    [[ ${lines[2]} == *" waiting pid=${pids[3]} "*" position=2 "* ]] || fail
    kill -9 "${pids[1]}" "${pids[2]}"
    waiting() { [[ $(shown one waiting) == 1 ]]; }
    eventually waiting
    evl limiter refund one
    wait "${pids[3]}"
    [[ $(<granted3) == 'allowed remaining=0 '* ]] || fail "$(<granted3)"
}

@test "a change moves the line" {
    evl limit slow --rate 1/h
    "$EVLOOP" limit slow 3>&- >moved &
    local pid=$!
    waiting() { [[ $(shown slow waiting) == 1 ]]; }
    eventually waiting
    evl limiter set slow --rate 1000/s --burst 1
    expect_output 'slow updated'
    wait "$pid"
    [[ $(<moved) == allowed* ]]
    # A limiter that goes away is said.
    evl limit slow --rate 1/h --update
    evl limit slow --try
    "$EVLOOP" limit slow true 3>&- 2>told &
    pid=$!
    eventually waiting
    evl limiter remove slow
    expect_output 'slow removed'
    status=0
    wait "$pid" || status=$?
    [[ $status -eq 66 && $(<told) == 'evloop: slow: the limiter was removed' ]] || fail "$(<told)"
}

@test "places: never more than there are, and free when the process ends" {
    for _ in 1 2 3 4 5 6 7 8 9 10; do echo c; done | xargs -P10 -I{} "$EVLOOP" limit {} --concurrency 4 -- sh -c '
        mkdir "alive.$$"; ls -d alive.* | wc -l >>counts; sleep 0.1; rmdir "alive.$$"' 3>&-
    [[ $(wc -l <counts) -eq 10 ]]
    [[ $(sort -n counts | tail -n 1) -le 4 ]] || fail "$(sort -n counts | tail -n 1) at one time"
    [[ $(shown c held) == 0 && $(shown c allowed) == 10 ]]
}

@test "a killed process frees its place, and its grandchild does not keep it" {
    "$EVLOOP" limit one --concurrency 1 -- sh -c 'sleep 1000 & echo $! >child; wait' 3>&- &
    local pid=$!
    eventually test -s child
    refused 75 "evloop: one: denied, held by pid $pid" limit one --try true
    evl limiter holders one
    expect_regex "^[0-9]+ held pid=$pid uid=$(id -u) n=1 age="
    evl limiter holders one --json
    [[ $(jq -r 'map("\(.state) \(.pid)") | join(",")' <<<"$output") == "held $pid" ]] || fail
    kill -9 "$pid"
    evl limit one --max-wait 10s true
    expect_status 0
    none() { [[ $("$EVLOOP" limiter holders one --json) == '[]' ]]; }
    eventually none
    kill "$(<child)"
}

@test "keys" {
    evl limit k --rate 1/h --key a
    evl limit k --key b --try
    expect_status 0
    evl limit k --key b --try
    expect_status 75
    refused 65 "*the limiter 'k' needs a key" limit k
    evl limit few --rate 1/h --key a --max-keys 1 --on-full deny
    evl limit few --key b --try
    expect_status 75
}

@test "several at once: all or nothing" {
    evl limit ten --rate 10/h --burst 10
    evl limit key --rate 1/h --key x
    evl limit ten --also key=y
    expect_status 0
    evl limit ten --also key=y --try true
    expect_status 75
    expect_complaint '*key: denied, *'
    [[ $(shown ten grant.remaining) == 8 ]]
    refused 65 '*limit: --also ten: that limiter is named twice; -n takes more of one' limit ten --also ten
    refused 65 '*limit: --also key=x: that limiter is named twice; *' limit ten --also key=x --also key=z --also key=x
    refused 65 '*limit: --also key=x: that limiter is named twice; *' limit key --key x --also key=x
    refused 66 "*no limiter named 'nobody'" limit ten --also nobody
    # It waits by asking again.
    evl limit fast --rate 20/s --burst 1
    evl limit fast --also ten
    expect_status 0
}

@test "lines pass at that rate, whole and in order" {
    seq 20 >in
    printf 'no newline' >>in
    "$EVLOOP" limit l --rate 1000/s --burst 1 --lines <in >passed 3>&-
    cmp in passed
    [[ $(shown l allowed) == 21 ]]
    status=0
    "$EVLOOP" limit l --rate 1/h --update --lines --try <in >passed 2>told 3>&- || status=$?
    [[ $status -eq 75 && $(<told) == 'evloop: l: denied, '* ]] || fail "$(<told)"
}

@test "no daemon: rates fail open, places closed, and both can be chosen" {
    stop_daemon
    evl limit api --rate 10/s echo ran
    expect_status 0
    expect_output ran
    [[ ${stderr_lines[-1]} == 'evloop: api: not limited, for nobody can be asked' ]] || fail
    evl limit api --rate 10/s --fail-closed echo ran
    expect_status 69
    [[ -z $output ]] || fail
    evl limit db --concurrency 1 echo ran
    expect_status 69
    [[ -z $output ]] || fail
    evl limit db --concurrency 1 --fail-open echo ran
    expect_status 0
    expect_output ran
    refused 64 '*--fail-open and --fail-closed: only one can be meant' limit api --fail-open --fail-closed true
    refused 64 '*--fail-open and --fail-closed: only one can be meant' limit api --fail-closed --fail-open true
}

@test "who goes on where nobody can be asked does so also when the daemon dies meanwhile" {
    evl limit api --rate 1/h true
    expect_status 0
    "$EVLOOP" limit api --fail-open -- echo ran >"$BATS_TEST_TMPDIR/ran" 2>"$BATS_TEST_TMPDIR/said" 3>&- &
    local waiter=$!
    for _ in {1..100}; do
        [[ $("$EVLOOP" limiter show api --json | jq .waiting) -eq 1 ]] && break
        sleep 0.05
    done
    kill -KILL "$daemon"
    wait "$waiter"
    [[ $(<"$BATS_TEST_TMPDIR/ran") == ran ]]
    grep -q 'not limited, for nobody can be asked' "$BATS_TEST_TMPDIR/said"
    ! grep -q denied "$BATS_TEST_TMPDIR/said"
}
