#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# From an earlier daemon to this one and back, under load: nobody is lost, and nothing.

# shellcheck disable=SC2016 # what is in quotes is for the shell of others
bats_require_minimum_version 1.5.0
load container

setup_file() {
    local status=0
    "$BATS_TEST_DIRNAME/build-before" "$BATS_FILE_TMPDIR/before" >"$BATS_FILE_TMPDIR/built" 2>&1 || status=$?
    if [[ $status -eq 77 ]]; then
        skip "$(<"$BATS_FILE_TMPDIR/built")"
    fi
    sed 's/^/# /' "$BATS_FILE_TMPDIR/built" >&3
    [[ $status -eq 0 ]]
    boot
    install -m 755 "$builddir/tests/system/load" "$MACHINE/root/usr/local/bin/evloop-load"
    install -m 755 "$BATS_FILE_TMPDIR/before" "$MACHINE/root/usr/local/sbin/evloopd-before"
    inside systemd-sysusers
    inside systemd-tmpfiles --create evloopd.conf
    inside mkdir -p /run/systemd/system/evloopd.service.d
    inside sh -c 'ln -s "$(command -v evloopd)" /usr/local/sbin/evloopd-after'
    inside useradd --create-home --groups evloop member
    inside mkdir -p /etc/evloopd
    printf '%s\n' '[Limits]' 'Bytes=1G' '[Pool]' 'Bytes=infinity' | inside tee /etc/evloopd/evloopd.conf >/dev/null
    use before
    inside systemctl --quiet enable --now evloopd.socket
}

teardown_file() {
    [[ -z ${MACHINE:-} ]] || shut_down
}

# From the next restart on it is that one.
use() {
    printf '%s\n' '[Unit]' 'StartLimitBurst=1000' '[Service]' 'ExecPaths=/usr/local/sbin' 'ExecStart=' \
        "ExecStart=/usr/local/sbin/evloopd-$1 --system --limit sessions=2000" |
        inside tee /run/systemd/system/evloopd.service.d/which.conf >/dev/null
    inside systemctl daemon-reload
}

restart_into() {
    use "$1"
    inside systemctl restart evloopd.service
    [[ $(inside sh -c 'readlink /proc/"$(systemctl show --property MainPID --value evloopd.service)"/exe') == */"$2" ]]
}

@test "there and back, twice, under load" {
    local load status=0
    out=$BATS_TEST_TMPDIR/out
    inside evloop-load /run/evloopd/socket 100 300 2000 >"$out" 2>&1 3>&- &
    load=$!
    wait_until grep -q READY "$out"
    for _ in 1 2; do
        restart_into after evloopd
        sleep 0.3
        restart_into before evloopd-before
        sleep 0.3
    done
    restart_into after evloopd
    inside pkill -TERM -x evloop-load
    wait "$load" || status=$?
    sed 's/^/# /' "$out" >&3
    return "$status"
}

@test "what is named and limited is as it was" {
    restart_into before evloopd-before
    as member evloop --system limit kept --rate 1/h --burst 5 -n 3
    as member evloop --system limiter set slow --rate 2/s --burst 1 >/dev/null
    as member evloop --system limit slow >/dev/null
    as member evloop --system limit slow -- echo through >"$BATS_TEST_TMPDIR/out" 3>&- &
    as member evloop --system every 100ms --count 30 >"$BATS_TEST_TMPDIR/ticks" 3>&- &
    ticks=$!
    wait_until test -s "$BATS_TEST_TMPDIR/ticks"
    restart_into after evloopd
    restart_into before evloopd-before
    restart_into after evloopd
    run -0 as member evloop --system limiter show kept --json
    [[ $(jq -r '"\(.allowed) \(.grant.remaining)"' <<<"$output") == '3 2' ]]
    wait_until grep -qx through "$BATS_TEST_TMPDIR/out"
    wait "$ticks"
    awk '{ split($2, f, "="); sum += f[2]; if ($1 != sum) exit 1 } END { exit sum != 30 }' "$BATS_TEST_TMPDIR/ticks"
}
