#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Do the examples run against a real daemon, and print what they should?  Those of a library that is missing are not built.
set -eu
examples=$builddir/contrib/examples
failed=0

# expect NAME PATTERN…: run it; its lines must match the patterns, one each.
expect() {
    name=$1
    shift
    if [ ! -x "$examples/$name" ]; then
        echo "$name: not built"
        return
    fi
    if ! output=$(timeout 20 "$srcdir/tests/run-with-daemon.sh" "$examples/$name"); then
        echo "$name: failed"
        failed=1
        return
    fi
    printf '%s\n' "$output" | {
        for pattern; do
            read -r line || line='(no line)'
            printf '%s\n' "$line" | grep -Eqx "$pattern" || { echo "$name: '$line', not '$pattern'"; exit 1; }
        done
        ! read -r line || { echo "$name: one line too many: $line"; exit 1; }
    } || failed=1
}

expect one-timer 'hello, world, [0-9.]+ ms late'
expect beat 'beat 1, [0-9]+ ns late' 'beat 2, [0-9]+ ns late' 'beat 3, [0-9]+ ns late'
expect cancel-in-callback 3 2 1 lift-off freed
expect embed-poll 'the timer fired, it writes to the pipe' 'the pipe is readable: done'
expect embed-sd-event 'fire 1 inside sd-event' 'fire 2 inside sd-event' 'fire 3 inside sd-event'
expect embed-libuv 'fire 1 inside libuv' 'fire 2 inside libuv' 'fire 3 inside libuv'
expect prefork-limit '20 requests of 4 workers: as fast as they may'
expect thread-pool '20 jobs of 4 threads: as fast as they may'
expect echo 'the server says: hello' 'the client is gone'
expect supervise 'run 1 ended with 3' 'run 2 ended with 3' 'run 3 ended with 3' 'run 4 ended with 3' 'run 5 ended with 3' \
    'as fast as it may'
expect hash-files '[0-9a-f]{8} [0-9]+ bytes /proc/self/exe|cannot read /no/such/file' \
    '[0-9a-f]{8} [0-9]+ bytes /proc/self/exe|cannot read /no/such/file'

# Without a daemon each says where to look.
for example in "$srcdir"/contrib/examples/*.c; do
    name=$(basename "$example" .c)
    [ -x "$examples/$name" ] || continue
    if output=$(EVLOOP_SOCKET=/nowhere/socket timeout 20 "$examples/$name" 2>&1 </dev/null); then
        echo "$name: did not fail without a daemon"
        failed=1
    fi
    printf '%s\n' "$output" | grep -Fqx "$name: Transport endpoint is not connected: see 'evloop ping'" ||
        { echo "$name: '$output'"; failed=1; }
done

# Bob stays in the room while Alice comes and goes; Carol is in another one.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkfifo "$scratch/bob.in"
# shellcheck disable=SC2016 # for the shell that has the daemon
timeout 20 "$srcdir/tests/run-with-daemon.sh" sh -c '
    cd "$1"
    "$2" bob <bob.in >bob.out &
    exec 3>bob.in
    until grep -q "bob has come" bob.out; do sleep 0.01; done
    printf "hush\n" | "$2" carol elsewhere >carol.out
    printf "hello\nis anybody here?\n" | "$2" alice >alice.out
    echo "bye" >&3
    exec 3>&-
    wait
' sh "$scratch" "$(realpath "$examples/chat")" || { echo "chat: failed"; failed=1; }
printf 'bob has come\nalice has come\nalice: hello\nalice: is anybody here?\nalice has left\nbob: bye\nbob has left\n' |
    diff - "$scratch/bob.out" || { echo "chat: that is not what bob should hear"; failed=1; }
sed -n '2,5p' "$scratch/bob.out" | diff - "$scratch/alice.out" || { echo "chat: nor alice"; failed=1; }
exit "$failed"
