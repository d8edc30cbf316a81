#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Does every header stand alone?  Each is compiled by itself, twice in one unit so that a missing guard shows, and the
# public one also as strict C99, C11 and C++.
set -eu
builddir=$PWD
cd "${srcdir:-$(dirname "$0")/..}"
top=$PWD

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cc=${CC:-cc}
cxx=${CXX:-c++}
libraries=$(pkg-config --cflags libprotobuf-c libevent_core jansson smartcols)
failed=0

# try COMPILER-AND-FLAGS LANGUAGE HEADER: compile a unit that has nothing but the header.
try() {
    printf '#include "%s"\n#include "%s"\n' "$3" "$3" >"$scratch/unit"
    # shellcheck disable=SC2086 # flags are words
    if ! $1 -Wall -Wextra -Werror -fsyntax-only -I"$top" -I"$builddir" $libraries -x "$2" "$scratch/unit"; then
        echo "$3: does not stand alone ($1)"
        failed=1
    fi
}

guarded() {
    grep -q '^#pragma once' "$1" || { grep -q '^#ifndef [A-Z_]*_H$' "$1" && grep -q '^#define [A-Z_]*_H$' "$1"; }
}

headers=$(find proto daemon client contrib tests -name '*.h' ! -name '*.pb-c.h' -print | sort)
[ -n "$headers" ]
config=
[ ! -e "$builddir/config.h" ] || config="-include $builddir/config.h"
for header in $headers; do
    if ! guarded "$header"; then
        echo "$header: no include guard"
        failed=1
    fi
    try "$cc -std=gnu11 $config" c "$header"
done
try "$cc -std=c99 -pedantic" c client/evloop.h
try "$cc -std=c11 -pedantic" c client/evloop.h
try "$cxx -std=c++11 -pedantic" c++ client/evloop.h
exit "$failed"
