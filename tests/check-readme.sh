#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Does README.md tell the truth?  Every "    $ command" in it is run, in order, in one shell and against one daemon, and what
# it prints is compared with the lines below it, but for numbers and blanks.
set -eu

tests=$(cd "$(dirname "$0")" && pwd)
[ -n "${EVLOOP_SOCKET:-}" ] || exec "$tests/run-with-daemon.sh" "$tests/check-readme.sh"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/bin" "$scratch/files"
printf '#!/bin/sh\nexec "%s" "$@"\n' "$EVLOOP" >"$scratch/bin/evloop"
# What the reader has and we have not.
printf '#!/bin/sh\n' >"$scratch/bin/make"
chmod +x "$scratch"/bin/*
PATH=$scratch/bin:$PATH
cd "$scratch/files"

# Durations, numbers and the width of columns differ from run to run.
likeness() {
    sed -E -e 's/([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h|d))+/DUR/g' -e 's/[0-9]+(\.[0-9]+)?/N/g' -e 's/[[:blank:]]+/ /g' \
        -e 's/ $//'
}

commands=0
failed=0

# compare COMMAND: what it printed with what README.md says.
compare() {
    if ! [ "$(likeness <"$scratch/said")" = "$(likeness <"$scratch/printed")" ]; then
        echo "README.md: $1"
        diff -u --label "README.md says" --label "it prints" "$scratch/said" "$scratch/printed" || true
        failed=1
    fi
}

command=
exec 4<"$tests/../README.md"
while IFS= read -r line <&4 || [ -n "$line" ]; do
    case $line in
    '    $ '*)
        [ -z "$command" ] || compare "$command"
        command=${line#'    $ '}
        commands=$((commands + 1))
        : >"$scratch/said"
        { eval "$command"; } >"$scratch/printed" 2>&1 </dev/null 4<&- || true
        ;;
    '    '*)
        [ -z "$command" ] || echo "${line#'    '}" >>"$scratch/said"
        ;;
    *)
        [ -z "$command" ] || compare "$command"
        command=
        ;;
    esac
done

[ "$commands" -ge 10 ] || {
    echo "README.md: only $commands commands found"
    failed=1
}
exit "$failed"
