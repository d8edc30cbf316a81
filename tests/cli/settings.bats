#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# evloopd.conf: where it is found, what it may say, what is said of a mistake, and that it is in force after a reload.

# shellcheck disable=SC2154 # variables of the helper
load helper

setup() {
    config=$BATS_TEST_TMPDIR/config
    mkdir -p "$config/evloopd.conf.d"
}

teardown() {
    stop_daemon
}

# conf LINE...: evloopd.conf;  drop_in NAME LINE...: one beside it
conf() {
    printf '%s\n' "$@" >"$config/evloopd.conf"
}

drop_in() {
    printf '%s\n' "${@:2}" >"$config/evloopd.conf.d/$1"
}

# evloopd WORD...: as evl does it
evloopd() {
    status=0
    "$EVLOOPD" --config-dir "$config" "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- || status=$?
    output=$(<"$BATS_TEST_TMPDIR/out")
    stderr=$(<"$BATS_TEST_TMPDIR/err")
}

wrong() {
    conf "${@:2}"
    evloopd --check-config
    [[ $status -eq 78 && -z $output && $stderr == "evloopd: $config/evloopd.conf$1" ]] || fail "expected: $1"
}

limit_of() {
    evl quota --json
    jq -r --arg name "$1" ".quotas[] | select(.name == \$name).${2:-limit}" <<<"$output"
}

@test "drop-ins win over the file, the command line over both, the credential over drop-ins" {
    conf '# a comment' '[Limits]' 'Timers=10' 'Jobs=11' 'CommandBytes=12' 'Claims=13' 'MessageBytes=2M'
    drop_in 20-b.conf '[Limits]' 'Timers=22' 'Jobs=23' 'Claims=24'
    drop_in 10-a.conf '[Limits]' 'Timers=21' '[Pool]' 'Timers=1000'
    drop_in README 'nothing of this kind is read'
    mkdir "$BATS_TEST_TMPDIR/credentials"
    printf '%s\n' '[Limits]' 'Claims=34' 'Jobs=infinity' >"$BATS_TEST_TMPDIR/credentials/evloopd.conf"
    export CREDENTIALS_DIRECTORY=$BATS_TEST_TMPDIR/credentials
    evloopd --check-config
    expect_status 0
    expect_output "$config/evloopd.conf
$config/evloopd.conf.d/10-a.conf
$config/evloopd.conf.d/20-b.conf
$CREDENTIALS_DIRECTORY/evloopd.conf"
    start_daemon --config-dir "$config" --limit timers=99
    [[ $(limit_of timers) == 99 ]]
    [[ $(limit_of timers pool) == 1000 ]]
    [[ $(limit_of command-bytes) == 12 ]]
    [[ $(limit_of claims) == 34 ]]
    evl quota
    expect_regex $'\n'jobs\ +0\ +infinity\ +infinity\ +-\ +-$'\n'
    [[ $(limit_of message-bytes) == 2097152 ]]
    evl reload
    expect_status 0
    [[ $(limit_of timers) == 99 ]]
}

@test "a user's own file is found without being told" {
    export XDG_CONFIG_HOME=$BATS_TEST_TMPDIR/xdg
    mkdir -p "$XDG_CONFIG_HOME/evloopd"
    printf '%s\n' '[Limits]' 'Timers=77' >"$XDG_CONFIG_HOME/evloopd/evloopd.conf"
    start_daemon
    [[ $(limit_of timers) == 77 ]]
}

@test "the first mistake is named by file and line, and the daemon does not start" {
    wrong ':2: [Limits] has no key Timer' '[Limits]' 'Timer=1'
    wrong ':2: [Pool] has no key Jobs' '[Pool]' 'Jobs=1'
    wrong ':2: [Daemon] has no key Timers' '[Daemon]' 'Timers=1'
    wrong ':1: Timers= is in no section [Daemon], [Limits] or [Pool]' 'Timers=1'
    wrong ':2: there is no section [Limit], but [Daemon], [Limits] and [Pool]' '[Limits]' '[Limit]'
    wrong ':2: Timers=-1: a whole number or infinity is expected' '[Limits]' 'Timers=-1'
    wrong ':2: Timers=5M: a whole number or infinity is expected' '[Limits]' 'Timers=5M' 'Jobs=x'
    wrong ':2: Bytes=5X: a whole number, which may have K, M or G behind it, or infinity is expected' '[Limits]' 'Bytes=5X'
    wrong ':2: Bytes=99999999999G: it is too large' '[Limits]' 'Bytes=99999999999G'
    wrong ':2: Timers=18446744073709551616: it is too large' '[Limits]' 'Timers=18446744073709551616'
    wrong ':2: LogLevel=loud: err, warning, notice, info or debug is expected' '[Daemon]' 'LogLevel=loud'
    wrong ":2: ExitIdleSec=-5: it must not be negative" '[Daemon]' 'ExitIdleSec=-5'
    conf '[Limits]' 'Timers=1'
    drop_in 10-bad.conf '' '[Limits' 'Timers=2'
    evloopd --socket "$BATS_TEST_TMPDIR/none"
    [[ $status -eq 78 && $stderr == "evloopd: $config/evloopd.conf.d/10-bad.conf:2: the line is neither a [Section] nor Key=Value" ]] || fail
    chmod 0 "$config/evloopd.conf.d/10-bad.conf"
    rm "$config/evloopd.conf.d/10-bad.conf"
    mkdir "$config/evloopd.conf.d/20.conf"
    evloopd --check-config
    [[ $status -eq 78 && $stderr == "evloopd: $config/evloopd.conf.d/20.conf: it is no regular file" ]] || fail
}

