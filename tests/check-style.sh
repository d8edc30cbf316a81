#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Is it written as .clang-format has it, with a licence line first, no marks of unfinished work, and no file or function
# beyond what CONTRIBUTING.md allows?
set -eu
cd "${srcdir:-$(dirname "$0")/..}"

sources=$(find proto daemon client contrib tests -name '*.[ch]' ! -name '*.pb-c.[ch]' -print | sort)
scripts=$(find contrib tests .ci -type f \( -name '*.sh' -o -name '*.bash' -o -name '*.bats' -o -name '*.py' -o -name '*.mk' \
    -o -path contrib/demo -o -path contrib/check -o -path .ci/run \) -print 2>/dev/null | sort)
others=$(find configure.ac Makefile.am proto client contrib tests -type f \( -name '*.ac' -o -name '*.am' -o -name '*.in' -o -name '*.cc' \
    -o -name '*.proto' -o -name '*.sym' -o -name '*.socket' -o -name '*.[1358]' \) -print | sort)
[ -n "$sources" ]

failed=0

# refuse WHY PATTERN FILE...: none of them has such a line.
refuse() {
    why=$1 pattern=$2
    shift 2
    if grep -nE "$pattern" "$@"; then
        echo "above: $why"
        failed=1
    fi
}

# shellcheck disable=SC2086 # lists of names without blanks
{
    awk '
        FNR <= 2 && /SPDX-License-Identifier: LGPL-2\.1-or-later/ { licensed[FILENAME] = 1 }
        END {
            for (i = 1; i < ARGC; i++)
                if (!licensed[ARGV[i]]) {
                    print ARGV[i] ": no licence line"
                    bad = 1
                }
            exit bad
        }
    ' $sources $scripts $others || failed=1
    # The marks are put together here so that this file has none.
    refuse "unfinished" "\\b(TO""DO|FIX""ME|X""XX|HA""CK)\\b" $sources $scripts
    refuse "blanks at the end of a line" '[[:blank:]]+$' $sources $scripts
    refuse "comments are /* like this */" '^[[:blank:]]*//|[;{}][[:blank:]]*//' $sources
    # A function's body begins with text in the first column and ends with a brace there.
    awk '
        FNR == 1 { start = 0 }
        FNR == 801 { print FILENAME ": more than 800 lines"; bad = 1 }
        /^[a-zA-Z_].*\{$/ { start = FNR; name = $0 }
        /^}/ && start {
            if (FNR - start > 100) {
                print FILENAME ":" start ": a function of " FNR - start " lines: " name
                bad = 1
            }
            start = 0
        }
        END { exit bad }
    ' $sources || failed=1
}

[ "$failed" -eq 0 ] || exit 1

# Every version formats a little differently; this is the one of Debian 12.
if ! clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
    echo "skipped: clang-format 14 is missing"
    exit 77
fi
# shellcheck disable=SC2086
clang-format --dry-run --Werror $sources 2>/dev/null && exit
for file in $sources; do
    clang-format "$file" | diff -u --label "$file" --label "$file as clang-format has it" "$file" - || failed=1
done
exit "$failed"
