#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# watch: descriptors, processes and paths, as lines or by a command.

# shellcheck disable=SC2016,SC2154 # variables are for the shells that are started, or of the helper
load helper

setup() {
    start_daemon
    mkfifo "$BATS_TEST_TMPDIR/pipe" "$BATS_TEST_TMPDIR/gate" "$BATS_TEST_TMPDIR/in"
    # Both ways, so that nobody waits for the other end.
    exec 5<>"$BATS_TEST_TMPDIR/pipe" 6<>"$BATS_TEST_TMPDIR/gate"
    export GATE=$BATS_TEST_TMPDIR/gate
    watcher=
    mkdir "$BATS_TEST_TMPDIR/tree"
    cd "$BATS_TEST_TMPDIR/tree" || return
}

teardown() {
    [[ -z $watcher ]] || kill "$watcher" 2>/dev/null || true
    exec 5>&- 6>&-
    stop_daemon
}

# watch WORD... in the background; its standard input is that of this function.  It has asked the daemon when this returns.
watch() {
    if [[ $1 == path ]]; then
        in_background WatchPath watch "$@"
    else
        in_background Watch watch "$@"
    fi
}

# in_background METHOD WORD...: until the daemon has answered that.
in_background() {
    local method=$1
    shift
    : >"$BATS_TEST_TMPDIR/said"
    EVLOOP_DEBUG=1 "$EVLOOP" "$@" <&0 >"$BATS_TEST_TMPDIR/pipe" 2>"$BATS_TEST_TMPDIR/said" 3>&- 5>&- 6>&- &
    watcher=$!
    armed() { grep -q "^libevloop: < reply $method" "$BATS_TEST_TMPDIR/said"; }
    eventually armed
    [[ $method != WatchPath ]] || until_watched
}

# Paths are looked at by a process that does one thing after the other: when it has found out that this one cannot be watched, it
# has done what it was asked for before.
until_watched() {
    local line=
    coproc BRIDGE { exec "$EVLOOP" bridge 3>&- 5>&- 6>&-; }
    echo '{"id":1,"call":"watch","path":"/nowhere/at/all"}' >&"${BRIDGE[1]}"
    while [[ $line != *'"error":2'* ]]; do
        read -r -t 10 -u "${BRIDGE[0]}" line || fail "the path is not watched"
    done
    kill "$BRIDGE_PID"
    wait "$BRIDGE_PID" || true
}

# The next line is like that pattern.
says() {
    local line=
    read -r -t 10 line <&5 || fail "it says nothing, but should: $1"
    # shellcheck disable=SC2053
    [[ $line == $1 ]] || fail "it says '$line', but should: $1"
}

# Lines come until one is like that pattern; they are kept in the file `before`.
comes() {
    local line=
    while read -r -t 10 line <&5; do
        echo "$line" >>"$BATS_TEST_TMPDIR/before"
        # shellcheck disable=SC2053
        [[ $line != $1 ]] || return 0
    done
    fail "it does not say: $1"
}

# What it has said on standard error.
prose() {
    grep '^evloop: ' "$BATS_TEST_TMPDIR/said" || true
}

ends() {
    status=0
    wait "$watcher" || status=$?
    watcher=
    [[ $status -eq $1 ]] || fail "it ends with $status, but should with $1: $(prose)"
}

# ---- descriptors -----------------------------------------------------------------------------------------------------

@test "a descriptor: what it is ready for, and the end with the other side" {
    exec 7<>"$BATS_TEST_TMPDIR/in"
    watch fd 0 <"$BATS_TEST_TMPDIR/in" 7>&-
    echo a >&7
    says 'fd=0 readable'
    # Nobody has read it: the other side goes, which is something new.
    exec 7>&-
    says 'fd=0 readable,hangup'
    ends 0
    # A line when it has become ready again, and not while it stays so.
    exec 7<>"$BATS_TEST_TMPDIR/in"
    watch fd 0 <"$BATS_TEST_TMPDIR/in" 7>&-
    local i
    for i in 1 2 3; do
        echo "$i" >&7
        comes 'fd=0 readable'
        # The shell reads byte by byte, and what is left meanwhile may have a line of its own.
        read -r -t 10 -u 7 _
    done
    exec 7>&-
    comes 'fd=0 *hangup'
    ends 0
}

