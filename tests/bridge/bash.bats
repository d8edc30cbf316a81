#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# evloop.bash, from scripts under `set -euo pipefail`.

load ../cli/helper

setup() {
    start_daemon
    cd "$BATS_TEST_TMPDIR" || return
    mkdir work
    cd work || return
}

teardown() {
    stop_daemon
}

# script <<END: run it behind the usual first lines; $status, $output and $stderr are what became of it.
script() {
    {
        echo 'set -euo pipefail'
        echo '. "$srcdir/contrib/evloop.bash"'
        cat
    } >script.bash
    status=0
    timeout -k 5 40 bash script.bash >out 2>err </dev/null 3>&- || status=$?
    output=$(<out)
    stderr=$(<err)
}

# The last script went well, and said this and nothing else.
expect() {
    expect_status 0
    expect_output "$1"
    [[ -z $stderr ]] || fail 'expected no complaint'
}

@test "timers call handlers in order, with their words" {
    script <<'END'
say() { printf '<%s>' "$@"; echo; }
ev_after 60ms say late 'a b' $'x\ny' ''
ev_after 20ms say "it's" '$HOME' '*'
ev_soon say now
ev_at @1 say gone by
echo "id $EV_ID"
ev_run
echo done
END
    expect $'id 4\n<now>\n<gone><by>\n<it\'s><$HOME><*>\n<late><a b><x\ny><>\ndone'
}

@test "every, cancel, stop, and a loop that is run again" {
    script <<'END'
n=0
tick() { n=$((n + EV_FIRES)); if ((n >= 3)); then ev_cancel "$EV_REQUEST"; echo "$EV_OUTCOME"; fi; }
ev_every 5ms tick
ev_run
((n >= 3))
never() { echo never; }
ev_after 60s never
id=$EV_ID
ev_after 1ms ev_stop
ev_run
ev_cancel "$id"
echo "$EV_OUTCOME"
ev_cancel "$id"
echo "$EV_OUTCOME"
ev_run
# What waits here for its turn is withdrawn, too.
ev_soon never
id=$EV_ID
sleep 0.05
ev_soon true
ev_cancel "$id"
echo "$EV_OUTCOME"
ev_run
END
    expect $'cancelled\ncancelled\ngone\nwithdrawn'
}

@test "handlers arm and cancel others" {
    script <<'END'
a() { ev_after 1ms b; ev_cancel "$c"; }
b() { echo "b after $EV_EVENT"; ev_soon d "$EV_ID"; }
c() { echo never; }
d() { echo "d $1"; }
ev_after 30ms c
c=$EV_ID
ev_after 1ms a
ev_run
END
    expect $'b after fired\nd 3'
}

