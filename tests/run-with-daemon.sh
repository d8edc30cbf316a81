#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# run-with-daemon.sh PROGRAM [ARGUMENT]…: run it with a daemon of its own, whose socket is in $EVLOOP_SOCKET.  The status is
# the program's; what the daemon says goes to standard error.
set -eu
directory=$(mktemp -d)
daemon=
stop() {
    status=$?
    if [ -n "$daemon" ]; then
        kill "$daemon" 2>/dev/null || :
        wait "$daemon" 2>/dev/null || :
    fi
    rm -rf "$directory"
    exit "$status"
}
trap stop EXIT
trap 'exit 143' TERM INT HUP

EVLOOP_SOCKET=$directory/socket
export EVLOOP_SOCKET
mkfifo "$directory/ready"
"${EVLOOPD:-evloopd}" --socket "$EVLOOP_SOCKET" --ready-fd 3 3>"$directory/ready" &
daemon=$!
# It closes the pipe when it listens, or when it fails.
if ! grep -q READY "$directory/ready"; then
    echo "run-with-daemon.sh: the daemon did not start" >&2
    exit 99
fi
"$@"