@test "a descriptor that nobody reads: one line, one warning, and no turning" {
    exec 7<>"$BATS_TEST_TMPDIR/in"
    echo a >&7
    watch fd 0 --timeout 3s <"$BATS_TEST_TMPDIR/in" 7>&-
    says 'fd=0 readable'
    ends 124
    echo end >&5
    says end
    [[ $(prose | wc -l) -eq 2 && $(prose) == 'evloop: fd=0 stays ready, '* ]] || fail "$(prose)"
    # Some looks, not thousands: each is an acknowledgement at most.
    [[ $(grep -c 'Ack' "$BATS_TEST_TMPDIR/said") -lt 20 ]]
    exec 7>&-
}

@test "a descriptor and a command that reads it" {
    exec 7<>"$BATS_TEST_TMPDIR/in"
    watch fd 0 -c 'read -r line; echo "$EVLOOP_FD $EVLOOP_REVENTS ${line-none}"' <"$BATS_TEST_TMPDIR/in" 7>&-
    printf 'a\nb\n' >&7
    says '0 readable a'
    says '0 readable b'
    exec 7>&-
    says '0 hangup'
    ends 0
    [[ -z $(prose) ]]
}

@test "a command that reads nothing is not run without end" {
    exec 7<>"$BATS_TEST_TMPDIR/in"
    echo a >&7
    watch fd 0 --timeout 10s echo run <"$BATS_TEST_TMPDIR/in" 7>&-
    warned() { [[ $(prose) == 'evloop: fd=0 is as it was after 5 runs of the command'* ]]; }
    eventually warned
    sleep 1
    kill "$watcher"
    ends 143
    local n=0
    while read -r -t 0.1 _ <&5; do
        n=$((n + 1))
    done
    ((n >= 5 && n < 20)) || fail "$n runs"
    exec 7>&-
}

@test "when it can be written; as JSON; other descriptors" {
    "$EVLOOP" watch fd 1 --write --once | cat >"$BATS_TEST_TMPDIR/got"
    [[ $(<"$BATS_TEST_TMPDIR/got") == 'fd=1 writable' ]]
    # Nothing to read: only the timeout.
    exec 7<>"$BATS_TEST_TMPDIR/in"
    status=0
    "$EVLOOP" watch fd 7 --once --timeout 200ms 2>"$BATS_TEST_TMPDIR/err" 3>&- || status=$?
    [[ $status -eq 124 ]]
    "$EVLOOP" watch fd 7 --once --read --write --json >"$BATS_TEST_TMPDIR/got" 3>&-
    [[ $(jq -c '[.type, .readiness, .operand]' "$BATS_TEST_TMPDIR/got") == '["ready",["writable"],"7"]' ]]
    echo x >&7
    "$EVLOOP" watch fd 7 --once --read --write >"$BATS_TEST_TMPDIR/got" 3>&-
    [[ $(<"$BATS_TEST_TMPDIR/got") == 'fd=7 readable,writable' ]]
    exec 7>&-
}

@test "what cannot be watched is named" {
    refused 64 "*watch: 'x' is not the number of a descriptor" watch fd x
    refused 64 "*watch: '-1' is not the number*" watch fd -- -1
    refused 64 "*watch: '99999999999' is not the number*" watch fd 99999999999
    refused 66 '*watch: the descriptor 42 is not open' watch fd 42
    refused 65 '*fd 0: the descriptor is a device that is no terminal; watched are *' watch fd 0
    status=0
    "$EVLOOP" watch fd 0 <"$0" 2>"$BATS_TEST_TMPDIR/err" || status=$?
    [[ $status -eq 65 ]]
    grep -q '^evloop: fd 0: the descriptor is a regular file' "$BATS_TEST_TMPDIR/err"
    status=0
    "$EVLOOP" watch fd 0 </ 2>"$BATS_TEST_TMPDIR/err" || status=$?
    [[ $status -eq 65 ]]
    grep -q '^evloop: fd 0: the descriptor is a \(folder\|directory\)' "$BATS_TEST_TMPDIR/err"
}

# ---- processes -------------------------------------------------------------------------------------------------------

# A process that ends with that status when the gate opens.
process() {
    (read -r _ <"$GATE"; exit "$1") 3>&- 5>&- 6>&- &
}

@test "processes, until all have ended" {
    process 0
    local one=$!
    process 3
    local two=$!
    watch pid "$one" "$two"
    echo >&6
    says 'pid=* ended status=*'
    echo >&6
    says 'pid=* ended status=*'
    ends 0
    wait "$one" "$two" || true
    refused 66 "*watch: $one: no such process" watch pid "$one"
    refused 66 "*wait: $one: no such process" wait "pid:$one"
}

