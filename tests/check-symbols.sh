#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Is what libevloop exports what evloop.h declares, and what libevloop.sym lists?  Nothing more, nothing less.
set -eu
srcdir=${srcdir:-$(dirname "$0")/..}
library=${builddir:-.}/.libs/libevloop.so
[ -e "$library" ] || { echo "$library: not built"; exit 77; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# One declaration a line; a prototype's name is the first word that a parenthesis follows.
${CC:-cc} -E -P "$srcdir/client/evloop.h" | tr '\n' ' ' | tr ';' '\n' | grep -v typedef |
    sed -n 's/^[^(]*\<\(evl_[a-z_0-9]*\) *(.*/\1/p' | sort >"$scratch/declared"
sed -n 's/^[[:space:]]*\(evl_[a-z_0-9]*\);$/\1/p' "$srcdir/client/libevloop.sym" | sort >"$scratch/listed"
nm -D --defined-only "$library" | awk '$2 != "A" { sub("@.*", "", $3); print $3 }' | sort >"$scratch/exported"
[ -s "$scratch/declared" ]

failed=0
diff -u "$scratch/declared" "$scratch/listed" || { echo "evloop.h (-) and libevloop.sym (+) differ"; failed=1; }
diff -u "$scratch/declared" "$scratch/exported" || { echo "evloop.h (-) and $library (+) differ"; failed=1; }
exit "$failed"
