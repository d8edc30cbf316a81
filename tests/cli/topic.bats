#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# emit and subscribe: who hears what, as a line or by a command, and what is lost.

# shellcheck disable=SC2016,SC2154 # variables are for the shells that are started, or of the helper
load helper

setup() {
    start_daemon
    mkfifo "$BATS_TEST_TMPDIR/pipe" "$BATS_TEST_TMPDIR/gate"
    # Both ways, so that nobody waits for the other end.
    exec 5<>"$BATS_TEST_TMPDIR/pipe" 6<>"$BATS_TEST_TMPDIR/gate"
    export GATE=$BATS_TEST_TMPDIR/gate
    subscriber=
}

teardown() {
    [[ -z $subscriber ]] || kill "$subscriber" 2>/dev/null || true
    exec 5>&- 6>&-
    stop_daemon
}

heard() {
    [[ $("$EVLOOP" emit "$1" ready) == receivers=1 ]]
}

# subscribe TOPIC WORD... in the background, until it is heard there.
subscribe() {
    : >"$BATS_TEST_TMPDIR/said"
    "$EVLOOP" subscribe "$@" >"$BATS_TEST_TMPDIR/pipe" 2>"$BATS_TEST_TMPDIR/said" </dev/null 3>&- 5>&- 6>&- &
    subscriber=$!
    eventually heard "$1"
}

# The next line of the subscriber is that one.
says() {
    local line=
    read -r -t 10 line <&5 || fail "it says nothing, but should: $1"
    [[ $line == "$1" ]] || fail "it says '$line', but should: $1"
}

# The subscriber ends by itself, with that status.
ends() {
    status=0
    wait "$subscriber" || status=$?
    subscriber=
    [[ $status -eq $1 ]] || fail "it ends with $status, but should with $1: $(<"$BATS_TEST_TMPDIR/said")"
}

@test "a line for each message" {
    subscribe news
    says ready
    evl emit news 'one  two'
    expect_status 0
    expect_output receivers=1
    says 'one  two'
    evl emit news
    expect_output receivers=1
    says ''
    printf 'from a\nfile' | "$EVLOOP" emit news -
    says 'from a'
    says 'file'
    evl emit news --json -- -x
    is_json "$output"
    [[ $(jq .receivers <<<"$output") -eq 1 ]]
    says -x
    evl emit other 'not for us'
    expect_output receivers=0
}

@test "all hear it" {
    "$EVLOOP" subscribe news --once >"$BATS_TEST_TMPDIR/one" </dev/null 3>&- 5>&- 6>&- &
    local one=$!
    "$EVLOOP" subscribe news -c 'cat; kill $PPID' >"$BATS_TEST_TMPDIR/two" </dev/null 3>&- 5>&- 6>&- &
    local two=$!
    # Until both have heard one.
    both() {
        "$EVLOOP" emit news x >/dev/null
        ! kill -0 "$one" 2>/dev/null && ! kill -0 "$two" 2>/dev/null
    }
    eventually both
    wait "$one"
    wait "$two" || true
    [[ $(<"$BATS_TEST_TMPDIR/one") == x ]]
    [[ $(<"$BATS_TEST_TMPDIR/two") == x ]]
}

@test "a command for each message, with the data on its standard input" {
    subscribe news -c 'echo "$EVLOOP_TOPIC $EVLOOP_DATA $EVLOOP_FIRES $EVLOOP_LOST $(cat) $*"' sh a b
    says 'news ready 1 0 ready a b'
    "$EVLOOP" emit news tea
    says 'news tea 1 0 tea a b'
    # What is no text is in no variable.
    printf 'a\377\0b' >"$BATS_TEST_TMPDIR/bytes"
    kill "$subscriber"
    ends 143
    subscribe news -c '[ -n "${EVLOOP_DATA-}" ] || { cat >"$HOME/got"; echo "${EVLOOP_DATA-none}"; }'
    "$EVLOOP" emit news - <"$BATS_TEST_TMPDIR/bytes"
    says none
    cmp "$BATS_TEST_TMPDIR/bytes" "$HOME/got"
}

@test "a command that fails does not end it, one that was killed is told" {
    subscribe news -c 'echo "$EVLOOP_DATA"; [ "$EVLOOP_DATA" != die ] || kill -9 $$; exit 7'
    says ready
    "$EVLOOP" emit news die
    says die
    "$EVLOOP" emit news again
    says again
    [[ $(<"$BATS_TEST_TMPDIR/said") == 'evloop: sh: ended by signal 9, Killed' ]]
}

@test "--once: the status of the command" {
    subscribe news --once -c 'wc -c; exit 7'
    ends 7
    subscribe news --once
    says 5
    says ready
    ends 0
}