@test "each has its own run, with its status where it is known" {
    process 0
    local one=$!
    process 0
    local two=$!
    watch pid "$one" "$two" -c 'echo "$EVLOOP_PID $EVLOOP_STATUS"; sleep 0.2'
    echo >&6
    echo >&6
    says '* [0u]*'
    says '* [0u]*'
    ends 0
    process 0
    watch pid "$!" --once sh -c 'exit 9'
    echo >&6
    ends 9
}

@test "--any of several kinds" {
    process 7
    local one=$!
    evl soon --name slow sleep 20
    in_background Subscribe wait --any slow "pid:$one" topic:never
    echo >&6
    local line
    read -r -t 10 line <&5
    [[ $line =~ ^[0-9]+\ pid:$one\ done\ status=(7|unknown)\ lateness=[0-9]+\.[0-9]{9}$ ]] || fail "$line"
    # The kernel may not tell it.
    if [[ $line == *unknown* ]]; then
        ends 0
    else
        ends 7
    fi
}

@test "wait: what is no process, path or topic" {
    refused 64 "*wait: 'x' is not a process id" wait pid:x
    refused 64 "*wait: '0' is not a process id" wait pid:0
    refused 64 "*'' is no path*" wait path:
    refused 64 "*'' is no name of a topic*" wait topic:
    refused 65 "evloop: wait: the name 'a b' *" wait 'topic:a b'
    refused 64 "*'fd:0': see 'evloop watch fd 0 --once'" wait fd:0
    refused 66 '*/nowhere/x: there is no folder /nowhere' wait path:/nowhere/x
    # The others are waited for all the same.
    evl soon --name quick true
    evl wait pid:4194304 quick
    expect_status 66
    expect_match '* quick done status=0 *'
    expect_complaint '*wait: 4194304: no such process'
}

# ---- paths -----------------------------------------------------------------------------------------------------------

@test "a folder: what is created, modified, moved and deleted" {
    mkdir src src/sub
    watch path src
    echo x >src/a.c
    comes 'created* src/a.c'
    echo y >>src/a.c
    comes 'modified src/a.c'
    mv src/a.c src/b.c
    comes 'moved src/b.c'
    rm src/b.c
    comes 'deleted src/b.c'
    # What is further below is not meant.
    echo x >src/sub/c.c
    echo x >src/end
    says 'created* src/end'
    kill "$watcher"
    ends 143
    [[ -z $(prose) ]]
}

@test "-r: all that is below it, also what comes to be; --exclude" {
    mkdir -p src/sub
    watch path -r src --exclude '*.o' --exclude 'build/*'
    mkdir -p src/new/deep src/build
    echo x >src/new/deep/f
    comes 'created* src/new/deep/f'
    echo x >src/a.o
    echo x >src/build/x
    echo x >src/sub/g
    comes 'created* src/sub/g'
    grep -q 'src/build$' "$BATS_TEST_TMPDIR/before" || fail "what is kept is not"
    if grep -e a.o -e build/x "$BATS_TEST_TMPDIR/before"; then
        fail "it was to be left out"
    fi
}

@test "several paths, as the user has named them" {
    mkdir one two
    : >file
    watch path one/ ./two "$PWD/file"
    echo x >one/a
    comes 'created* one/a'
    echo x >two/b
    comes 'created* ./two/b'
    echo x >file
    comes "modified $PWD/file"
}

@test "a path that comes later, and the folder that does not exist" {
    watch path later --once
    [[ $(prose) == 'evloop: watch: later does not exist yet' ]]
    : >later
    says 'created* later'
    ends 0
    refused 66 '*watch: none/x: there is no folder none' watch path none/x
    refused 66 '*watch: later/x: Not a directory' watch path later/x
    mkdir -m 0 closed
    if ! ls closed 2>/dev/null; then # not root
        refused 77 '*watch: closed/x: Permission denied' watch path closed/x
    fi
    refused 64 "*'' is no path" watch path ''
    refused 65 "*a path of more than 4095 bytes" watch path "/$(printf '%05000d' 0)"
}

@test "wait: until something changes" {
    : >file
    in_background WatchPath wait path:file
    echo x >file
    says '* path:file fired status=0 lateness=*'
    ends 0
}

