#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#     private-tmp.sh DIR... -- COMMAND...
#
# Runs COMMAND in a mount namespace with an empty /tmp of its own, so that the private daemon of this user is another one.
# The DIRs are there all the same.  Status 77: that cannot be done here.
set -eu

if [ "${PRIVATE_TMP_INSIDE:-}" != yes ]; then
    for way in '--mount' '--mount --map-root-user'; do
        # shellcheck disable=SC2086 # two words
        if unshare $way true 2>/dev/null; then
            # shellcheck disable=SC2086
            PRIVATE_TMP_INSIDE=yes exec unshare $way -- "$0" "$@"
        fi
    done
    exit 77
fi
unset PRIVATE_TMP_INSIDE

# The old one, to take from; out of sight again at the end.
if ! { mount --make-rprivate / && mount --rbind /tmp /mnt && mount -t tmpfs -o mode=1777 tmpfs /tmp; }; then
    exit 77
fi
while [ "$1" != -- ]; do
    case $1 in
    /tmp/*)
        mkdir -p "$1"
        mount --bind "/mnt${1#/tmp}" "$1"
        ;;
    esac
    shift
done
shift
umount -l /mnt
exec "$@"
