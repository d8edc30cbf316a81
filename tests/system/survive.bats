#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A daemon that dies, by kill -9 or its watchdog: connections do not end, what was armed stays armed, and what may be lost is told.
#
# Short by default; `make check-system-load` is the whole of it.

# shellcheck disable=SC2016 # what is in quotes is for the shell of others
bats_require_minimum_version 1.5.0
load container

setup_file() {
    boot
    install -m 755 "$builddir/tests/system/.libs/survive" "$MACHINE/root/usr/local/bin/evloop-survive" 2>/dev/null ||
        install -m 755 "$builddir/tests/system/survive" "$MACHINE/root/usr/local/bin/evloop-survive"
    inside systemd-sysusers
    inside systemd-tmpfiles --create evloopd.conf
    inside useradd --create-home --groups evloop member
    inside useradd --create-home alice
    inside loginctl enable-linger alice
    inside mkdir -p /run/systemd/system/evloopd.service.d /etc/evloopd
    printf '%s\n' '[Limits]' 'Sessions=2000' 'Bytes=1G' 'Descriptors=20000' '[Pool]' 'Bytes=infinity' |
        inside tee /etc/evloopd/evloopd.conf >/dev/null
    printf '%s\n' '[Unit]' 'StartLimitBurst=1000' '[Service]' 'WatchdogSec=2s' |
        inside tee /run/systemd/system/evloopd.service.d/survive.conf >/dev/null
    inside systemctl daemon-reload
    inside systemctl --quiet enable --now evloopd.socket
    wait_until as alice systemctl --user is-active --quiet default.target
    as alice systemctl --user --quiet enable --now evloopd.socket
}

teardown_file() {
    shut_down
}

setup() {
    inside systemctl reset-failed
    as member evloop --system ping
    as alice evloop ping
    out=$BATS_TEST_TMPDIR/out
}

teardown() {
    inside pkill -KILL -x evloop-survive || true
}

# ---- the daemon, its death, and what is kept of it ----

pid_of_daemon() {
    inside systemctl show --property MainPID --value evloopd.service
}

is_another() {
    local pid
    pid=$(pid_of_daemon)
    [[ $pid -gt 0 && $pid -ne $1 ]] && inside systemctl --quiet is-active evloopd.service
}

kill_daemon() {
    local pid
    pid=$(pid_of_daemon)
    inside kill "-${1:-KILL}" "$pid"
    wait_until is_another "$pid"
}

kill_daemon_of_alice() {
    as alice systemctl --user kill --kill-whom=main --signal=KILL evloopd.service
    wait_until daemon_of_alice_is_there
}

daemon_of_alice_is_there() {
    as alice systemctl --user --quiet is-active evloopd.service && as alice evloop ping
}

# The pair of the escrow and the notes are kept, too: so many sessions beside them.
n_kept() {
    inside systemctl show --property NFileDescriptorStore --value evloopd.service
}

sessions_are_kept() {
    [[ $(n_kept) -ge $(($1 + before)) ]]
}

n_times() {
    inside journalctl --no-pager --output=cat --unit=evloopd.service | grep -c "$1" || true
}

lines_in() {
    [[ $(wc -l <"$1") -ge $2 ]]
}

@test "kill -9 ends no connection, and what may be lost is told" {
    local n=${SURVIVE_SESSIONS:-200} kills=${SURVIVE_KILLS:-10} status=0 before told
    before=$(n_kept)
    told=$(n_times 'clients that stay connected')
    inside evloop-survive /run/evloopd/socket "$n" >"$out" 2>&1 3>&- &
    load=$!
    wait_until grep -q READY "$out" || { cat "$out" && false; }
    for ((i = 0; i < 10; i++)); do
        wait_until sessions_are_kept "$n" && break
    done
    inside python3 - <<'PYTHON' >"$out.refused" 2>&1 3>&- &
import os, socket, time
while not os.path.exists("/tmp/enough"):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        peer.connect("/run/evloopd/socket")
    time.sleep(0.005)
PYTHON
    connecting=$!
    for ((i = 0; i < kills; i++)); do
        sleep "0.$((RANDOM % 5))"
        # He may even be replaced himself.
        [[ $((i % 5)) -ne 4 ]] || inside systemctl daemon-reexec
        kill_daemon
    done
    sleep 1
    inside touch /tmp/enough
    wait "$connecting" || { cat "$out.refused" && false; }
    inside pkill -TERM -x evloop-survive || true
    wait "$load" || status=$?
    sed 's/^/# /' "$out" >&3
    [[ $status -eq 0 ]]
    [[ $(($(n_times 'clients that stay connected') - told)) -eq $kills ]]
    # And nothing is left of them.
    wait_until nothing_is_kept "$before"
}