@test "names of any kind" {
    mkdir src
    watch path src
    : >$'src/a\nb'
    comes "created* \$'src/a\\\\nb'"
    : >'src/with  blanks'
    comes 'created* src/with  blanks'
    : >$'src/\377'
    comes $'created* src/\377'
    kill "$watcher"
    ends 143
    : >-x
    watch path --json --once -- -x
    echo y >-x
    local line=
    # What the one before had still to say comes first.
    while [[ $line != '{'* ]]; do
        read -r -t 10 line <&5 || fail "no JSON"
    done
    [[ $(jq -c '[.type, .operand, .changes[0].path, .changes[0].changes]' <<<"$line") == '["changed","-x","",["modified"]]' ]] ||
        fail "$line"
    ends 0
}

@test "more than can be told: rescan" {
    mkdir src
    watch path src --settle 300ms --once
    touch src/{1..300}
    comes 'rescan src'
    ends 0
}

@test "a command, and what it is told" {
    mkdir src
    watch path src -c 'echo "$EVLOOP_PATH|$EVLOOP_CHANGES|${EVLOOP_RESCAN-no}|"$EVLOOP_PATHS'
    echo x >src/a
    echo x >src/b
    says 'src/a|created,modified|no|src/a src/b'
    mv src/a src/c
    says 'src/a|moved|no|src/a src/c'
}

# Until it has run for that.
@test "it survives editors: what is written in place, truncated, replaced by a rename, removed and made again" {
    echo 0 >file
    watch path file -- cat file
    echo 1 >>file
    comes 1
    echo 2 >file
    comes 2
    echo 3 >file.new
    mv file.new file
    comes 3
    sed -i s/3/4/ file
    comes 4
    mv file file~
    echo 5 >file
    rm file~
    comes 5
    rm file
    eventually grep -q 'cat: file: No such file' "$BATS_TEST_TMPDIR/said"
    echo 6 >file
    comes 6
    # Still the same file, after all that.
    echo 7 >>file
    comes 7
}

@test "what changes during a run makes one more run" {
    mkdir src
    watch path src -c 'echo $EVLOOP_PATHS; read -r _ <"$GATE"'
    : >src/a
    says src/a
    : >src/b
    : >src/c
    : >src/d
    # One run for all of them.
    echo >&6
    says 'src/b src/c src/d'
    echo >&6
    : >src/e
    says src/e
    echo >&6
}

@test "--settle: one run when it has become quiet" {
    mkdir src
    watch path src --settle 2s -c 'echo $EVLOOP_PATHS' # far more than lies between two of them, on a busy machine too
    local i
    for i in 1 2 3 4 5 6; do
        : >"src/$i"
        sleep 0.1
    done
    says 'src/1 src/2 src/3 src/4 src/5 src/6'
}

@test "--now: a run before anything has changed; --once: one only, and its status" {
    mkdir src
    watch path src --now -c 'echo "${EVLOOP_PATH-nothing}"'
    says nothing
    : >src/a
    says src/a
    kill "$watcher"
    ends 143
    watch path src --now --once -c 'echo once; exit 9'
    says once
    ends 9
    watch path src --once -c 'echo "$EVLOOP_PATH"; exit 8'
    : >src/b
    says src/b
    ends 8
}

@test "a command that fails does not end it; one that is gone is told" {
    mkdir src
    printf '#!/bin/sh\necho ran\nexit 3\n' >cmd
    chmod +x cmd
    watch path src -- ./cmd
    : >src/a
    says ran
    rm cmd
    : >src/b
    eventually grep -q '^evloop: ./cmd: No such file or directory$' "$BATS_TEST_TMPDIR/said"
    printf '#!/bin/sh\necho again\n' >cmd
    chmod +x cmd
    : >src/c
    says again
}

@test "a command that triggers its own watch is told of it, once" {
    mkdir src
    watch path -r src -c 'echo run; date +%N >src/out'
    : >src/a
    local i
    # Five runs on the heels of each other, which a busy machine may not have at once; and not again.
    for ((i = 0; i < 100; i++)); do
        says run
        [[ -z $(prose) ]] || break
    done
    for i in 1 2 3 4 5 6 7 8; do
        says run
    done
    [[ $(prose) == 'evloop: watch: the command seems to change what it waits for: src/out; --exclude leaves files out' ]] ||
        fail "$(prose)"
    kill "$watcher"
    ends 143
    # One that does not, is not.
    watch path -r src --exclude out -c 'echo run; date +%N >src/out'
    for i in 1 2 3 4 5 6; do
        date +%N >src/a
        says run
        sleep 0.2
    done
    [[ -z $(prose) ]] || fail "$(prose)"
}