# Events that it has received by now: with EVLOOP_DEBUG every frame is told.
received() {
    [[ $(grep -c '< event Event' "$BATS_TEST_TMPDIR/said") -ge $1 ]]
}

@test "--queue: of more than that the oldest is lost, and that is said" {
    local word
    export EVLOOP_DEBUG=1
    subscribe news --queue 2 -c 'echo "$EVLOOP_DATA $EVLOOP_LOST"; read -r _ <"$GATE"'
    unset EVLOOP_DEBUG
    says 'ready 0'
    for word in a b c d e; do
        "$EVLOOP" emit news "$word"
    done
    eventually received 6
    echo >&6
    says 'd 3'
    echo >&6
    says 'e 0'
    echo >&6
    [[ $(grep -c '^evloop: ' "$BATS_TEST_TMPDIR/said") -eq 1 ]]
    grep -qx 'evloop: news: 3 messages were lost' "$BATS_TEST_TMPDIR/said"
}

@test "--latest: only the last one waits" {
    export EVLOOP_DEBUG=1
    subscribe news --latest -c 'echo "$EVLOOP_DATA $EVLOOP_FIRES"; read -r _ <"$GATE"'
    unset EVLOOP_DEBUG
    says 'ready 1'
    "$EVLOOP" emit news a
    "$EVLOOP" emit news b
    "$EVLOOP" emit news c
    eventually received 4
    echo >&6
    says 'c 3'
    echo >&6
    "$EVLOOP" emit news d
    says 'd 1'
    echo >&6
}

@test "--timeout: 124, counted from the last message" {
    evl subscribe news --timeout 100ms
    expect_status 124
    [[ -z $output ]]
    expect_complaint '*subscribe: nothing happened for 100ms'
    # While the command runs no time is counted.
    subscribe news --timeout 500ms -c 'echo "$EVLOOP_DATA"; sleep 0.7'
    says ready
    "$EVLOOP" emit news more
    says more
    ends 124
}

@test "as JSON" {
    subscribe news --json
    local line
    read -r -t 10 line <&5
    is_json "$line"
    [[ $(jq -r '"\(.type) \(.name) \(.data) \(.fire_seq) \(.operand)"' <<<"$line") == 'message news ready 1 news' ]]
}

@test "the most that fits" {
    local most
    most=$(printf '%04096d' 0)
    evl emit news "$most"
    expect_status 0
    refused 65 '*the data are longer than 4096 bytes' emit news "${most}0"
    printf '%s' "$most" | "$EVLOOP" emit news -
    status=0
    printf '%s' "${most}0" | "$EVLOOP" emit news - 2>"$BATS_TEST_TMPDIR/err" || status=$?
    [[ $status -eq 65 ]]
    subscribe news --once -c 'wc -c'
    ends 0
    says 5
    subscribe news -c '[ "$EVLOOP_DATA" = ready ] || wc -c'
    "$EVLOOP" emit news "$most"
    says 4096
}

@test "ended by a signal, it ends its command first" {
    subscribe news -c 'trap "echo terminated; exit 3" TERM; echo running; while :; do sleep 0.05; done'
    says running
    kill -TERM "$subscriber"
    says terminated
    ends 143
}

@test "names that are none, and words too many" {
    refused 64 '*no topic*' emit
    refused 64 '*no topic*' subscribe
    refused 64 '*no topic*' emit ''
    refused 64 "*'' is no name of a topic*" subscribe ''
    refused 64 "*'c' is one word too many; quote the data" emit a b c
    refused 65 "evloop: emit: the name '1x' *" emit 1x
    refused 65 "evloop: subscribe: the name '1x' *" subscribe 1x
    refused 65 "evloop: wait: the name '1x' *" wait topic:1x
    refused 64 '*--latest and --queue*' subscribe a --latest --queue 3
    refused 64 "*--queue '0'*" subscribe a --queue 0
    refused 65 "*--queue '1025': 1024 is the most" subscribe a --queue 1025
    refused 65 "*--timeout '0' must not be 0" subscribe a --timeout 0
    refused 65 "*--timeout '5x' is not a duration*" subscribe a --timeout 5x
    refused 127 '*subscribe: no-such-command: command not found' subscribe a no-such-command
}

@test "the daemon goes: 69, after the run" {
    subscribe news -c 'echo begun; read -r _ <"$GATE"; echo done'
    says begun
    stop_daemon
    gone() { grep -q '^evloop: ' "$BATS_TEST_TMPDIR/said"; }
    eventually gone
    kill -0 "$subscriber" || fail "it did not wait for the run"
    echo >&6
    says 'done'
    ends 69
    [[ $(wc -l <"$BATS_TEST_TMPDIR/said") -eq 1 ]]
}
