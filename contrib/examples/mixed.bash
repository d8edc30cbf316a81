#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A timer, a fifo and a child, waited for at the same time by one script.
set -euo pipefail
# shellcheck source=contrib/evloop.bash
. "${EVLOOP_BASH:-/usr/share/evloop/evloop.bash}"

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

tick() {
    echo "tick $EV_FIRE_SEQ"
}

line() {
    local text
    read -r text <&"$1"
    echo "the fifo says: $text"
}

ended() {
    echo "the child has ended with $EV_STATUS"
    # Nothing else would end the script.
    ev_after 50ms ev_stop
}

mkfifo "$directory/fifo"
exec {fifo}<>"$directory/fifo"

ev_every 100ms tick
ev_reader "$fifo" line "$fifo"
(sleep 0.25; echo hello; sleep 0.1; exit 3) >"$directory/fifo" &
ev_pid $! ended
ev_run
