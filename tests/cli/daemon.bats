#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Which daemon is meant, what it says of itself, and the private one that starts by itself.

# shellcheck disable=SC2016,SC2154 # variables are for the shells that are started, or of the helper
load helper

teardown() {
    stop_daemon
}

# What runs with an empty /tmp of its own meets no private daemon of this user, and leaves none.
need_private_tmp() {
    "$BATS_TEST_DIRNAME/private-tmp.sh" -- true 2>/dev/null || skip "no mount namespace of our own can be made here"
}

# The argument as a script of bash, there; at its end the private daemon is ended.
script() {
    cat >"$BATS_TEST_TMPDIR/script" <<END
set -u
unset EVLOOP_SOCKET EVLOOP_AUTOSTART
evloop() { "\$EVLOOP" "\$@"; }
end() { pid=\$(EVLOOP_AUTOSTART=0 evloop ping --json 2>/dev/null | jq .daemon_pid) && kill "\$pid"; }
trap end EXIT
$1
END
    "$BATS_TEST_DIRNAME/private-tmp.sh" "$BATS_TEST_TMPDIR" "$BATS_TEST_DIRNAME" "$(dirname "$EVLOOP")" \
        "$(dirname "$EVLOOPD")" "$(dirname "$EVLOOP_EXEC")" -- bash "$BATS_TEST_TMPDIR/script" 3>&-
}

@test "ping says which socket, which process and how long it took" {
    start_daemon
    evl ping
    expect_status 0
    expect_regex "^$EVLOOP_SOCKET pid=$daemon round_trip=0\.[0-9]{9}$"
    evl ping --json
    is_json "$output"
    [[ $(jq -r '"\(.socket) \(.daemon_pid) \(.round_trip_ns|type)"' <<<"$output") == "$EVLOOP_SOCKET $daemon number" ]]
}

@test "a socket that was given as a relative path is one that jobs find" {
    cd "$BATS_TEST_TMPDIR"
    start_daemon --socket socket
    cd /
    evl soon --name find sh -c '"$EVLOOP" ping'
    evl wait find
    expect_status 0
    evl log find
    expect_regex "^$BATS_TEST_TMPDIR/socket pid=$daemon "
}

@test "time shows the clocks" {
    start_daemon
    evl time
    expect_status 0
    [[ ${lines[0]} =~ ^realtime\ \ 20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}Z$ ]] || fail "realtime"
    [[ ${lines[1]} =~ ^boottime\ \ [0-9]+\.[0-9]{9}$ ]] || fail "boottime"
    [[ ${lines[2]} =~ ^monotonic\ [0-9]+\.[0-9]{9}$ ]] || fail "monotonic"
    [[ ${lines[3]} =~ ^loop\ +[0-9]+\.[0-9]{9}$ ]] || fail "loop"
    evl time --json
    is_json "$output"
    [[ $(jq -r '.realtime_ns | type' <<<"$output") == string ]]
    [[ $(jq -r .realtime <<<"$output") == "$(date -u +%Y)-"* ]]
}

@test "version shows both" {
    start_daemon
    evl version
    expect_status 0
    [[ ${lines[0]} =~ ^evloop\ [0-9.]+$ && ${lines[1]} =~ ^evloopd\ [0-9.]+$ ]] || fail "versions"
    evl version --json
    is_json "$output"
    [[ $(jq -r .version <<<"$output") -eq 1 ]]
}

@test "the socket: the option before the environment, before and behind the verb" {
    start_daemon
    local socket=$EVLOOP_SOCKET
    export EVLOOP_SOCKET=/nowhere
    evl ping --socket "$socket"
    expect_status 0
    evl --socket "$socket" ping
    expect_match "$socket *"
    evl --socket="$socket" after 1h --json true
    expect_status 0
    refused 69 '*/nowhere: no daemon listens there' ping
}

@test "the system's daemon is only asked for by --system" {
    [[ ! -S /run/evloopd/socket ]] || skip "there is one on this machine"
    refused 69 '*/run/evloopd/socket: no daemon listens there; *systemctl enable --now evloopd.socket*' --system ping
    refused 69 '*/run/evloopd/socket: no daemon listens there; *systemctl enable --now evloopd.socket*' ping --system
}