@test "what it writes itself is no change" {
    mkdir src
    "$EVLOOP" watch path src --timeout 2s >src/log 2>src/errors </dev/null 3>&- 5>&- 6>&- &
    watcher=$!
    written() { grep -q 'src/a$' src/log; }
    touched() { date +%N >src/a && written; }
    eventually touched
    ends 124
    if grep -e src/log -e src/errors src/log; then
        fail "it is told of itself"
    fi
}

@test "INT and TERM end the command first" {
    mkdir src
    watch path src --now -c 'trap "echo terminated; exit 3" TERM; echo running; while :; do sleep 0.05; done'
    says running
    kill -TERM "$watcher"
    says terminated
    ends 143
    # A shell of its own, so that the interrupt is not ignored as it is for what runs in the background.
    status=0
    # Told once: without --foreground the command would be interrupted by both, and its trap within its trap.
    timeout --foreground --preserve-status -s INT 3 "$EVLOOP" watch path src --now -c \
        'trap "echo interrupted; exit 3" INT; while :; do sleep 0.05; done' >"$BATS_TEST_TMPDIR/got" 3>&- || status=$?
    [[ $status -eq 130 ]] || fail "status $status"
    [[ $(<"$BATS_TEST_TMPDIR/got") == interrupted ]] || fail "it says '$(<"$BATS_TEST_TMPDIR/got")'"
}

@test "--timeout: 124, and the time of the command is not counted" {
    mkdir src
    evl watch path src --timeout 200ms
    expect_status 124
    expect_complaint '*watch: nothing happened for 200ms'
    watch path src --now --timeout 500ms -c 'sleep 0.8; echo slept'
    says slept
    ends 124
}

@test "the system's instance watches no paths" {
    mkdir src
    stop_daemon
    rm "$BATS_TEST_TMPDIR/ready"
    start_daemon --system
    refused 76 "*src: the system's instance watches no paths: use your own, evloop without --system" watch path src
    refused 76 "*src: the system's instance watches no paths: use your own, evloop without --system" wait path:src
}

@test "the daemon goes: 69" {
    mkdir src
    watch path src
    stop_daemon
    ends 69
    [[ $(prose | wc -l) -eq 1 ]]
}

@test "wrong use" {
    mkdir src
    refused 64 '*watch what: fd, pid or path*' watch
    refused 64 "*'src' is not fd, pid or path; did you mean 'evloop watch path src'?" watch src
    refused 64 "*'frob' is not fd, pid or path; see *" watch frob
    refused 64 '*which fd?*' watch fd
    refused 64 '*which pid?*' watch pid
    refused 64 '*which path?*' watch path -r
    refused 64 "*there is no path 'true'; if it is the command, put '--' before it" watch path src true
    # A script in the same place is watched, and that is said.
    printf '#!/bin/sh\n' >run
    chmod +x run
    evl watch path src ./run --timeout 100ms
    expect_status 124
    [[ ${stderr_lines[0]} == "evloop: watch: ./run is watched and not run; the command goes behind '--'" ]] || fail
    refused 64 "*'x' is not a process id" watch pid x
    refused 64 "*'0' is not a process id" watch pid 0
    refused 64 "*-r is for 'watch path'" watch fd 0 -r
    refused 64 "*--exclude is for 'watch path'" watch pid $$ --exclude x
    refused 64 "*--settle is for 'watch path'" watch pid $$ --settle 1s
    refused 64 "*--now is for 'watch path'" watch fd 0 --now true
    refused 64 "*--read is for 'watch fd'" watch pid $$ --read
    refused 64 "*--write is for 'watch fd'" watch path src --write
    refused 64 '*--now runs a command; which one?' watch path src --now
    refused 64 "*unknown option '--frob'*" watch path src --frob
    refused 64 '*--settle needs a value' watch path src --settle
    refused 65 "*--settle '5x' is not a duration*" watch path src --settle 5x
    refused 65 "*--timeout '0' must not be 0" watch path src --timeout 0
    refused 65 "*--exclude '' is no pattern" watch path src --exclude ''
    refused 65 "*--exclude '*...' is longer than 255 bytes" watch path src --exclude "$(printf '%0256d' 0)"
    refused 127 '*watch: no-such-command: command not found' watch path src -- no-such-command
    refused 127 '*watch: no-such-command: command not found' watch fd 0 no-such-command
    refused 127 '*watch: no-such-command: command not found' watch pid $$ no-such-command
    # shellcheck disable=SC2046
    refused 64 '*--exclude may be given 64 times' watch path src $(printf -- '--exclude x%.0s ' {1..65})
}
