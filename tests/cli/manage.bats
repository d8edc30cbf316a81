#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# list, show, cancel, kill, pause, resume, trigger, poke.

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

field() {
    "$EVLOOP" list --json "$1" | jq -r ".[0].$2"
}

@test "list is a table" {
    evl list
    expect_status 0
    arm every 1h --name sync true a 'b c'
    arm after 90m /bin/true
    evl list
    expect_status 0
    [[ ${#lines[@]} -eq 3 ]]
    [[ ${lines[0]} =~ ^ID\ +NAME\ +KIND\ +NEXT\ +LAST\ +COMMAND\ *$ ]] || fail "title"
    [[ ${lines[1]} =~ ^1\ +sync\ +every\ +in\ 59m5[0-9]s\ +-\ +true\ a\ \'b\ c\'\ *$ ]] || fail "first line"
    [[ ${lines[2]} =~ ^2\ +-\ +after\ +in\ 1h29m\ +-\ +/bin/true\ *$ ]] || fail "second line"
}

@test "list of some, and of what there is not" {
    arm after 1h --name a-1 true
    arm after 1h --name a-2 true
    arm after 1h --name b true
    evl list 'a-*'
    [[ ${#lines[@]} -eq 3 ]]
    evl list b 1
    [[ ${#lines[@]} -eq 3 ]]
    evl list b nobody
    expect_status 66
    [[ ${#lines[@]} -eq 2 ]]
    expect_complaint '*nobody: no such timer'
    refused 66 '*x\**: no such timer' list 'x*'
}

@test "list --all and --failed" {
    arm soon --name good true
    arm soon --name bad -c 'exit 3'
    arm after 1h --name later true
    evl wait good bad
    evl list
    [[ ${#lines[@]} -eq 2 ]]
    evl list --all
    [[ ${#lines[@]} -eq 4 ]]
    expect_regex 'good +soon +done +status=0 [0-9]+[mun]?s ago +true'
    evl list --failed
    [[ ${#lines[@]} -eq 2 ]]
    expect_regex 'bad +soon +done +status=3 [0-9]+[mun]?s ago +sh -c '
    evl list --failed --json
    [[ $(jq -r '.[] | "\(.name) \(.last_run.status)"' <<<"$output") == 'bad 3' ]]
}

@test "list --json has the names and types of the protocol" {
    arm every 1h --name sync -c 'echo hi'
    evl list --json
    expect_status 0
    is_json "$output"
    [[ $(jq -r '.[0] | "\(.id|type) \(.period_ns) \(.next_ns|type) \(.kind) \(.state) \(.clock)"' <<<"$output") == \
        'number 3600000000000 string every armed boottime' ]]
    [[ $(jq -c '.[0].argv' <<<"$output") == '["sh","-c","echo hi"]' ]]
    [[ $(jq -r '.[0].created_realtime' <<<"$output") =~ ^20[0-9]{2}-.*\.[0-9]{9}Z$ ]]
    [[ $(jq -r '.[0].finished_realtime' <<<"$output") == null ]]
    python3 -m json.tool <<<"$output" >/dev/null
}

@test "a command cannot play with the terminal, nor break JSON" {
    arm after 1h --name wild true $'\e[2J' $'\xff' $'new\nline' ''
    evl list
    [[ ${#lines[@]} -eq 2 ]]
    ! grep -q $'[\e\xff]' "$BATS_TEST_TMPDIR/out" || fail "raw bytes"
    grep -qF "true \$'\\033[2J' \$'\\377' \$'new\\nline' ''" <<<"$output" || fail "escapes"
    evl list --json
    [[ $(jq -c '.[0].argv' <<<"$output") == '["true","\u001b[2J",[255],"new\nline",""]' ]]
}

@test "more than a page" {
    local i
    for ((i = 0; i < 520; i++)); do
        "$EVLOOP" after 1h --name "n$i" --clean-env true
    done >/dev/null
    evl list
    [[ ${#lines[@]} -eq 521 ]]
    evl list 'n*' --json
    [[ $(jq length <<<"$output") -eq 520 ]]
    evl cancel 'n*'
    expect_status 0
    [[ $(grep -c '^[0-9]* cancelled$' <<<"$output") -eq 520 ]]
    evl list --json
    expect_output '[]'
}

@test "show says everything, and no value of the environment" {
    cd "$BATS_TEST_TMPDIR"
    export SECRET=hunter2
    arm every 1h --name sync --slack 1s --timeout 5m --overlap queue --count 9 true a
    evl show sync
    expect_status 0
    local line
    for line in "id           $id" 'name         sync' 'kind         every' 'period       1h' 'clock        boottime' \
        'state        armed' 'count        9' 'slack        1s' 'command      true a' "directory    $PWD" \
        'overlap      queue' 'timeout      5m' 'fires        0'; do
        grep -qxF -- "$line" <<<"$output" || fail "no line '$line'"
    done
    grep -q '^next  *20.*(in \(59m5[0-9]s\|1h\))$' <<<"$output"
    grep -qw SECRET <<<"$output" || fail "no name of the environment"
    ! grep -q hunter2 <<<"$output" || fail "a value is shown"
    evl show --json sync
    is_json "$output"
    [[ $(jq -r '.environment_names | index("SECRET") | type' <<<"$output") == number ]]
    ! grep -q hunter2 <<<"$output" || fail "a value is shown"
    arm soon -c 'exit 3'
    evl wait "$id"
    evl show "$id" sync
    expect_match '*run          1, exited*'
    expect_match '*  status     3*'
    refused 66 '*nobody: no such timer' show nobody
}

@test "cancel and its outcomes" {
    arm after 1h --name a true
    evl cancel a
    expect_status 0
    expect_output "$id cancelled"
    evl cancel a
    expect_status 1
    expect_output "$id done"
    # A pattern says the same as a name.
    evl soon --name runs sleep 1000
    running() { [[ $("$EVLOOP" show runs --json | jq .active) == 1 ]]; }
    eventually running
    evl pause runs
    [[ $output == *' done' && $status -eq 1 ]] || fail
    evl pause 'run*'
    [[ $output == *' done' && $status -eq 1 ]] || fail
    evl kill runs
    evl cancel --json a
    [[ $(jq -r .outcome <<<"$output") == done ]] || fail
    local verb
    for verb in pause resume trigger poke; do
        evl "$verb" a
        expect_status 1
        expect_output "$id done"
    done
    arm soon true
    evl wait "$id"
    evl cancel "$id"
    expect_status 1
    expect_output "$id done"
    refused 66 '*4711: no such timer' cancel 4711
    refused 66 '*x\**: no such timer' cancel 'x*'
    arm after 1h --name b1 true
    arm after 1h --name b2 true
    evl cancel nobody 'b*'
    expect_status 66
    [[ ${#lines[@]} -eq 2 ]]
    arm after 1h --name c true
    evl cancel --json c
    is_json "$output"
    [[ $(jq -r '"\(.id) \(.name) \(.outcome)"' <<<"$output") == "$id c cancelled" ]]
}

@test "a cancelled timer never runs; a running job goes on" {
    cd "$BATS_TEST_TMPDIR"
    arm after 200ms touch ran
    evl cancel "$id"
    arm soon --name long -c 'touch began; while [ ! -e end ]; do sleep 0.02; done; touch ended'
    eventually test -e began
    evl cancel long
    sleep 0.3
    [[ ! -e ran ]]
    touch end
    eventually test -e ended
}

@test "kill signals the group" {
    cd "$BATS_TEST_TMPDIR"
    arm soon --name long -c 'sleep 60 & echo $! >child; wait'
    eventually test -s child
    evl kill long
    expect_status 0
    expect_output "$id signalled"
    evl wait long
    expect_status 143
    dead() { ! kill -0 "$(<child)" 2>/dev/null; }
    eventually dead
    evl kill long
    expect_status 1
    expect_output "$id not-running"
    local signal
    for signal in USR1 SIGUSR1 usr1 10; do
        arm soon -c 'sleep 60'
        running() { [[ $(field "$id" last_run.result) == active ]]; }
        eventually running
        evl kill -s "$signal" "$id"
        expect_output "$id signalled"
        evl wait "$id"
        expect_status 138
    done
    arm after 1h --name idle true
    evl kill idle
    expect_status 1
    expect_match '* not-running'
    refused 66 '*nobody: no such timer' kill nobody
}

@test "pause stops the clock, resume lets it go on" {
    arm after 400ms --name p true
    evl pause p
    expect_output "$id paused"
    evl pause p
    expect_status 0
    expect_output "$id unchanged"
    evl list p
    expect_match '* paused *'
    sleep 0.5
    [[ $(field p state) == paused ]]
    evl resume p
    expect_output "$id resumed"
    evl resume p
    expect_status 0
    expect_output "$id unchanged"
    evl wait p --timeout 20s
    expect_match "$id p done status=0 *"
    refused 66 '*nobody: no such timer' pause nobody
    refused 66 '*nobody: no such timer' resume nobody
}

@test "trigger fires now and leaves the schedule" {
    cd "$BATS_TEST_TMPDIR"
    arm every 1h --name t touch ran
    local next
    next=$(field t next_ns)
    evl trigger t
    expect_status 0
    expect_output "$id triggered"
    eventually test -e ran
    [[ $(field t next_ns) == "$next" ]] || fail "the schedule has moved"
    arm soon true
    evl wait "$id"
    evl trigger "$id"
    expect_status 1
    refused 66 '*nobody: no such timer' trigger nobody
}

@test "poke restarts the delay" {
    arm after 1h --name p true
    local next
    next=$(field p next_ns)
    sleep 0.05
    evl poke p
    expect_status 0
    expect_output "$id poked"
    (($(field p next_ns) - next >= 50000000)) || fail "not moved"
    # By all of the delay, and not by what was left of it.
    (($(field p next_ns) - $("$EVLOOP" time --json | jq -r .boottime_ns) > 3599000000000)) || fail "a shorter delay"
    arm at tomorrow --name fixed true
    refused 65 '*fixed: it was given as a time, and has no delay to restart: arm it anew under the same name, replacing it' poke fixed
    arm at tomorrow true
    refused 65 '*: it was given as a time, and has no delay to restart: cancel it, and arm it anew' poke "$id"
    arm every 1h --start tomorrow --name civil true
    refused 65 '*civil: it was given as a time, and has no delay to restart: arm it anew under the same name, replacing it' poke civil
    arm every 1h --name again true
    evl poke again
    expect_output "$id poked"
    refused 66 '*nobody: no such timer' poke nobody
}
