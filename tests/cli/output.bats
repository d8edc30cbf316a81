#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What cannot be written has not been done: a full disk and a reader that is gone are noticed.

# shellcheck disable=SC2016,SC2154 # variables are for the shells that are started, or of the helper
load helper

setup() {
    start_daemon
    [[ -w /dev/full ]] || skip "no /dev/full"
}

teardown() {
    stop_daemon
}

# The verb ends with status 1 and one line where standard output is full.
full() {
    status=0
    timeout 20 "$EVLOOP" "$@" >/dev/full 2>"$BATS_TEST_TMPDIR/err" 3>&- || status=$?
    stderr=$(<"$BATS_TEST_TMPDIR/err")
    [[ $status -eq 1 ]] || fail "$1: expected status 1"
    [[ $stderr == 'evloop: write error: No space left on device' ]] || fail "$1: expected a complaint"
}

@test "a full disk" {
    local id
    id=$("$EVLOOP" soon --name job echo hi)
    "$EVLOOP" wait "$id"
    full ping
    full time
    full version
    full list --all
    full list --all --json
    full show job
    full show job --json
    full log job
    full wait job
    full wait job --json
    full after 1h true
    full after 1h --json true
    full every 10ms
    full every 10ms --json
    sleep 1 &
    full watch pid $!
    sleep 1 &
    full watch pid $! --json
    full emit nobody
    full emit nobody --json
    full --help
    full --version
    full help list
    "$EVLOOP" after 1h --name x true
    full cancel x
}

@test "a reader that is gone ends what goes on" {
    status=0
    # What comes after the first line has nobody to read it.
    timeout 20 bash -o pipefail -c '"$0" every 20ms | head -n 1' "$EVLOOP" 3>&- || status=$?
    [[ $status -eq 141 ]] || fail "status $status"
    # Where the signal is ignored the error is said.
    status=0
    timeout 20 bash -o pipefail -c 'trap "" PIPE; "$0" every 20ms | head -n 1' "$EVLOOP" 3>&- \
        2>"$BATS_TEST_TMPDIR/err" || status=$?
    [[ $status -eq 1 ]] || fail "status $status"
    grep -q '^evloop: write error: Broken pipe$' "$BATS_TEST_TMPDIR/err"
}

@test "a bridge whose reader is gone has nothing to say of it" {
    mkfifo "$BATS_TEST_TMPDIR/in"
    exec 9<>"$BATS_TEST_TMPDIR/in"
    echo '{"call":"every","period":"20ms"}' >&9
    status=0
    timeout 20 bash -c 'trap "" PIPE; "$0" bridge <"$1" > >(head -n 1 >/dev/null)' "$EVLOOP" "$BATS_TEST_TMPDIR/in" 3>&- 9>&- \
        2>"$BATS_TEST_TMPDIR/err" || status=$?
    exec 9>&-
    [[ $status -eq 1 ]] || fail "status $status"
    [[ ! -s $BATS_TEST_TMPDIR/err ]] || fail "$(<"$BATS_TEST_TMPDIR/err")"
}

@test "closed standard descriptors are not mixed up with the socket" {
    local verb
    for verb in 'list --json' ping time; do
        status=0
        # shellcheck disable=SC2086
        "$EVLOOP" $verb <&- >&- 2>"$BATS_TEST_TMPDIR/err" 3>&- || status=$?
        [[ $status -eq 1 ]] || fail "status $status"
        grep -q '^evloop: write error: Bad file descriptor$' "$BATS_TEST_TMPDIR/err"
    done
    status=0
    "$EVLOOP" cancel nobody <&- >&- 2>&- 3>&- || status=$?
    [[ $status -eq 66 ]] || fail "status $status"
}

@test "lines come as they happen" {
    mkfifo "$BATS_TEST_TMPDIR/pipe"
    "$EVLOOP" every 100ms >"$BATS_TEST_TMPDIR/pipe" 3>&- &
    local ticker=$! line
    exec 5<"$BATS_TEST_TMPDIR/pipe"
    read -r -t 5 line <&5
    [[ $line == '1 fires=1 lateness='* ]]
    read -r -t 5 line <&5
    [[ $line == '2 fires=1 lateness='* ]]
    kill "$ticker"
    exec 5<&-
}
