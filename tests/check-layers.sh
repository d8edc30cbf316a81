#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Does every file include only what its layer may?  The rule is the table in ARCHITECTURE.md between the lines
# "<!-- layers -->" and "<!-- end of layers -->": first column whose files, second column what they may include.
#
#     `dir/`        files directly in dir            `dir/file`    that file; a row for it wins over its folder's
#     `<lib/`       <lib/...> of another library     `*`           anything
#
# Headers of other libraries are known from the table: where one is named, everybody who includes it must name it.
set -eu
cd "${srcdir:-$(dirname "$0")/..}"

# check ROOT: print what breaks the rule in the tree below ROOT, false if there is something.
check() {
    (
        cd "$1"
        find proto daemon client contrib tests -name '*.[ch]' ! -name '*.pb-c.[ch]' -print | sort >"$list"
        # shellcheck disable=SC2046 # file names of this project have no blanks
        awk '
            function folder(path) { sub("[^/]*$", "", path); return path }

            function row(cells,    n, m, i, j, who, may) {
                n = split(cells[2], who, "`")
                m = split(cells[3], may, "`")
                for (i = 2; i <= n; i += 2) {
                    known[who[i]] = 1
                    for (j = 2; j <= m; j += 2) {
                        allowed[who[i], may[j]] = 1
                        if (may[j] ~ /^</)
                            library[may[j]] = 1
                    }
                }
            }

            # Is path the entry, or directly in the folder that the entry is, or in a library of that prefix?
            function permits(layer, path,    l) {
                if (((layer, "*") in allowed) || ((layer, path) in allowed) || ((layer, folder(path)) in allowed))
                    return 1
                if (path ~ /^</)
                    for (l in library)
                        if (index(path, l) == 1 && ((layer, l) in allowed))
                            return 1
                return 0
            }

            function foreign(path,    l) {
                for (l in library)
                    if (index(path, l) == 1)
                        return 1
                return 0
            }

            function complain(text) {
                print FILENAME ":" FNR ": " text
                bad = 1
            }

            FILENAME == "ARCHITECTURE.md" {
                if (/^<!-- layers -->/)
                    reading = 1
                else if (/^<!-- end of layers -->/)
                    reading = 0
                else if (reading && /^\| `/) {
                    split($0, cells, "|")
                    row(cells)
                }
                next
            }

            FNR == 1 {
                layer = (FILENAME in known) ? FILENAME : folder(FILENAME)
                files++
                if (!(layer in known))
                    complain("belongs to no layer: ARCHITECTURE.md has no row for " layer)
            }

            /^[ \t]*#[ \t]*include[ \t]*"/ {
                split($0, part, "\"")
                path = part[2]
                if (path !~ /\//)
                    complain("\"" path "\" is not named from the root of the tree")
                else if ((layer in known) && !permits(layer, path))
                    complain(layer " may not include \"" path "\"")
            }

            /^[ \t]*#[ \t]*include[ \t]*</ {
                split($0, part, /[<>]/)
                path = "<" part[2]
                if ((layer in known) && foreign(path) && !permits(layer, path))
                    complain(layer " may not include " path ">")
            }

            END {
                if (!files)
                    complain("no files were looked at")
                exit bad
            }
        ' ARCHITECTURE.md $(cat "$list")
    )
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
list=$scratch/files

# The check itself must be able to fail: a tree in which everything is wrong in one way each.
mkdir -p "$scratch/bad/proto" "$scratch/bad/daemon/core" "$scratch/bad/client" "$scratch/bad/contrib" "$scratch/bad/tests"
cp ARCHITECTURE.md "$scratch/bad/"
cat >"$scratch/bad/daemon/core/bad.c" <<'END'
#include <stdio.h>
#include "daemon/core/timer.h"
#include "timer.h"
#include "proto/frame.h"
#include "client/evloop.h"
#include <event2/event.h>
#include <protobuf-c/protobuf-c.h>
END
echo '#include "daemon/core/timer.h"' >"$scratch/bad/client/bad.c"
echo '#include "client/evloop.h"' >"$scratch/bad/proto/bad.c"
mkdir "$scratch/bad/daemon/stray"
echo '#include <stdio.h>' >"$scratch/bad/daemon/stray/bad.c"
found=$(check "$scratch/bad" | wc -l) || true
if [ "$found" -ne 8 ]; then
    echo "the check finds $found of 8 faults in a tree made wrong on purpose" >&2
    check "$scratch/bad" >&2 || true
    exit 1
fi

check .
