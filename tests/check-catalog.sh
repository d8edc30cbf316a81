#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Does the journal's catalog explain every message with an id, and no other; is each id used in the daemon; are the fields that the
# explanations name ones that the daemon sends; and does systemd accept it?
set -eu
cd "${srcdir:-$(dirname "$0")/..}"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
catalog=contrib/systemd/evloopd.catalog
failed=0
complain() {
    echo "$*"
    failed=1
}

sed -nE 's/^#define (MESSAGE_[A-Z_]+) "([0-9a-f]{32})"$/\2 \1/p' daemon/svc/message-id.h | sort >"$scratch/ids"
[ "$(wc -l <"$scratch/ids")" -eq "$(grep -c '^#define ' daemon/svc/message-id.h)" ] || complain "message-id.h: an id has no 32 digits"
[ -z "$(cut -d' ' -f1 "$scratch/ids" | uniq -d)" ] || complain "message-id.h: two messages have one id"
sed -nE 's/^-- (.*)/\1/p' $catalog | sort >"$scratch/explained"
while read -r id name; do
    grep -qx "$id" "$scratch/explained" || complain "$catalog: nothing about $name, $id"
    grep -rqw --include='*.c' "$name" daemon || complain "$name: nobody says that"
done <"$scratch/ids"
while read -r id; do
    grep -q "^$id " "$scratch/ids" || complain "$catalog: $id is no message of the daemon"
done <"$scratch/explained"

for field in $(grep -oE '@[A-Z_]+@' $catalog | tr -d @ | sort -u); do
    grep -rq --include='*.c' "$field=" daemon || complain "$catalog: nobody sends $field"
done

if command -v journalctl >/dev/null; then
    mkdir -p "$scratch/root/usr/lib/systemd/catalog" "$scratch/root/var/lib/systemd/catalog"
    cp $catalog "$scratch/root/usr/lib/systemd/catalog/"
    if journalctl --root="$scratch/root" --update-catalog >"$scratch/complaints" 2>&1; then
        listed=$(journalctl --root="$scratch/root" --list-catalog 2>/dev/null | wc -l)
        [ "$listed" -eq "$(wc -l <"$scratch/ids")" ] || [ "$listed" -eq 0 ] || complain "$catalog: journalctl lists $listed entries"
    elif grep -q "$catalog\|evloopd.catalog" "$scratch/complaints"; then
        complain "$(cat "$scratch/complaints")"
    fi
fi
exit "$failed"
