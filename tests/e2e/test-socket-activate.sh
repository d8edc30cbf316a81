#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The daemon as systemd starts it: by a socket of type SOCK_SEQPACKET that somebody has connected to.
set -eu
: "${EVLOOP:?is set by make check}" "${EVLOOPD:?is set by make check}" "${EVLOOP_EXEC:?is set by make check}"

if ! command -v systemd-socket-activate >/dev/null; then
    echo "SKIP: there is no systemd-socket-activate"
    exit 77
fi
case $("$EVLOOPD" 2>&1 || true) in
*"systemd passed no socket"*) ;;
*)
    echo "evloopd does not ask for a socket" >&2
    exit 1
    ;;
esac
if ! ldd "$EVLOOPD" 2>/dev/null | grep -q libsystemd; then
    echo "SKIP: configured without systemd"
    exit 77
fi

scratch=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true; rm -rf "$scratch"' EXIT
export EVLOOP_SOCKET="$scratch/socket" HOME="$scratch"

# It becomes the daemon when somebody connects.
systemd-socket-activate --seqpacket --listen="$EVLOOP_SOCKET" --setenv=EVLOOP_EXEC --setenv=HOME "$EVLOOPD" --user \
    2>"$scratch/log" &
daemon=$!
tries=0
while [ ! -S "$EVLOOP_SOCKET" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 500 ] || exit 1
    sleep 0.02
done

"$EVLOOP" ping >"$scratch/ping"
grep -q "^$EVLOOP_SOCKET pid=$daemon " "$scratch/ping"
# A job finds it again, by the path of the socket that was passed.
unset EVLOOP_SOCKET
id=$("$EVLOOP" --socket "$scratch/socket" soon "$EVLOOP" ping)
"$EVLOOP" --socket "$scratch/socket" wait "$id"
"$EVLOOP" --socket "$scratch/socket" log "$id" | grep -q "^$scratch/socket pid=$daemon "
kill "$daemon"
wait "$daemon"
daemon=
# The socket is not the daemon's, so it stays.
[ -S "$scratch/socket" ]
