#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Can a stranger talk to the daemon?  Makes Python code of evloop.proto with Google's compiler and runs test-wire.py, which
# knows the rest from PROTOCOL.md.
set -eu
cd "${srcdir:-$(dirname "$0")/../..}"

skip() {
    echo "skipped: $*"
    exit 77
}
[ -n "${PROTOC:-}" ] || skip "protoc is missing (Debian: protobuf-compiler)"
[ -n "${PYTHON:-}" ] || skip "Python's protobuf is missing (Debian: python3-protobuf)"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$PROTOC" --proto_path=proto --python_out="$scratch" proto/evloop.proto
PYTHONPATH=$scratch PYTHONDONTWRITEBYTECODE=1 "$PYTHON" tests/wire/test-wire.py
