#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Print NAME and value of each limit in proto/limits.h, as the compiler sees it.  For the checks that hold prose against it.
set -eu
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
{
    echo '#include <inttypes.h>'
    echo '#include <stdio.h>'
    echo '#include "proto/base.h"'
    echo '#include "proto/limits.h"'
    echo 'int main(void) {'
    sed -nE 's/^#define ([A-Z_]+) .*/printf("%s %" PRId64 "\\n", "\1", (int64_t)(\1));/p' proto/limits.h
    echo 'return 0; }'
} >"$scratch/limits.c"
${CC:-cc} -I. "$scratch/limits.c" -o "$scratch/limits"
"$scratch/limits"
