#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Is it written as .clang-format has it, with a licence line first, no marks of unfinished work, and no file or function
# beyond what CONTRIBUTING.md allows?
set -eu
cd "${srcdir:-$(dirname "$0")/..}"

failed=0
complain() {
    echo "$*"
    failed=1
}

sources=$(find proto daemon client contrib tests -name '*.[ch]' ! -name '*.pb-c.[ch]' -print | sort)
scripts=$(find contrib tests .ci -type f \( -name '*.sh' -o -name '*.bash' -o -name '*.bats' -o -name '*.py' -o -name '*.mk' \
    -o -path contrib/demo -o -path contrib/check -o -path .ci/run \) -print 2>/dev/null | sort)
others=$(find configure.ac Makefile.am proto client contrib tests -type f \( -name '*.ac' -o -name '*.am' -o -name '*.in' -o -name '*.cc' \
    -o -name '*.proto' -o -name '*.sym' -o -name '*.socket' -o -name '*.[1358]' \) -print | sort)
[ -n "$sources" ]

for file in $sources $scripts $others; do
    head -n 2 "$file" | grep -q 'SPDX-License-Identifier: LGPL-2.1-or-later' || complain "$file: no licence line"
done
for file in $sources $scripts; do
    # The marks are put together here so that this file has none.
    if grep -nE "\\b(TO""DO|FIX""ME|X""XX|HA""CK)\\b" "$file"; then
        complain "$file: unfinished"
    fi
    if grep -nE '[[:blank:]]+$' "$file"; then
        complain "$file: blanks at the end of a line"
    fi
done

for file in $sources; do
    [ "$(wc -l <"$file")" -le 800 ] || complain "$file: more than 800 lines"
    if grep -nE '^[[:blank:]]*//|[;{}][[:blank:]]*//' "$file"; then
        complain "$file: comments are /* like this */"
    fi
    # A function's body begins with text in the first column and ends with a brace there.
    awk -v file="$file" '
        /^[a-zA-Z_].*\{$/ { start = FNR; name = $0 }
        /^}/ && start { if (FNR - start > 100) { print file ":" start ": " FNR - start " lines: " name; bad = 1 } start = 0 }
        END { exit bad }
    ' "$file" || complain "$file: a function beyond 100 lines"
done

[ "$failed" -eq 0 ] || exit 1

# Every version formats a little differently; this is the one of Debian 12.
if ! clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
    echo "skipped: clang-format 14 is missing"
    exit 77
fi
for file in $sources; do
    clang-format "$file" | diff -u --label "$file" --label "$file as clang-format has it" "$file" - || failed=1
done
exit "$failed"