nothing_is_kept() {
    [[ $(n_kept) -le $1 ]]
}

@test "one that hangs is ended by its watchdog, and its clients go on" {
    local before
    before=$(n_kept)
    as member evloop --system every 100ms --count 60 >"$out" 2>"$out.err" 3>&- &
    wait_until sessions_are_kept 1
    kill_daemon STOP
    wait $!
    [[ ! -s $out.err ]] || { cat "$out.err" && false; }
    awk '{ split($2, f, "="); sum += f[2] } END { exit sum != 60 }' "$out"
}

@test "ticks go on, and who sleeps wakes when he would have" {
    local began=$EPOCHREALTIME took before
    before=$(n_kept)
    as member evloop --system sleep 4s 3>&- &
    sleeper=$!
    as member evloop --system every 50ms --count 60 >"$out" 2>"$out.err" 3>&- &
    ticker=$!
    wait_until sessions_are_kept 2
    kill_daemon
    kill_daemon
    wait "$ticker"
    [[ ! -s $out.err ]] || { cat "$out.err" && false; }
    awk '{ split($2, f, "="); sum += f[2] } END { exit sum != 60 }' "$out"
    wait "$sleeper"
    took=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print int((b - a) * 1000) }')
    [[ $took -ge 4000 && $took -lt 5500 ]] || { echo "took $took ms" && false; }
}

@test "watches look again, and who may have lost something is told" {
    as alice mkdir -p /home/alice/tree
    as alice mkfifo /home/alice/pipe
    as alice sh -c 'exec 5<>"$HOME/pipe"; exec evloop watch fd 5 --once' >"$out.fd" 3>&- &
    pid_fd=$!
    as alice sh -c 'sleep 300 & echo $! >"$HOME/sleeper"; exec evloop watch pid $!' >"$out.pid" 3>&- &
    pid_pid=$!
    as alice evloop watch path -r /home/alice/tree >"$out.path" 3>&- &
    pid_path=$!
    as alice evloop subscribe news >"$out.topic" 2>"$out.lost" 3>&- &
    pid_topic=$!
    wait_until inside test -s /home/alice/sleeper
    wait_until alice_has 4
    kill_daemon_of_alice
    # Who listened hears that something may be lost; and of all that comes from then on.
    wait_until test -s "$out.path"
    wait_until test -s "$out.lost"
    as alice sh -c 'echo >"$HOME/pipe"; touch "$HOME/tree/new"; kill $(cat "$HOME/sleeper")'
    run -0 as alice evloop emit news hello
    [[ $output == 'receivers=1' ]]
    wait "$pid_fd" "$pid_pid"
    wait_until grep -q '/home/alice/tree/new' "$out.path"
    wait_until grep -qx hello "$out.topic"
    kill "$pid_path" "$pid_topic"
    [[ $(<"$out.fd") == 'fd=5 readable' ]]
    [[ $(<"$out.pid") == pid=*' ended status='* ]]
}

alice_has() {
    [[ $(as alice systemctl --user show --property NFileDescriptorStore --value evloopd.service) -ge $(($1 + 2)) ]]
}

@test "what a stranger has put into a socket keeps nobody waiting" {
    local before
    before=$(n_kept)
    # It lingers for ten minutes, and whoever closes it last waits for it.
    as member python3 - "$out" <<'PYTHON' 3>&- &
import os, socket, struct, sys, time
listener = socket.create_server(("127.0.0.1", 0))
linger = socket.create_connection(listener.getsockname())
other, _ = listener.accept()
linger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 600))
linger.setblocking(False)
try:
    while True:
        linger.send(b"x" * 65536)
except BlockingIOError:
    pass
peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
peer.connect("/run/evloopd/socket")
hello = bytes([0x08, 1, 0x30, 1])  # version, resumes
peer.send(struct.pack("<IHBBQ", 16 + len(hello), 1, 1, 0, 1) + hello)
peer.recv(65536)
time.sleep(3)
os.system("touch /tmp/is-kept")
while not os.path.exists("/tmp/stopped"):
    time.sleep(0.05)
peer.send(b"nonsense")  # nothing behind it is received
socket.send_fds(peer, [struct.pack("<IHBBQ", 16, 2, 1, 1, 2)], [linger.fileno()])
linger.close()
peer.close()
os.system("touch /tmp/is-gone")
time.sleep(60)
PYTHON
    local attacker=$!
    wait_until inside test -e /tmp/is-kept
    sessions_are_kept 1
    # It cannot be read any more; then it dies.
    inside kill -STOP "$(pid_of_daemon)"
    inside touch /tmp/stopped
    wait_until inside test -e /tmp/is-gone
    local pid
    pid=$(pid_of_daemon)
    inside kill -KILL "$pid"
    wait_until is_another "$pid"
    # Neither the service manager nor the next daemon is held up.
    inside timeout 2 systemctl show --property Version >/dev/null
    inside timeout 2 setpriv --reuid member --regid member --groups "$(inside getent group evloop | cut -d: -f3)" evloop --system ping
    wait_until nothing_is_kept "$before"
    inside timeout 2 systemctl show --property Version >/dev/null
    kill "$attacker"
    inside pkill -KILL python3 || true
}

@test "one that cannot be started any more takes its connections along, and leaves nothing for the next" {
    local before status=0
    before=$(n_kept)
    as member evloop --system sleep 60s 2>"$out" 3>&- &
    local sleeper=$!
    wait_until sessions_are_kept 1
    inside mkdir -p /run/systemd/system/evloopd.service.d
    printf '%s\n' '[Service]' 'ExecStartPre=/bin/false' 'Restart=no' |
        inside tee /run/systemd/system/evloopd.service.d/zz.conf >/dev/null
    inside systemctl daemon-reload
    inside kill -KILL "$(pid_of_daemon)"
    wait "$sleeper" || status=$?
    inside rm /run/systemd/system/evloopd.service.d/zz.conf
    inside systemctl daemon-reload
    [[ $status -eq 69 ]]
    wait_until as member evloop --system ping
    [[ $(n_kept) -le $before ]]
}

@test "what a later version has left there is let go" {
    inside mkdir -p /run/systemd/system/evloopd.service.d
    inside tee /run/from-the-future.py <<'PYTHON' >/dev/null
import os, socket
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
    manager.connect(os.environ["NOTIFY_SOCKET"])
    socket.send_fds(manager, [b"FDSTORE=1\nFDNAME=from-the-future"], [os.memfd_create("x")])
PYTHON
    printf '%s\n' '[Service]' 'NotifyAccess=all' 'ExecStartPost=+/usr/bin/python3 /run/from-the-future.py' |
        inside tee /run/systemd/system/evloopd.service.d/zz.conf >/dev/null
    inside systemctl daemon-reload
    inside systemctl restart evloopd.service
    inside rm /run/systemd/system/evloopd.service.d/zz.conf
    inside systemctl daemon-reload
    before=$(n_kept)
    inside systemctl restart evloopd.service
    wait_until as member evloop --system ping
    [[ $(n_times "left a descriptor 'from-the-future', which is not known here") -eq 1 ]]
    wait_until nothing_is_kept $((before - 1))
}

@test "who comes and goes costs the service manager nothing" {
    local before
    before=$(n_kept)
    as member sh -c 'seq 500 | xargs -P 8 -I{} evloop --system ping'
    [[ $(n_kept) -eq $before ]]
}

@test "a stop leaves nothing behind" {
    local before
    before=$(n_kept)
    as member evloop --system sleep 60s 2>"$out" 3>&- &
    local sleeper=$! status=0
    wait_until sessions_are_kept 1
    inside systemctl stop evloopd.service
    wait "$sleeper" || status=$?
    [[ $status -eq 69 ]]
    [[ $(n_kept) -eq 0 ]]
    run -0 as member evloop --system ping
}
