#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a user may use, and a configuration that is read again.

load helper

setup() {
    config=$BATS_TEST_TMPDIR/config
    mkdir -p "$config/limits.d"
    start_daemon --config-dir "$config" --limit timers=3
}

teardown() {
    stop_daemon
}

@test "quota shows each limit, and what is used of it" {
    evl after 1h true
    evl quota
    expect_status 0
    [[ ${lines[0]} =~ ^WHAT\ +USED\ +LEFT\ +LIMIT\ +ALL\ USE\ +POOL$ ]] || fail
    expect_regex $'\n'timers\ +1\ +2\ +3\ +-\ +-$'\n'
    expect_regex $'\n'sessions\ +1\ +[0-9]+\ +[0-9]+\ +-\ +-$'\n'
    evl quota --json
    is_json "$output"
    [[ $(jq -c '.quotas[] | select(.name == "timers")' <<<"$output") == '{"name":"timers","limit":3,"used":1,"pool":0,"pool_used":0,"left":2}' ]] || fail
    # Every name is one that --limit takes, and the other way round.
    while read -r name; do
        "$EVLOOPD" --limit "$name=1" --check-config --config-dir "$config"
    done < <(jq -r '.quotas[].name' <<<"$output")
}

@test "a limit that is reached is named, and quota shows the same" {
    for _ in 1 2 3; do
        evl after 1h true
    done
    refused 77 '*uses 3 of 3 timers and asks for 1 more' after 1h true
    evl quota --json
    [[ $(jq -r '.quotas[] | select(.name == "timers") | .used' <<<"$output") == 3 ]] || fail
    [[ $(jq -r '.quotas[] | select(.name == "timers") | .left' <<<"$output") == 0 ]] || fail
}

@test "a session too many is refused as anything else" {
    stop_daemon
    rm "$BATS_TEST_TMPDIR/ready"
    start_daemon --limit sessions=1
    local line
    coproc FIRST { exec "$EVLOOP" bridge 3>&-; }
    echo '{"id":1,"call":"ping"}' >&"${FIRST[1]}"
    read -r -t 10 -u "${FIRST[0]}" line
    refused 77 "evloop: $EVLOOP_SOCKET: uid $(id -u) uses 1 of 1 sessions and asks for 1 more" ping
    kill "$FIRST_PID"
}

@test "reload returns when the configuration is in force, or says why not" {
    refused 66 '*' limiter peek api
    printf '%s\n' '[Limiter]' 'Rate=1/h' 'Burst=7' >"$config/limits.d/api.limit"
    evl reload
    expect_status 0
    [[ -z $output$stderr ]] || fail
    evl limiter peek api
    expect_match '*remaining=7 *'
    printf '%s\n' '[Limiter]' 'Rate=1/h' 'Burst=many' >"$config/limits.d/api.limit"
    refused 65 "evloop: $config/limits.d/api.limit:3: *" reload
    evl limiter peek api
    expect_match '*remaining=7 *'
    rm "$config/limits.d/api.limit"
    evl reload
    expect_status 0
    refused 66 '*' limiter peek api
}

@test "whoever hears that a reload is over finds in systemd's status what it has changed" {
    ldd "$EVLOOPD" 2>/dev/null | grep -q libsystemd || skip "configured without systemd"
    stop_daemon
    python3 - "$config" "$BATS_TEST_TMPDIR" 3>&- <<'END'
import os, socket, subprocess, sys
config, scratch = sys.argv[1:]
os.environ["NOTIFY_SOCKET"] = scratch + "/notify"
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(os.environ["NOTIFY_SOCKET"])
daemon = subprocess.Popen([os.environ["EVLOOPD"], "--socket", scratch + "/socket", "--config-dir", config])
while b"READY=1" not in notify.recv(4096):
    pass
notify.setblocking(False)
evloop = [os.environ["EVLOOP"], "--socket", scratch + "/socket"]
wrong = []
for i in range(1, 6):
    with open(f"{config}/limits.d/a{i}.limit", "w") as file:
        file.write("[Limiter]\nRate=1/h\n")
    subprocess.check_call(evloop + ["reload"])
    status = ""
    try:
        while True:
            status = notify.recv(4096).decode()
    except BlockingIOError:
        pass
    if not status.endswith(f" {i} limiter{'s' if i > 1 else ''}"):
        wrong.append((i, status))
notify.close()
daemon.terminate()
sys.exit(f"{wrong}" if wrong else daemon.wait())
END
}

@test "many reloads at once, each after what was there when it was asked for" {
    local i pids=()
    for i in {1..20}; do
        printf '%s\n' '[Limiter]' 'Rate=1/h' "Burst=$i" >"$config/limits.d/new"
        mv "$config/limits.d/new" "$config/limits.d/api.limit"
        "$EVLOOP" reload 3>&- &
        pids+=($!)
    done
    for i in "${pids[@]}"; do
        wait "$i"
    done
    evl limiter show api --json
    [[ $(jq -r '.spec.rules[0].burst' <<<"$output") == 20 ]] || fail
}
