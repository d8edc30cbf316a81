#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every seed of the fuzz targets, and every input that once broke something (tests/fuzz/found/TARGET/), without a fuzzer.
set -eu
for target in packet dispatch bridge config; do
    echo "$target:"
    set --
    for file in "$srcdir/tests/fuzz/found/$target"/*; do
        [ ! -f "$file" ] || set -- "$@" "$file"
    done
    "$builddir/tests/fuzz/replay-$target" "$@"
done
