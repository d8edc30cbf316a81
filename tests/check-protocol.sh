#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Does PROTOCOL.md say what the code does?  Its tables of limits, statuses and methods are held against proto/limits.h and
# proto/evloop.proto, both ways: nothing is missing, nothing is left over, every number is the same.
set -eu
cd "${srcdir:-$(dirname "$0")/..}"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
text=proto/PROTOCOL.md
failed=0

# same WHAT: the lines of $scratch/code and $scratch/text are the same, and there are some.
same() {
    sort -o "$scratch/code" "$scratch/code"
    sort -o "$scratch/text" "$scratch/text"
    if [ ! -s "$scratch/code" ]; then
        echo "$1: nothing found in the code"
        failed=1
    elif ! diff -u --label "code: $1" --label "$text: $1" "$scratch/code" "$scratch/text"; then
        failed=1
    fi
}

# ---- limits: NAME VALUE, those of a uid NAME VALUE USER'S-VALUE ----

tests/print-limits.sh | awk '
    $1 ~ /^LIMIT_.*_USER$/ { name = $1; sub("_USER$", "", name); value[name] = value[name] " " $2; next }
    { value[$1] = $2 }
    END { for (name in value) print name, value[name] }
' >"$scratch/code"
sed -nE -e 's/^\| `([A-Z_]+)` \| ([0-9]+) \| ([0-9]+) \| .*/\1 \2 \3/p' -e t \
    -e 's/^\| `([A-Z_]+)` \| ([0-9]+) \| .*/\1 \2/p' "$text" >"$scratch/text"
same limits

# ---- statuses: NUMBER NAME ----

sed -nE 's/^\tSTATUS_([A-Z_]+) = ([0-9]+);.*/\2 \1/p' proto/evloop.proto >"$scratch/code"
sed -nE 's/^\| ([0-9]+) \| ([A-Z_]+) \| .*/\1 \2/p' "$text" >"$scratch/text"
same statuses

# ---- methods: NUMBER NAME SENT ANSWERED, from the enum and the service; events: NUMBER NAME ----

awk '
    function words(name,    i, n, part, result) {
        n = split(name, part, "_")
        for (i = 1; i <= n; i++)
            result = result substr(part[i], 1, 1) tolower(substr(part[i], 2))
        return result
    }
    /^\tMETHOD_[A-Z_]+ = [0-9]+;/ {
        sub("^METHOD_", "", $1)
        sub(";.*", "", $3)
        if ($3 != 0)
            number[words($1)] = $3
    }
    /^\trpc [A-Za-z]+ \([A-Za-z]+\) returns \([A-Za-z]+\)/ {
        gsub("[();]", "")
        messages[$2] = " " $3 " " $5
        if (!($2 in number))
            print "rpc", $2, "has no number"
    }
    END { for (name in number) print number[name] " " name messages[name] }
' proto/evloop.proto >"$scratch/code"
sed -nE -e 's/^\| ([0-9]+) \| ([A-Z][A-Za-z]+) \| ([A-Za-z]+) \| ([A-Za-z]+) \| .*/\1 \2 \3 \4/p' -e t \
    -e 's/^\| ([0-9]+) \| ([A-Z][a-z][A-Za-z]*) \| ([A-Za-z]+) \| .*/\1 \2/p' "$text" >"$scratch/text"
same methods

exit "$failed"
