#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A user's own instance under his own service manager: enabled as any unit, and alive after he has logged out.

# shellcheck disable=SC2016 # what is in quotes is for alice's shell
bats_require_minimum_version 1.5.0
load container

setup_file() {
    boot
    inside useradd --create-home alice
    inside loginctl enable-linger alice
    wait_until as alice systemctl --user is-active --quiet default.target
    as alice systemctl --user --quiet enable --now evloopd.socket
}

teardown_file() {
    shut_down
}

@test "the first command finds it, and starts nothing of its own" {
    run -0 as alice evloop ping
    [[ $output == *"/run/user/$(inside id -u alice)/evloopd/socket"* ]]
    as alice systemctl --user is-active --quiet evloopd.service
    run -1 inside test -e "/tmp/evloopd-$(inside id -u alice)"
}

@test "a lingering user's timer fires when nobody is logged in" {
    # Nothing of alice's but her service manager is alive when it fires.
    run -0 as alice evloop after 1s --name late sh -c 'date >"$HOME/fired"'
    wait_until inside test -s /home/alice/fired
    run -0 as alice evloop wait late
    [[ $output == *' done status=0 '* ]]
}

@test "a job knows nothing of the daemon's sandbox, and its output is in the journal" {
    run -0 as alice evloop soon --name probe sh -c 'echo a word; touch /tmp/from-a-job; exec cat /proc/self/status'
    as alice evloop wait probe
    run -0 as alice evloop log probe
    [[ $output == *'a word'*'NoNewPrivs:'*0* ]]
    inside test -e /tmp/from-a-job
    wait_until journal_has 'a word'
}

journal_has() {
    inside journalctl --output cat | grep -qF "$1"
}

@test "a restart of the daemon leaves what runs alone" {
    as alice mkfifo /home/alice/gate
    as alice evloop soon --name long sh -c 'read line <"$HOME/gate"; echo "$line" >"$HOME/done"'
    wait_until running long
    as alice systemctl --user restart evloopd.service
    as alice sh -c 'echo through >"$HOME/gate"'
    wait_until inside grep -qx through /home/alice/done
}

running() {
    as alice evloop list --json | jq -e --arg name "$1" '.[] | select(.name == $name).active > 0' >/dev/null
}
