#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# usage: fetch.sh URL...
#
# Fetches them one after another: with all others who use this script no more than ten requests a second.  When the server
# answers "429 Too Many Requests", nobody asks it again before the time that it names has passed.
set -eu
headers=$(mktemp)
trap 'rm -f "$headers"' EXIT

for url; do
    while :; do
        status=$(evloop limit fetch --rate 10/s -- curl -sS -O -D "$headers" -w '%{http_code}' "$url")
        [ "$status" = 429 ] || break
        seconds=$(sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9][0-9]*\).*/\1/p' "$headers")
        evloop limiter hold fetch "${seconds:-1}s" >/dev/null
    done
    case $status in
    2??) ;;
    *)
        echo "fetch.sh: $url: $status" >&2
        exit 1
        ;;
    esac
done