@test "a socket that is none, is another's, or does not speak the protocol" {
    : >"$BATS_TEST_TMPDIR/file"
    refused 69 '*/file: that is no socket' ping --socket "$BATS_TEST_TMPDIR/file"
    refused 69 '*: that is no socket' ping --socket "$BATS_TEST_TMPDIR"
    python3 - "$BATS_TEST_TMPDIR/stream" "$BATS_TEST_TMPDIR/mute" 3>&- <<'END' &
import socket, sys, time
stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
stream.bind(sys.argv[1])
stream.listen()
mute = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
mute.bind(sys.argv[2])
mute.listen()
time.sleep(30)
END
    local python=$!
    eventually test -S "$BATS_TEST_TMPDIR/mute"
    refused 76 '*/stream: what listens there does not speak*' ping --socket "$BATS_TEST_TMPDIR/stream"
    # It gives up after five seconds.
    refused 69 '*/mute: the daemon does not answer' ping --socket "$BATS_TEST_TMPDIR/mute"
    kill "$python"
}

@test "nothing to set up: a private daemon starts" {
    need_private_tmp
    run script '
        evloop after 0 echo tea || exit
        evloop wait 1 || exit
        evloop log 1
        evloop ping
        stat -c %a /tmp/evloopd-$(id -u)'
    [[ $status -eq 0 ]] || fail
    [[ ${lines[0]} == 1 ]]
    [[ ${lines[1]} == '1 - done status=0 lateness=0.'* ]]
    [[ ${lines[2]} == tea ]]
    [[ ${lines[3]} == "/tmp/evloopd-"*"/socket pid="* ]]
    [[ ${lines[4]} == 700 ]]
}

