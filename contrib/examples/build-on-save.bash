#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Builds when files below a folder have come to rest.  What is saved during a build is built next.  For a single command it takes
# no script: evloop watch path -r src --settle 300ms make
#
#     build-on-save.bash FOLDER COMMAND [WORD]...
set -euo pipefail
# shellcheck source=contrib/evloop.bash
. "${EVLOOP_BASH:-/usr/share/evloop/evloop.bash}"

[[ $# -ge 2 ]] || {
    echo "usage: build-on-save.bash FOLDER COMMAND [WORD]..." >&2
    exit 64
}
folder=$1
shift

build() {
    local status=0
    echo "${#EV_PATHS[@]} changed, ${EV_PATH:-all of it} first"
    "$@" || status=$?
    # Whoever wants to know: evloop subscribe built
    ev_emit built "$status"
}

# A build may take longer than other handlers.
# shellcheck disable=SC2034 # evloop.bash looks at it
EV_SLOW_MS=600000
ev_path "$folder" -r --exclude '*.o' --settle "${SETTLE:-300ms}" build "$@"
trap ev_stop INT TERM
echo "watching $folder"
ev_run
