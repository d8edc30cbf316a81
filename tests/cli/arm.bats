#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# soon, after, at, every: what is armed is what was typed, and what runs is that, byte for byte.

# shellcheck disable=SC2016,SC2154 # variables are for the shells that are started, or of the helper
load helper

setup() {
    start_daemon
}

teardown() {
    stop_daemon
}

# The command writes its words, each ended by NUL, to the file words.
record() {
    cat >"$BATS_TEST_TMPDIR/record" <<'END'
#!/bin/sh
printf '%s\0' "$@" >"$HOME/words"
END
    chmod +x "$BATS_TEST_TMPDIR/record"
}

# The last evl printed an id: wait until its job is over.
finish() {
    expect_status 0
    expect_regex '^[0-9]+$'
    id=$output
    evl wait "$id" --timeout 20s
}

@test "words arrive byte for byte" {
    record
    cd "$BATS_TEST_TMPDIR"
    local -a hard=('a b' $'new\nline' '' '-dash' '--' $'\xff\xfe\x01' "it's" '"' \\ '$HOME' '*' $'tab\t' $'\e[31m' '' ' ')
    evl after 0 "$PWD/record" "${hard[@]}"
    finish
    expect_status 0
    printf '%s\0' "${hard[@]}" >expected
    cmp expected words
    evl soon -- "$PWD/record" --name x -c y -- z
    finish
    printf '%s\0' --name x -c y -- z >expected
    cmp expected words
    evl soon "$PWD/record"
    finish
    printf '\0' >expected
    cmp expected words
}

@test "options end at the command, before and behind the operand" {
    record
    cd "$BATS_TEST_TMPDIR"
    evl after --name one 0 --slack 0 ./record --name two
    finish
    expect_match "$id one done status=0 lateness=*"
    printf '%s\0' --name two >expected
    cmp expected words
    evl after 0 -- ./record --help
    finish
    printf '%s\0' --help >expected
    cmp expected words
    evl after -- 0 ./record --help
    finish
    cmp expected words
    evl after 0 --name two -- ./record -- --help
    finish
    printf '%s\0' -- --help >expected
    cmp expected words
}

@test "-c is a line for sh" {
    cd "$BATS_TEST_TMPDIR"
    evl soon -c 'echo "$1" | tr a-z A-Z >out1; exit 3' sh 'some words'
    finish
    expect_status 3
    [[ $(<out1) == 'SOME WORDS' ]]
}

@test "directory, umask and environment are taken along" {
    mkdir "$BATS_TEST_TMPDIR/here"
    cd "$BATS_TEST_TMPDIR/here"
    umask 027
    export KEPT=$'two\nlines' LISTEN_FDS=1 LISTEN_PID=2 NOTIFY_SOCKET=/x BASH_ENV=/dev/null
    evl soon -c 'pwd; umask; env -0 >variables; echo "$KEPT"; ls -l /proc/self/fd | wc -l'
    finish
    expect_status 0
    evl log "$id"
    [[ ${lines[0]} == "$BATS_TEST_TMPDIR/here" ]]
    [[ ${lines[1]} == 0027 ]]
    [[ ${lines[2]} == two && ${lines[3]} == lines ]]
    # 0, 1, 2, the directory that ls reads, and the line "total".
    [[ ${lines[4]} -eq 5 ]] || fail "descriptors are inherited"
    tr '\n\0' ' \n' <variables >names
    ! grep -E '^(LISTEN_|NOTIFY_SOCKET=|BASH_)' names || fail "what is for us alone went along"
    grep -q "^EVLOOP_ID=$id\$" names
    grep -q "^EVLOOP_SOCKET=$EVLOOP_SOCKET\$" names
    grep -q '^EVLOOP_FIRE_SEQ=1$' names
    grep -qE '^EVLOOP_LATENESS_NS=[0-9]+$' names
    grep -qE '^EVLOOP_SCHEDULED_NS=[0-9]+$' names
    grep -q '^EVLOOP_MISSED=0$' names
}

@test "--clean-env and --setenv" {
    cd "$BATS_TEST_TMPDIR"
    KEPT=no LC_TIME=C XDG_X=x evl soon --clean-env --setenv A=1 --setenv 'B=two words' --setenv A=2 --setenv LC_TIME=en \
        -c 'env -0 >variables'
    finish
    tr '\n\0' ' \n' <variables >names
    ! grep -q '^KEPT=' names || fail "KEPT is kept"
    grep -q '^A=2$' names
    grep -q '^B=two words$' names
    grep -q '^LC_TIME=en$' names
    grep -q '^XDG_X=x$' names
    grep -q '^PATH=' names
    [[ $(grep -c '^A=' names) -eq 1 && $(grep -c '^LC_TIME=' names) -eq 1 ]]
}

@test "after is never early" {
    local began ended
    began=$(date +%s%N)
    evl after 150ms true
    finish
    ended=$(date +%s%N)
    ((ended - began >= 150000000)) || fail "early by $((150000000 - ended + began)) ns"
    expect_regex "^$id - done status=0 lateness=0\.[0-9]{9}$"
}

@test "at a time, of one word and of two" {
    evl at "@$(($(date +%s) + 1)).5" --name soonish true
    expect_status 0
    evl at tomorrow 09:00 --name morrow true
    expect_status 0
    evl list --json morrow
    [[ $(jq -r '.[0].kind + " " + .[0].clock' <<<"$output") == 'at realtime' ]]
    [[ $(jq -r '.[0].next' <<<"$output") == "$(date -u -d 'tomorrow 09:00' +%FT%T.000000000Z)" ]]
    [[ $(jq -r '.[0].next_ns' <<<"$output") == "$(date -d 'tomorrow 09:00' +%s)000000000" ]]
    evl at 'tomorrow 09:00' --name quoted true
    expect_status 0
    evl list --json quoted
    [[ $(jq -r '.[0].argv[0]' <<<"$output") == true ]]
    evl wait soonish --timeout 20s
    expect_match '* soonish done status=0 *'
}

