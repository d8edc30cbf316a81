# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the tests of the command share: a daemon for each test, and ways to say what is expected.
# After `evl WORD...`: $status, $output and $lines, $stderr and $stderr_lines; the bytes are in $BATS_TEST_TMPDIR/out.

: "${EVLOOP:?is set by make check}" "${EVLOOPD:?is set by make check}"

# shellcheck disable=SC2034 # the tests look at them
evl() {
    status=0
    "$EVLOOP" "$@" </dev/null >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- || status=$?
    mapfile -t lines <"$BATS_TEST_TMPDIR/out"
    mapfile -t stderr_lines <"$BATS_TEST_TMPDIR/err"
    output=$(tr -d '\0' <"$BATS_TEST_TMPDIR/out")
    stderr=$(<"$BATS_TEST_TMPDIR/err")
}

daemon=

# A daemon of its own for the test, and $EVLOOP_SOCKET for it.
start_daemon() {
    local ready=$BATS_TEST_TMPDIR/ready line
    export HOME=$BATS_TEST_TMPDIR EVLOOP_SOCKET=$BATS_TEST_TMPDIR/socket
    mkfifo "$ready"
    # 3 is bats' own.
    "$EVLOOPD" --socket "$EVLOOP_SOCKET" --ready-fd 4 "$@" 3>&- 4>"$ready" &
    daemon=$!
    read -r -t 10 line <"$ready" && [[ $line == READY ]]
}

stop_daemon() {
    if [[ -n $daemon ]]; then
        kill "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
        daemon=
    fi
}

fail() {
    echo "$*" >&2
    echo "status: ${status:-}" >&2
    echo "stdout: ${output:-}" >&2
    echo "stderr: ${stderr:-}" >&2
    return 1
}

# The last evl ended so, and complained in nothing or in one line that begins as it should.
expect_status() {
    [[ $status -eq $1 ]] || fail "expected status $1"
}

expect_output() {
    [[ $output == "$1" ]] || fail "expected output: $1"
}

# A pattern for [[ ]].
expect_match() {
    # shellcheck disable=SC2053 # it is a pattern
    [[ $output == $1 ]] || fail "expected output like: $1"
}

expect_regex() {
    [[ $output =~ $1 ]] || fail "expected output like: $1"
}

expect_complaint() {
    [[ ${#stderr_lines[@]} -eq 1 && ${stderr_lines[0]} == 'evloop: '* ]] || fail "expected one line of complaint"
    # shellcheck disable=SC2053
    [[ ${stderr_lines[0]} == $1 ]] || fail "expected a complaint like: $1"
}

# Wrong use: status and complaint, and nothing on standard output.
refused() {
    local expected=$1 complaint=$2
    shift 2
    evl "$@"
    expect_status "$expected"
    [[ -z $output ]] || fail "expected no output"
    expect_complaint "$complaint"
}

# Until COMMAND succeeds; for what no wait verb can wait for.
eventually() {
    local i
    for ((i = 0; i < 500; i++)); do
        "$@" && return 0
        sleep 0.02
    done
    fail "never: $*"
}

is_json() {
    jq -e . >/dev/null <<<"$1" || fail "not JSON: $1"
}