@test "1,000 timers and 20 fifos in one script, in order" {
    script <<'END'
fired=() lines=()
timer() { fired+=("$1"); if ((${#fired[@]} == 1000)); then ev_after 1ms finish; fi; }
# A line a call: for what is left it is called again.
line() {
    local text
    read -r text <&"$2"
    lines[$1]+=" $text"
    if [[ $text == 5 ]]; then ev_cancel "$EV_REQUEST"; fi
}
finish() { echo "${#fired[@]} timers"; }
for ((i = 0; i < 20; i++)); do
    mkfifo "f$i"
    exec {fd}<>"f$i"
    lines[i]=
    ev_reader "$fd" line "$i" "$fd"
done
now=$(date +%s)
for ((i = 0; i < 1000; i++)); do
    # Of two with the same deadline the one that was armed first.
    ev_at "@$((now + 3))" timer "$i"
done
for ((i = 0; i < 20; i++)); do
    (for j in 1 2 3 4 5; do echo "$j"; sleep 0.01; done >"f$i") &
done
ev_run
for ((i = 0; i < 1000; i++)); do [[ ${fired[i]} == "$i" ]] || echo "at $i: ${fired[i]}"; done
printf '%s\n' "${lines[@]}" | sort | uniq -c | tr -s ' '
END
    expect $'1000 timers\n 20 1 2 3 4 5'
}

@test "a handler that fails is named, and the loop goes on" {
    script <<'END'
deep() { false; echo not reached; }
fails() { echo before; deep; echo not reached; }
returns() { return 9; }
subshell() { (exit 7); echo not reached; }
pipe() { false | cat; echo not reached; }
forgives() { ! true; if false; then :; fi; false || true; set +e; false; set -e; echo forgives; }
count=0
counts() { count=$((count + 1)); }
gone() { :; }
for handler in fails counts returns subshell pipe forgives gone counts; do ev_soon "$handler"; done
unset -f gone
ev_run
echo "$count $-"
END
    expect_status 0
    expect_match $'before\nforgives\n2 *e*'
    mapfile -t stderr_lines <err
    [[ ${stderr_lines[0]} == 'evloop.bash: handler fails: failed with status 1' ]] || fail one
    [[ ${stderr_lines[1]} == 'evloop.bash: handler returns: failed with status 9' ]] || fail two
    [[ ${stderr_lines[2]} == 'evloop.bash: handler subshell: failed with status 7' ]] || fail three
    [[ ${stderr_lines[3]} == 'evloop.bash: handler pipe: failed with status 1' ]] || fail four
    [[ ${stderr_lines[4]} == *'gone: command not found' ]] || fail five
    [[ ${stderr_lines[5]} == 'evloop.bash: handler gone: failed with status 127' ]] || fail six
    [[ ${#stderr_lines[@]} -eq 6 ]] || fail more
}

@test "without set -e a handler runs to its end, and traps are the script's own" {
    script <<'END'
trap 'echo "trap $?"' ERR
handler() { false; echo reached; return 3; }
ev_soon handler
set +e
ev_run
(exit 4)
set -e
ev_soon handler
trap 'echo mine' ERR
ev_run
set +e
false
[[ $- != *E* ]] || echo errtrace is on
END
    expect_status 0
    expect_output $'trap 0\nreached\ntrap 4\nmine' || expect_output $'reached\ntrap 4\nmine'
}

@test "a slow handler is named" {
    script <<'END'
EV_SLOW_MS=100
slow() { sleep 0.15; }
quick() { :; }
ev_soon slow
ev_soon quick
ev_run
END
    expect_status 0
    [[ $stderr =~ ^'evloop.bash: handler slow: took '[1-9][0-9]+' ms'$ ]] || fail 'expected one complaint'
}

@test "children: how each has ended, also those that were quicker" {
    script <<'END'
ended() { echo "$1 $EV_EVENT $EV_STATUS"; }
sleep 0.1 &
ev_pid $! ended slow
(exit 3) &
sleep 0.1
ev_pid $! ended quick
sleep 60 &
ev_pid $! ended killed
kill -9 $!
(sleep 0.2; exit 127) &
ev_pid $! ended none
ev_run
# A plain wait is for the script's own children, and returns; not so in bash 5.0.
sleep 0.01 &
((BASH_VERSINFO[0] == 5 && BASH_VERSINFO[1] == 0)) || wait
if ev_pid 1999999999 ended; then echo never; else echo "status $?"; fi
END
    expect_status 0
    [[ $(sort <<<"$output") == $'killed process 137\nnone process 127\nquick process 3\nslow process 0\nstatus 66' ]] || fail order
    # bash itself says which child was killed.
    [[ $stderr == *'evloop.bash: watch: there is no process 1999999999' ]] || fail complaint
}

@test "readers: end of file, and a writer" {
    script <<'END'
reads() {
    local text
    if read -r text <&"$1"; then
        echo "read $text"
    else
        echo "end, $EV_READINESS, more $EV_MORE"
        if ((EV_MORE)); then ev_cancel "$EV_REQUEST"; fi
    fi
}
writes() { echo "$EV_READINESS"; echo text >&"$1"; ev_cancel "$EV_REQUEST"; exec {w}>&-; }
mkfifo f
exec {both}<>f {r}<f {w}>f {both}>&-
ev_reader "$r" reads "$r"
ev_writer "$w" writes "$w"
ev_run
echo text >file
exec {r}<file
if ev_reader "$r" reads "$r"; then echo never; else echo "status $?"; fi
if ev_reader 99 reads; then echo never; else echo "status $?"; fi
END
    expect_status 0
    expect_match $'writable\nread text\nend, hangup, more 0\nstatus 65\nstatus 65'
    [[ $stderr == *'file'*$'\n'*'has no descriptor 99' ]] || fail complaint
}

@test "paths: what has changed, by the name that the script has for it" {
    script <<'END'
mkdir -p src/deep
built() {
    # A machine that is busy may only say that it has not seen all.
    if ((EV_RESCAN)); then return; fi
    echo "$1 $EV_PATH ${#EV_PATHS[@]} $([[ " $EV_CHANGES " =~ \ (created|modified)\  ]] && echo changed) $EV_RESCAN"
    ev_cancel "$EV_REQUEST"
    ev_cancel "$writer"
}
# Until it is told: when the watch begins nobody says.
write() { echo x >"src/deep/a b.c"; echo x >src/x.o; }
ev_path src/ -r --settle 100ms --exclude '*.o' built once
ev_every 300ms write
writer=$EV_ID
ev_run
failed() { echo "$EV_PATH error $((EV_ERROR != 0)) more $EV_MORE"; }
ev_path nowhere/at/all failed
ev_run
END
    expect_status 0
    expect_output $'once src/deep/a b.c 1 changed 0\n error 1 more 0'
    [[ $stderr == 'evloop.bash: watch: nowhere/at/all: the folder that it is in does not exist' ]] || fail 'expected one complaint'
}

@test "topics carry any bytes that a variable can hold" {
    script <<'END'
texts=(plain "it's" '"q" \ & $(touch x)' $'a\nb\tc' $'\001\377\376' é '' '  two  ')
n=0
hear() {
    if [[ $EV_DATA == "${texts[n]}" ]]; then echo "$n"; else printf 'got %q\n' "$EV_DATA"; fi
    n=$((n + 1))
    if ((n == ${#texts[@]})); then ev_stop; fi
}
ev_subscribe t hear
for text in "${texts[@]}"; do ev_emit t "$text"; done
echo "receivers $EV_RECEIVERS"
ev_run
[[ ! -e x ]]
ev_emit nobody
echo "receivers $EV_RECEIVERS"
END
    expect $'receivers 1\n0\n1\n2\n3\n4\n5\n6\n7\nreceivers 0'
}

@test "what is not heard in time is counted" {
    script <<'END'
hear() { echo "$1 $EV_DATA fires $EV_FIRES lost $EV_LOST"; if [[ $EV_DATA == 9 ]]; then ev_cancel "$EV_REQUEST"; fi; }
ev_subscribe t --latest hear latest
for i in 1 2 3 4 5 6 7 8 9; do ev_emit t "$i"; done
ev_run
END
    expect_status 0
    expect_match '*latest 9 fires * lost 0'
}

@test "limiters: granted in the loop, in line, denied, and released" {
    script <<'END'
got() {
    echo "$1 $EV_ALLOWED $EV_CLAIM"
    if [[ $EV_CLAIM == held ]]; then ev_release "$EV_REQUEST"; fi
}
ev_acquire pl --concurrency 1 got first
ev_acquire pl got second
ev_acquire pl --max-wait 0 got third
ev_acquire api --rate 20/s --burst 1 got fourth
ev_acquire api got fifth
ev_acquire k --rate 1/h --burst 5 --key 'a b' -n 5 got sixth
ev_acquire k --key 'a b' --max-wait 1s got seventh
echo armed
ev_run
if ev_acquire nobody got x; then echo never; else echo "status $?"; fi
if ev_acquire api --rate 21/s got x; then echo never; else echo "status $?"; fi
END
    expect_status 0
    [[ ${output%%$'\n'*} == armed ]] || fail 'not in the loop'
    [[ $(tail -n +2 <<<"$output" | sort) == $'fifth 1 granted\nfirst 1 held\nfourth 1 granted\nsecond 1 held\nseventh 0 timed-out\nsixth 1 granted\nstatus 66\nstatus 73\nthird 0 timed-out' ]] ||
        fail lines
}

@test "what is refused is said, with the status of evloop" {
    script <<'END'
try() { "$@" && echo never || echo "$?"; }
try ev_after 5x true
try ev_after -1s true
try ev_every 0 true
try ev_at 25:00 true
try ev_after
try ev_after 1s
try ev_reader x true
try ev_pid 5x true
try ev_cancel
try ev_cancel x
try ev_path --nonsense
try ev_subscribe t --queue x true
try ev_subscribe t --queue 0 true
try ev_subscribe 'no blanks' true
try ev_after 1s 'no such function' true
try ev_pid $$ no-such-function
try ev_every 1s ''
try ev_emit t "$(printf '%5000s' x)"
try ev_acquire api --rate 10 true
try ev_acquire api --nonsense 5 true
try ev_release
ev_run
END
    expect_status 0
    expect_output $'65\n65\n65\n65\n64\n64\n64\n64\n64\n64\n64\n64\n64\n65\n64\n64\n64\n65\n65\n64\n64'
    [[ $(grep -vc '^evloop.bash: \|^    HANDLER' <<<"$stderr") -eq 0 ]] || fail 'each begins so'
}

@test "set -e ends a script whose call is refused" {
    script <<'END'
ev_after 5x true
echo never
END
    expect_status 65
    expect_output ''
}

@test "a trap stops the loop while it waits" {
    script <<'END'
trap 'echo trapped; ev_stop' TERM
ev_after 1h true
(sleep 0.2; kill -TERM $$) &
ev_run
echo "stopped, $?"
END
    expect $'trapped\nstopped, 0'
}

@test "a signal to the whole group leaves the bridge to the script" {
    script <<'END'
set -m
(
    set +m
    trap 'echo stopped; ev_stop' TERM
    . "$srcdir/contrib/evloop.bash"
    ev_after 1h true
    id=$EV_ID
    ev_after 10ms kill -TERM 0
    ev_run
    ev_cancel "$id"
    ev_after 1ms echo fired
    ev_run
) &
wait $!
END
    expect $'stopped\nfired'
}

@test "a daemon that goes ends the loop with 69" {
    export daemon
    script <<'END'
ev_after 1h true
ev_after 1ms kill -KILL "$daemon"
ev_run || echo "status $?"
ev_after 1s true || echo "status $?"
ev_run || echo "status $?"
END
    daemon=
    expect_status 0
    expect_output $'status 69\nstatus 69\nstatus 69'
}

@test "no daemon is 69, too, and one line" {
    EVLOOP_SOCKET=/nonexistent/socket script <<'END'
ev_after 1s true || echo "status $?"
END
    expect_status 0
    expect_output 'status 69'
    [[ $stderr == 'evloop: /nonexistent/socket: no daemon listens there'* ]] || fail complaint
}

@test "no subshell, no loop within a handler" {
    script <<'END'
ev_after 1ms ev_run
(ev_after 1s true) || echo "status $?"
ev_run
END
    expect_status 0
    expect_output 'status 70'
    [[ $stderr == *'a subshell has none'*'ev_run within a handler'* ]] || fail complaint
}

@test "a child that ends while it is asked for has its status" {
    script <<'END'
n=0
ended() { echo "$EV_PID $EV_STATUS"; ((++n < 40)) || ev_stop; }
ev_every 1s true
for i in {1..40}; do
    (exit 3) &
    echo "$! 3" >>expected
    ev_pid $! ended
done
ev_run
END
    expect_status 0
    [[ $(sort <<<"$output") == "$(sort expected)" ]] || fail order
}

@test "children do not hold the bridge, and it ends with the script" {
    script <<'END'
ev_soon true
ev_run
sleep 60 >/dev/null 2>&1 &
echo "$! $_ev_pid"
END
    expect_status 0
    read -r child bridge <<<"$output"
    eventually eval "! kill -0 $bridge 2>/dev/null"
    kill "$child"
}

@test "it may be sourced in a function, twice, and with an odd IFS" {
    script <<'END'
load() { . "$srcdir/contrib/evloop.bash"; }
load
IFS=,:
say() { echo "$#"; }
ev_soon say a,b 'c d'
ev_run
load
ev_soon say a
ev_run
END
    expect $'2\n1'
}

@test "shellcheck has nothing to say" {
    command -v shellcheck >/dev/null || skip "shellcheck is missing"
    shellcheck "$srcdir/contrib/evloop.bash"
}