@test "every runs again, --count times, --now for the first" {
    cd "$BATS_TEST_TMPDIR"
    evl every 30ms --count 3 --now --overlap queue --name thrice -c 'echo $EVLOOP_FIRE_SEQ >>seen'
    expect_status 0
    over() { "$EVLOOP" list --all --json thrice | jq -e '.[0].state == "finished"' >/dev/null; }
    eventually over
    evl show thrice
    expect_match '*fires        3*'
    # Every fire ran, or was merged into the run that waited.
    [[ $(tail -n 1 seen) -eq 3 ]]
}

@test "every --start in the past goes on in its row" {
    evl every 1h --start "@$(($(date +%s) - 5400))" --name row true
    expect_status 0
    evl list --json row
    local next
    next=$(jq -r '.[0].next_ns' <<<"$output")
    ((next / 1000000000 - $(date +%s) > 1700 && next / 1000000000 - $(date +%s) <= 1800)) || fail "next: $next"
    [[ $(jq -r '.[0].clock' <<<"$output") == realtime ]]
    refused 65 "*--until '@*' lies before the first time" every 1h --until "@$(($(date +%s) + 60))" true
}

@test "every without a command prints a line each time" {
    evl every 20ms --count 3
    expect_status 0
    [[ ${#lines[@]} -eq 3 ]]
    [[ ${lines[2]} =~ ^3\ fires=1\ lateness=0\.[0-9]{9}$ ]] || fail "third line"
    evl every 20ms --count 2 --now --json
    [[ ${#lines[@]} -eq 2 ]]
    [[ $(jq -r '.type + (.fire_seq|tostring)' <<<"${lines[1]}") == fired2 ]]
    [[ $(jq -r '.first_scheduled_ns == .scheduled_ns, .generation, has("run")' <<<"${lines[1]}") == $'true\n1\nfalse' ]]
    evl every 100ms --until "$(date -d '+1 second' +@%s.%N)"
    expect_status 0
    ((${#lines[@]} >= 8 && ${#lines[@]} <= 10)) || fail "${#lines[@]} lines in a second"
    # Nothing is left behind.
    evl list --all --json
    [[ $(jq length <<<"$output") -eq 0 ]]
}

@test "every in the foreground ends where another cancels it" {
    "$EVLOOP" every 1h --name mine >"$BATS_TEST_TMPDIR/ticks" 2>"$BATS_TEST_TMPDIR/said" 3>&- &
    local ticker=$!
    there() { "$EVLOOP" list --json mine >/dev/null 2>&1; }
    eventually there
    evl cancel mine
    expect_match '* cancelled'
    status=0
    wait "$ticker" || status=$?
    [[ $status -eq 1 ]] || fail "status $status"
    grep -q '^evloop: .*cancelled' "$BATS_TEST_TMPDIR/said"
}

@test "names: create, replace, ensure" {
    evl every 1h --name sync true
    expect_status 0
    local first=$output
    refused 73 "*sync: exists as timer $first, every 1h: true; --replace or --ensure *" every 1h --name sync true
    evl every 1h --name sync --ensure true
    expect_output "$first"
    evl every 1h --name sync --ensure --json true
    [[ $(jq -r .change <<<"$output") == unchanged ]]
    evl every 2h --name sync --ensure --json true
    [[ $(jq -r '"\(.id) \(.change) \(.generation)"' <<<"$output") == "$first updated 2" ]]
    evl every 2h --name sync --replace --json true
    [[ $(jq -r .change <<<"$output") == replaced ]]
    [[ $(jq -r .id <<<"$output") -gt $first ]]
    # The delay is what is compared, not what is left of it.
    evl after 1h --name once true
    first=$output
    evl after 1h --name once --ensure --json true
    [[ $(jq -r '"\(.id) \(.change)"' <<<"$output") == "$first unchanged" ]]
    evl after 61m --name once --ensure --json true
    [[ $(jq -r '"\(.id) \(.change)"' <<<"$output") == "$first updated" ]]
    refused 65 '*' after 1h --name 'a b' true
    refused 65 '*' after 1h --name 7up true
    refused 65 '*' after 1h --name pid:7 true
    refused 65 '*' after 1h --name "$(printf 'x%.0s' {1..129})" true
    evl after 1h --name "$(printf 'x%.0s' {1..128})" true
    expect_status 0
}

@test "--timeout ends the run" {
    evl soon --timeout 100ms sleep 60
    finish
    expect_status 143
    expect_match "$id - done status=143 *"
    evl show "$id"
    expect_match '*timed-out*'
}

@test "a clock of one's own choice, and slack" {
    evl after 1h --clock monotonic --slack 1m --name slow true
    expect_status 0
    evl list --json slow
    [[ $(jq -r '.[0].clock' <<<"$output") == monotonic ]]
    [[ $(jq -r '.[0].slack_ns' <<<"$output") -eq 60000000000 ]]
    evl at tomorrow --clock boottime --name elapsed true
    evl list --json elapsed
    [[ $(jq -r '.[0].clock' <<<"$output") == boottime ]]
}

@test "the id comes as JSON too" {
    evl after 1h --json true
    expect_status 0
    is_json "$output"
    [[ $(jq -r '.change' <<<"$output") == created ]]
    [[ $(jq -r '.effective_ns | type' <<<"$output") == string ]]
    [[ $(jq -r '.id | type' <<<"$output") == number ]]
}
