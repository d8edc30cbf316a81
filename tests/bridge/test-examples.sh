#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Do the examples in Python and bash run against a real daemon, and print what they should?
# shellcheck disable=SC2154 # $srcdir is make's
set -eu
[ -n "${EVLOOP_SOCKET:-}" ] || exec "$srcdir/tests/run-with-daemon.sh" "$srcdir/tests/bridge/test-examples.sh"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/bin" "$scratch/src"
printf '#!/bin/sh\nexec "%s" "$@"\n' "$EVLOOP" >"$scratch/bin/evloop"
chmod +x "$scratch/bin/evloop"
PATH=$scratch/bin:$PATH
EVLOOP_BASH=$srcdir/contrib/evloop.bash
export EVLOOP_BASH
# The scripts find `evloop` as users do.
unset EVLOOP
examples=$srcdir/contrib/examples
failed=0

# says NAME EXPECTED: the output of the example.
says() {
    if [ "$(cat "$scratch/out")" != "$2" ]; then
        echo "$1 said:"
        cat "$scratch/out"
        failed=1
    fi
}

# eventually FILE PATTERN: it has such a line within ten seconds.
eventually() {
    i=0
    while ! grep -q "$2" "$1"; do
        i=$((i + 1))
        if [ "$i" -gt 500 ]; then
            echo "no line like '$2':"
            cat "$1"
            failed=1
            return
        fi
        sleep 0.02
    done
}

timeout 20 "$examples/asyncio-limiter.py" >"$scratch/out" || failed=1
says asyncio-limiter.py "['fetched 0', 'fetched 1', 'fetched 2', 'fetched 3']
fired 1"

# Ticks come when they come.
timeout 20 "$examples/mixed.bash" | grep -v tick >"$scratch/out" || failed=1
says mixed.bash 'the fifo says: hello
the child has ended with 3'

touch "$scratch/err" "$scratch/runs" "$scratch/out" "$scratch/built"
# One that fails at once is started six times: by hand, and by the five that the limit has at first.
RESTARTS=1/min BURST=5 timeout -s TERM 20 "$examples/supervisor.bash" "echo run >>$scratch/runs; exit 3" 'sleep 60' \
    2>"$scratch/err" &
supervisor=$!
eventually "$scratch/err" "ended with 3"
sleep 0.5
kill -TERM "$supervisor"
wait "$supervisor" || { echo "supervisor.bash: status $?"; failed=1; }
if [ "$(wc -l <"$scratch/runs")" -ne 6 ]; then
    echo "supervisor.bash: $(wc -l <"$scratch/runs") runs"
    cat "$scratch/err"
    failed=1
fi

evloop subscribe built >"$scratch/built" &
subscriber=$!
SETTLE=50ms timeout -s TERM 20 "$examples/build-on-save.bash" "$scratch/src" sh -c "echo make; exit 2" >"$scratch/out" &
builder=$!
eventually "$scratch/out" watching
# When the path is watched, and when somebody listens, nobody tells.
i=0
while [ ! -s "$scratch/built" ] && [ "$i" -lt 100 ]; do
    i=$((i + 1))
    echo "$i" >"$scratch/src/a.c"
    sleep 0.2
done
kill -TERM "$builder" "$subscriber"
wait "$builder" || { echo "build-on-save.bash: status $?"; failed=1; }
grep -q "1 changed, $scratch/src/a.c first" "$scratch/out" || { cat "$scratch/out"; failed=1; }
grep -qx 2 "$scratch/built" || { echo 'nobody has heard of the build'; failed=1; }

exit "$failed"
