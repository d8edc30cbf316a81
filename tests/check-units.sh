#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Are the units ones that systemd accepts, with the daemon of this build?
set -eu
: "${srcdir:=$(dirname "$0")/..}" "${builddir:=.}" "${EVLOOPD:=$builddir/evloopd}" "${EVLOOP:=$builddir/evloop}"

if ! command -v systemd-analyze >/dev/null; then
    echo "SKIP: there is no systemd-analyze"
    exit 77
fi
if [ ! -e "$builddir/contrib/systemd/evloopd.service" ]; then
    echo "SKIP: configured without systemd"
    exit 77
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# verify DIR WHOSE: systemd-analyze complains about units below DIR; manual pages are not installed here.
verify() {
    mkdir -p "$scratch/$1"
    cp "$srcdir/contrib/systemd/$1/evloopd.socket" "$scratch/$1/"
    sed -e "s,^ExecStart=[^ ]*,ExecStart=$EVLOOPD," -e "s,^ExecReload=[^ ]*,ExecReload=$EVLOOP," \
        "$builddir/contrib/systemd/$1/evloopd.service" >"$scratch/$1/evloopd.service"
    if ! systemd-analyze "$2" --man=no --recursive-errors=no verify \
        "$scratch/$1/evloopd.socket" "$scratch/$1/evloopd.service" >"$scratch/complaints" 2>&1 || [ -s "$scratch/complaints" ]; then
        cat "$scratch/complaints" >&2
        return 1
    fi
}

export XDG_RUNTIME_DIR="$scratch"
verify . --system
verify user --user

# What the system's instance could do if it were taken over, in tenths of ten.
if ! systemd-analyze security --offline=yes --threshold=5 "$scratch/evloopd.service" >"$scratch/exposure" 2>&1; then
    if grep -q 'xposure level' "$scratch/exposure"; then
        grep -e '✗' -e 'xposure level' "$scratch/exposure" >&2
        exit 1
    fi
    echo "not looked at: systemd-analyze security --offline"
fi

# The check must be able to fail.
mkdir "$scratch/bad"
{ cat "$srcdir/contrib/systemd/evloopd.socket"; echo 'ListenNonsense=yes'; } >"$scratch/bad/evloopd.socket"
cp "$scratch/./evloopd.service" "$scratch/bad/"
if [ -z "$(systemd-analyze --system --man=no --recursive-errors=no verify "$scratch/bad/evloopd.socket" 2>&1)" ]; then
    echo "systemd-analyze says nothing of a unit that is wrong" >&2
    exit 1
fi