@test "eight at once start one" {
    need_private_tmp
    run script '
        for i in 1 2 3 4 5 6 7 8; do
            evloop ping --json >/tmp/ping$i 2>/tmp/error$i &
        done
        wait
        cat /tmp/error*
        for i in 1 2 3 4 5 6 7 8; do
            jq .daemon_pid /tmp/ping$i
        done | sort -u
        # Nor is there one that nobody can reach.
        for process in /proc/[0-9]*; do
            [[ $(readlink $process/ns/mnt) == "$(readlink /proc/self/ns/mnt)" ]] && cat $process/comm
        done | grep -c "^evloopd$"'
    [[ ${#lines[@]} -eq 2 && ${lines[0]} =~ ^[0-9]+$ && ${lines[1]} == 1 ]] || fail "not one daemon"
}

@test "EVLOOP_AUTOSTART=0 and an explicit socket start none" {
    need_private_tmp
    run script '
        EVLOOP_AUTOSTART=0 evloop list
        echo "status $?"
        evloop --socket /tmp/evloopd-$(id -u)/socket list
        echo "status $?"
        EVLOOP_SOCKET=/tmp/evloopd-$(id -u)/socket evloop list
        echo "status $?"
        ls /tmp | grep -c evloopd
        trap - EXIT'
    [[ $(grep -c '^status 69$' <<<"$output") -eq 3 ]] || fail
    grep -q 'EVLOOP_AUTOSTART=0 forbids' <<<"$output" || fail
    [[ ${lines[-1]} == 0 ]] || fail "something has started"
}

@test "a daemon that cannot start is said in one line" {
    need_private_tmp
    run script '
        EVLOOPD=/nowhere evloop list
        echo "status $?"
        EVLOOPD=/bin/false evloop list
        echo "status $?"
        trap - EXIT'
    [[ ${#lines[@]} -eq 4 ]] || fail
    [[ ${lines[0]} == 'evloop: /tmp/evloopd-'*'/nowhere could not be started: No such file or directory' && ${lines[1]} == 'status 69' ]] || fail
    [[ ${lines[2]} == 'evloop: /tmp/evloopd-'*"has ended; '/bin/false --private' tells why" && ${lines[3]} == 'status 69' ]] || fail
}

@test "what a private daemon fails of is told by evloop, and when it is run by hand" {
    need_private_tmp
    mkdir -p "$BATS_TEST_TMPDIR/evloopd"
    echo Nonsense=1 >"$BATS_TEST_TMPDIR/evloopd/evloopd.conf"
    run script "
        export XDG_CONFIG_HOME=$BATS_TEST_TMPDIR"'
        evloop list
        echo "status $?"
        sleep 0.05 # a file may be a tick of the kernel older than it is
        EVLOOPD=/bin/false evloop list
        echo "status $?"
        printf "%s\n" "#!/bin/sh" ": >$(echo /tmp/evloopd-*)/log" >/tmp/silent
        chmod +x /tmp/silent
        EVLOOPD=/tmp/silent evloop list
        echo "status $?"
        "$EVLOOPD" --private 2>/tmp/said
        echo "status $?"
        cat /tmp/said
        cmp /tmp/said /tmp/evloopd-*/log
        trap - EXIT'
    [[ ${lines[0]} == 'evloop: /tmp/evloopd-'*"has ended: $BATS_TEST_TMPDIR/evloopd/evloopd.conf:1: "* && ${lines[1]} == 'status 69' ]] || fail
    # Not what another one has left there.
    [[ ${lines[2]} == 'evloop: /tmp/evloopd-'*"has ended; '/bin/false --private' tells why" && ${lines[3]} == 'status 69' ]] || fail
    [[ ${lines[4]} == 'evloop: /tmp/evloopd-'*"has ended; '/tmp/silent --private' tells why" && ${lines[5]} == 'status 69' ]] || fail
    [[ ${lines[6]} == 'status 78' && ${lines[7]} == "evloopd: $BATS_TEST_TMPDIR/evloopd/evloopd.conf:1: "* ]] || fail
    [[ ${#lines[@]} -eq 8 ]] || fail
}

@test "whoever finds the socket in use hears of another path where he can choose one" {
    start_daemon
    run "$EVLOOPD" --socket "$EVLOOP_SOCKET" 3>&-
    expect_status 75
    expect_match "evloopd: $EVLOOP_SOCKET is in use: *; choose another path"
    need_private_tmp
    run script '
        evloop ping >/dev/null
        "$EVLOOPD" --private 2>&1
        echo "status $?"'
    [[ ${lines[0]} == 'evloopd: /tmp/evloopd-'*'/socket is in use: '* && ${lines[0]} != *path* ]] || fail
    [[ ${lines[1]} == 'status 75' ]] || fail
}

@test "a private daemon that fails of something says so in its log though nobody reads its standard error" {
    need_private_tmp
    mkdir -p "$BATS_TEST_TMPDIR/evloopd"
    echo Nonsense=1 >"$BATS_TEST_TMPDIR/evloopd/evloopd.conf"
    run script "
        export XDG_CONFIG_HOME=$BATS_TEST_TMPDIR"'
        trap - EXIT
        {
            until [[ -e /tmp/closed ]]; do sleep 0.02; done
            "$EVLOOPD" --private 2>&1
            echo "status $?" >/tmp/status
        } | {
            exec <&-
            : >/tmp/closed
        }
        cat /tmp/status /tmp/evloopd-*/log'
    [[ ${lines[0]} == 'status 78' && ${lines[1]} == "evloopd: $BATS_TEST_TMPDIR/evloopd/evloopd.conf:1: "* ]] || fail
}

@test "a private daemon where another one is enabled is warned of" {
    need_private_tmp
    mkdir -p "$BATS_TEST_TMPDIR/evloopd"
    run script "
        export HOME=$BATS_TEST_TMPDIR
        unset XDG_CONFIG_HOME"'
        mount -t tmpfs tmpfs /run || exit
        own=/run/user/$(id -u)/evloopd wants=$HOME/.config/systemd/user/sockets.target.wants
        mkdir -p "$wants"
        ln -s /nowhere "$wants/evloopd.socket"
        evloop ping # nothing of his runs
        mkdir -p "/run/user/$(id -u)/systemd" "$own"
        evloop ping
        evloop --socket "/tmp/evloopd-$(id -u)/socket" ping
        mkfifo /tmp/ready
        "$EVLOOPD" --socket "$own/socket" --ready-fd 4 4>/tmp/ready 2>/dev/null &
        read -r line </tmp/ready
        evloop ping
        rm "$wants/evloopd.socket"
        evloop ping
        XDG_CONFIG_HOME=$HOME/.config evloop ping
        ln -s /nowhere "$wants/evloopd.socket"
        XDG_CONFIG_HOME=$HOME/.config HOME=/nowhere evloop ping >/dev/null
        end
        until [[ $(evloop ping) == /run/* ]]; do sleep 0.02; done
        kill -9 $!
        wait $! 2>/dev/null
        EVLOOP_AUTOSTART=0 evloop ping
        trap - EXIT' 3>&-
    local ping="/tmp/evloopd-*/socket pid=*" warning="evloop: warning: this is a private daemon, /tmp/evloopd-*/socket: "
    # shellcheck disable=SC2053 # these are patterns
    {
        [[ ${lines[0]} == $ping && ${lines[1]} == $warning*'does not listen'*status* && ${lines[2]} == $ping ]] || fail
        [[ ${lines[3]} == $ping && ${lines[4]} == $warning*"'kill "* && ${lines[5]} == $ping ]] || fail
        [[ ${lines[6]} == $ping && ${lines[7]} == $ping && ${lines[8]} == $warning* ]] || fail
    }
    [[ ${lines[-1]} == "evloop: /run/user/"*": no daemon listens there; 'systemctl --user status "* ]] || fail
}

@test "the instance that a private daemon goes before is not started by looking at it" {
    need_private_tmp
    mkdir -p "$BATS_TEST_TMPDIR/.config/systemd/user/sockets.target.wants"
    ln -s /nowhere "$BATS_TEST_TMPDIR/.config/systemd/user/sockets.target.wants/evloopd.socket"
    cat >"$BATS_TEST_TMPDIR/unit.py" <<'END'
import socket, sys

unit = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
unit.bind(sys.argv[1])
print("bound", flush=True)
sys.stdin.readline()
unit.listen()
print("listens", flush=True)
sys.stdin.readline()
unit.setblocking(False)
try:
    unit.accept()
    print("somebody has connected")
except BlockingIOError:
    print("nobody has connected")
END
    run script "
        export HOME=$BATS_TEST_TMPDIR
        unset XDG_CONFIG_HOME"'
        mount -t tmpfs tmpfs /run || exit
        own=/run/user/$(id -u)/evloopd
        evloop ping
        mkdir -p "/run/user/$(id -u)/systemd" "$own"
        coproc unit { python3 "$HOME/unit.py" "$own/socket"; }
        tell() { echo >&"${unit[1]}" && read -r line <&"${unit[0]}" && echo "$line"; }
        read -r line <&"${unit[0]}" && echo "$line"
        evloop ping
        tell
        evloop ping
        tell' 3>&-
    local ping="/tmp/evloopd-*/socket pid=*" warning="evloop: warning: this is a private daemon, /tmp/evloopd-*/socket: "
    # shellcheck disable=SC2053 # these are patterns
    {
        [[ ${lines[0]} == $ping && ${lines[1]} == bound ]] || fail
        [[ ${lines[2]} == $warning*'does not listen'* && ${lines[3]} == $ping && ${lines[4]} == listens ]] || fail
        [[ ${lines[5]} == $warning*"'kill "* && ${lines[6]} == $ping && ${lines[7]} == 'nobody has connected' ]] || fail
    }
}

@test "a directory in /tmp that is somebody else's is not trusted" {
    need_private_tmp
    run script '
        mkdir -m 777 /tmp/evloopd-$(id -u)
        evloop list
        echo "status $?"
        trap - EXIT'
    [[ $status -eq 0 ]] || fail
    [[ ${lines[-1]} == 'status 77' ]] || fail
    [[ ${#lines[@]} -eq 2 ]] || fail
}

@test "what evloopd says of itself is written, or it says so" {
    [[ -w /dev/full ]] || skip "no /dev/full"
    local option
    for option in --help --version; do
        run "$EVLOOPD" "$option"
        [[ $status -eq 0 && -n $output ]] || fail "$option"
        run bash -c '"$0" "$1" >/dev/full' "$EVLOOPD" "$option"
        [[ $status -eq 74 && $output == 'evloopd: write error: No space left on device' ]] || fail "$option: $output"
    done
}

@test "a private daemon keeps the log of the one before it" {
    need_private_tmp
    run script '
        for i in 1 2; do
            evloop ping >/dev/null
            pid=$(evloop ping --json | jq .daemon_pid)
            kill "$pid"
            while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
        done
        trap - EXIT
        cat /tmp/evloopd-*/log.old'
    [[ $output == *'SIGTERM'* ]] || fail "$output"
}

@test "one that has ended keeps nobody waiting with what the journal does not take" {
    need_private_tmp
    grep -q '^#define HAVE_SYSTEMD' "$builddir/config.h" || skip "configured without systemd"
    run script '
        mount -t tmpfs tmpfs /run || exit
        mkdir -p /run/systemd/journal
        python3 - <<END &
import socket, time
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind("/run/systemd/journal/socket")
time.sleep(30)
END
        deaf=$!
        until [[ -S /run/systemd/journal/socket ]]; do sleep 0.02; done
        export EVLOOP_SOCKET=/tmp/socket
        mkfifo /tmp/ready
        start() { "$EVLOOPD" --socket "$EVLOOP_SOCKET" --ready-fd 4 4>/tmp/ready 2>"$1" & read -r line </tmp/ready && echo "$line"; }
        start /tmp/first
        first=$!
        # More than fits any socket.
        evloop soon --name burst seq 200000 >/dev/null && evloop wait burst >/dev/null
        evloop subscribe none >/dev/null 2>&1 &
        subscriber=$!
        until [[ $(evloop quota --json | jq ".quotas[] | select(.name == \"subscriptions\").used") == 1 ]]; do sleep 0.02; done
        kill "$first"
        wait "$subscriber" # it is at its end now
        while [[ -e /tmp/socket.lock ]]; do sleep 0.01; done
        grep -q "^State:[[:space:]]*[^Z]" "/proc/$first/status" && echo "goes on"
        start /tmp/second
        evloop ping
        wait "$first"
        grep "the journal did not take" /tmp/first
        kill "$deaf"'
    [[ ${lines[0]} == READY && ${lines[1]} == 'goes on' && ${lines[2]} == READY && ${lines[3]} == '/tmp/socket pid='* ]] || fail
    [[ ${lines[4]} == 'evloopd: the journal did not take '*' lines of the output of 1' ]] || fail
}

@test "SIGUSR1 writes statistics into the log" {
    start_daemon 2>"$BATS_TEST_TMPDIR/log"
    evl after 1h true
    evl after 1h true
    evl limiter set api --rate 1/s
    kill -USR1 "$daemon"
    for _ in {1..100}; do
        grep -q "uid $(id -u): " "$BATS_TEST_TMPDIR/log" && break
        sleep 0.05
    done
    grep -q '^evloopd: statistics: 0 sessions, 2 timers, 0 jobs running, 0 results kept, 1 limiters, ' "$BATS_TEST_TMPDIR/log"
    grep -q "^evloopd: uid $(id -u): timers 2, command-bytes [0-9]*, limiters 1$" "$BATS_TEST_TMPDIR/log"
    evl ping
    expect_status 0
}

@test "it gives memory back when the system says that there is little" {
    mkfifo "$BATS_TEST_TMPDIR/pressure"
    MEMORY_PRESSURE_WATCH=$BATS_TEST_TMPDIR/pressure start_daemon 2>"$BATS_TEST_TMPDIR/log"
    for _ in {1..100}; do
        echo now >"$BATS_TEST_TMPDIR/pressure"
    done
    for _ in {1..100}; do
        grep -q 'memory is short' "$BATS_TEST_TMPDIR/log" && break
        sleep 0.05
    done
    [[ $(grep -c 'memory is short' "$BATS_TEST_TMPDIR/log") -eq 1 ]]
    # It does not spin on it.
    local before after
    before=$(awk '{ print $14 + $15 }' "/proc/$daemon/stat")
    sleep 0.5
    after=$(awk '{ print $14 + $15 }' "/proc/$daemon/stat")
    ((after - before <= 5))
    evl ping
    expect_status 0
}

@test "the system's daemon gives up the right to run programs" {
    filters() { awk '/^Seccomp_filters:/ { print $2 }' "/proc/$1/status"; }
    [[ -n $(filters self) ]] || skip "the kernel does not say which filters a process has"
    start_daemon --system
    [[ $(filters "$daemon") -eq $(($(filters self) + 1)) ]]
    evl ping
    expect_status 0
    stop_daemon
    rm "$BATS_TEST_TMPDIR/ready"
    start_daemon
    [[ $(filters "$daemon") -eq $(filters self) ]]
}
