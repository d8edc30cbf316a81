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

@test "a private daemon in the place of a socket that has failed is warned of" {
    local uid
    uid=$(inside id -u alice)
    as alice sh -c 'mkdir -p ~/.config/evloopd && echo Nonsense=1 >~/.config/evloopd/evloopd.conf'
    as alice systemctl --user stop evloopd.service
    wait_until has_given_up
    run -69 as alice env EVLOOP_AUTOSTART=0 evloop list
    [[ $output == "evloop: /run/user/$uid/evloopd/socket: no daemon listens there; 'systemctl --user status "* ]]
    as alice sh -c 'rm ~/.config/evloopd/evloopd.conf'
    run -0 --separate-stderr as alice evloop list
    # shellcheck disable=SC2154 # run sets it
    [[ $stderr == "evloop: warning: this is a private daemon, /tmp/evloopd-$uid/socket: "*'systemctl --user status evloopd.socket evloopd'* ]]
    as alice systemctl --user reset-failed
    sleep 2 # TriggerLimitIntervalSec=: who is faster meets what had been counted before, reset-failed or not
    as alice systemctl --user start evloopd.socket
    run -0 --separate-stderr as alice evloop ping
    [[ $stderr == 'evloop: warning: '*"'kill "* ]]
    as alice sh -c 'kill "$(evloop ping --json 2>/dev/null | jq .daemon_pid)"'
    if ! wait_until quiet_ping; then
        as alice evloop ping
        as alice systemctl --user status evloopd.socket evloopd.service
        return 1
    fi
}

# The service manager, of a daemon that does not start.
has_given_up() {
    as alice evloop list || true
    as alice systemctl --user is-failed --quiet evloopd.socket
}

quiet_ping() {
    [[ $(as alice evloop ping 2>&1) == /run/user/* ]]
}

running() {
    as alice evloop list --json | jq -e --arg name "$1" '.[] | select(.name == $name).active > 0' >/dev/null
}