@test "an input/output error is no mistake of the configuration" {
    command -v strace >/dev/null || skip "there is no strace"
    conf '[Limits]' 'Timers=1'
    status=0
    ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o /dev/null -P "$config/evloopd.conf" -e inject=read:error=EIO \
        "$EVLOOPD" --config-dir "$config" --check-config >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" || status=$?
    stderr=$(<"$BATS_TEST_TMPDIR/err")
    [[ $status -ne 1 || $stderr != strace:* ]] || skip "nothing can be traced here"
    [[ $status -eq 74 && $stderr == "evloopd: $config/evloopd.conf: Input/output error" ]] || fail
}

@test "cat-config prints what is read, each under its path" {
    conf '[Limits]' 'Timers=10'
    printf '[Limits]\nTimers=11' >"$config/evloopd.conf.d/10.conf" # without a newline at its end
    ln -s /dev/null "$config/evloopd.conf.d/20.conf"
    evloopd --cat-config
    expect_status 0
    expect_output "# $config/evloopd.conf
[Limits]
Timers=10

# $config/evloopd.conf.d/10.conf
[Limits]
Timers=11

# $config/evloopd.conf.d/20.conf"
    rm "$config/evloopd.conf" "$config"/evloopd.conf.d/*
    evloopd --cat-config
    expect_status 0
    expect_output '# Main configuration file evloopd/evloopd.conf not found'
    status=0
    "$EVLOOPD" --config-dir "$config" --cat-config >/dev/full 2>"$BATS_TEST_TMPDIR/err" || status=$?
    expect_status 74
}

@test "a reload changes what is asked for from then on, and takes nothing away" {
    conf '[Limits]' 'Timers=5'
    start_daemon --config-dir "$config"
    for _ in 1 2 3 4; do
        evl after 1h --name "t$RANDOM$RANDOM" true
        expect_status 0
    done
    conf '[Limits]' 'Timers=2'
    evl reload
    expect_status 0
    [[ $(limit_of timers) == 2 && $(limit_of timers used) == 4 ]] || fail
    refused 77 '*uses 4 of 2 timers and asks for 1 more' after 1h true
    evl list --json
    [[ $(jq length <<<"$output") == 4 ]] || fail
    # With a mistake everything stays, that of a limiter or that of this file.
    conf '[Limits]' 'Timers=1000' 'Nothing=1'
    refused 65 "evloop: $config/evloopd.conf:3: ?Limits] has no key Nothing" reload
    [[ $(limit_of timers) == 2 ]] || fail
    conf '[Limits]' 'Timers=1000'
    mkdir -p "$config/limits.d"
    echo nonsense >"$config/limits.d/bad.limit"
    refused 65 "*bad.limit:1: *" reload
    [[ $(limit_of timers) == 2 ]] || fail
    rm "$config/limits.d/bad.limit"
    evl reload
    [[ $(limit_of timers) == 1000 ]] || fail
    evl after 1h true
    expect_status 0
}

@test "a limit of jobs and the level of the log are changed while it runs, too" {
    conf '[Limits]' 'Jobs=1'
    start_daemon --config-dir "$config" 2>"$BATS_TEST_TMPDIR/log"
    evl ping
    ! grep -q 'session 1 ' "$BATS_TEST_TMPDIR/log"
    conf '[Limits]' 'Jobs=2' '[Daemon]' 'LogLevel=info'
    evl reload
    for name in a b; do
        evl soon --name "$name" sleep 20
    done
    for _ in {1..100}; do
        evl list --json
        [[ $(jq '[.[] | select(.active > 0)] | length' <<<"$output") == 2 ]] && break
        sleep 0.05
    done
    [[ $(jq '[.[] | select(.active > 0)] | length' <<<"$output") == 2 ]] || fail
    grep -q 'session [0-9]* of uid' "$BATS_TEST_TMPDIR/log"
}

@test "it leaves when it has been idle for as long as is configured" {
    conf '[Daemon]' 'ExitIdleSec=200ms'
    start_daemon --config-dir "$config"
    wait "$daemon"
    daemon=
}

@test "of a pool nobody gets more than half, and is told so" {
    conf '[Pool]' 'Timers=4'
    start_daemon --config-dir "$config"
    evl after 1h true
    evl quota
    expect_regex $'\n'timers\ +1\ +1\ +800000\ +1\ +4$'\n'
    evl after 1h true
    refused 77 '*uses 2 of 800000 timers and asks for 1 more, but all uids together use 2 of 4, *' after 1h true
    evl quota
    expect_regex $'\n'timers\ +2\ +0\ +800000\ +2\ +4$'\n'
}
