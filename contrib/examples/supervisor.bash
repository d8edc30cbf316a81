#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Keeps commands running: each that ends is started again, all of them together at most so many times a minute, so that one that
# cannot start does not eat the machine.  INT and TERM end them all.
#
#     supervisor.bash COMMAND...        each is one word, for sh -c
set -euo pipefail
# shellcheck source=contrib/evloop.bash
. "${EVLOOP_BASH:-/usr/share/evloop/evloop.bash}"

declare -A pids=()

start() {
    local number=$1 command=$2
    sh -c "$command" &
    pids[$number]=$!
    ev_pid "$!" ended "$number" "$command"
}

ended() {
    echo "supervisor: '$2' has ended with $EV_STATUS" >&2
    unset "pids[$1]"
    # There may be others that wait; each has its place in the line.
    ev_acquire "supervisor-$$" --rate "${RESTARTS:-10/min}" --burst "${BURST:-5}" start "$@"
}

stop() {
    ev_stop
    kill "${pids[@]}" 2>/dev/null || true
}

[[ $# -gt 0 ]] || {
    echo "usage: supervisor.bash COMMAND..." >&2
    exit 64
}
trap stop INT TERM
number=0
for command; do
    start "$((++number))" "$command"
done
ev_run
[[ ${#pids[@]} -eq 0 ]] || wait "${pids[@]}" || true
evloop limiter remove "supervisor-$$" 2>/dev/null || true
