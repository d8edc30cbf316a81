#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Jobs as transient units of their user's own service manager: byte for byte what was asked for, one unit a run, none left behind.

# shellcheck disable=SC2016 # what is in quotes is for alice's shell
# shellcheck disable=SC2154 # run sets output and stderr
bats_require_minimum_version 1.5.0
load container

setup_file() {
    boot
    inside useradd --create-home alice
    inside useradd --create-home bob
    inside loginctl enable-linger alice
    wait_until as alice systemctl --user is-active --quiet default.target
    as alice systemctl --user --quiet enable --now evloopd.socket
    as alice evloop ping
}

teardown_file() {
    shut_down
}

# Whatever was run, nothing is left of it in the service manager.
teardown() {
    wait_until no_unit_is_left
}

no_unit_is_left() {
    [[ -z $(as alice systemctl --user list-units --all --plain --no-legend 'evloop-*') ]]
}

# soon NAME CMD...: run it now, and wait for its end; its status.
soon() {
    local name=$1
    shift
    as alice evloop soon --name "$name" "$@" >/dev/null
    as alice evloop wait "$name" >/dev/null
}

# field NAME KEY: of its last run.
field() {
    as alice evloop show --json "$1" | jq -r --arg key "$2" '.last_run[$key]'
}

# Its process is the command, and no longer evloop-exec.
runs() {
    is_in_unit "$1" && [[ $(field "$1" result) == active ]] &&
        [[ $(inside cat "/proc/$(field "$1" pid)/comm") != evloop-exec ]]
}

ran() {
    inside test -e "/home/alice/$1"
}

daemon_log() {
    inside journalctl --output cat _SYSTEMD_USER_UNIT=evloopd.service _COMM=evloopd "$@"
}

# ---- what the command finds ------------------------------------------------------------------------------------------

@test "its words are the ones that were given, whatever is in them" {
    local words=('a b' '' $'two\nlines\n' -n -- '$HOME' '${USER}' '$$' '%n' '%%' '%h' '\n' '"' "'" '*' ';' '@-:+!' ä $'\xff\xfe' '')
    soon words printf '%s\0' "${words[@]}"
    as alice evloop log words >"$BATS_TEST_TMPDIR/output"
    printf '%s\0' "${words[@]}" >"$BATS_TEST_TMPDIR/expected"
    cmp "$BATS_TEST_TMPDIR/output" "$BATS_TEST_TMPDIR/expected"
    [[ $(field words unit) == evloop-*.service ]]
}

@test "its environment is the one that was captured, and nothing of the service manager's" {
    local id
    as alice systemctl --user set-environment OF_THE_MANAGER=1
    as alice env -i PATH=/usr/local/bin:/usr/bin:/bin 'SPACED=a  b' $'LINES_=two\nlines' 'DOLLAR=$HOME %n' EMPTY= $'BYTES=\xff\xfe' \
        EVLOOP_SOCKET="/run/user/$(inside id -u alice)/evloopd/socket" evloop soon --name environment env -0 >/dev/null
    as alice evloop wait environment
    id=$(as alice evloop show --json environment | jq -r .id)
    as alice evloop log environment | sort -z >"$BATS_TEST_TMPDIR/output"
    printf '%s\0' PATH=/usr/local/bin:/usr/bin:/bin 'SPACED=a  b' $'LINES_=two\nlines' 'DOLLAR=$HOME %n' EMPTY= $'BYTES=\xff\xfe' \
        "EVLOOP_ID=$id" EVLOOP_NAME=environment EVLOOP_FIRE_SEQ=1 EVLOOP_MISSED=0 \
        "EVLOOP_SOCKET=/run/user/$(inside id -u alice)/evloopd/socket" | sort -z >"$BATS_TEST_TMPDIR/expected"
    grep -azv -e ^EVLOOP_SCHEDULED_NS= -e ^EVLOOP_LATENESS_NS= "$BATS_TEST_TMPDIR/output" |
        cmp - "$BATS_TEST_TMPDIR/expected"
    as alice systemctl --user unset-environment OF_THE_MANAGER
    [[ -n $(field environment unit) ]]
}

@test "directory, umask, signals and descriptors are as a command expects them" {
    as alice mkdir -p '/home/alice/a $HOME %h b'
    as alice sh -c 'cd "$HOME/a \$HOME %h b" && umask 0137 && exec evloop soon --name place sh -c "$1"' - \
        'pwd; umask; ls /proc/self/fd | head -n 3 | tr "\n" " "; readlink /proc/self/fd/0
         grep -E "^(SigBlk|SigIgn):" /proc/self/status; ps -o pgid=,sid= -p $$ | tr -s " "; echo "$$"' >/dev/null
    as alice evloop wait place
    run -0 as alice evloop log place
    echo "$output"
    [[ ${lines[0]} == '/home/alice/a $HOME %h b' ]]
    [[ ${lines[1]} == 0137 ]]
    [[ ${lines[2]} == '0 1 2 /dev/null' ]]
    # 32 and 33 are libc's own: who starts programs by posix_spawn(3) passes them on as ignored, and nobody can change that.
    [[ ${lines[3]} == *$'\t0000000000000000' && ${lines[4]} =~ $'\t'0000000(180000000|000000000)$ ]]
    [[ ${lines[5]} == " ${lines[6]} ${lines[6]}" ]]
}

@test "a run has a unit and a control group of its own, which 'show' names and systemctl shows" {
    local unit
    as alice evloop soon --name own sh -c 'echo in the log; sleep 60 & exec sleep 61'
    wait_until runs own
    unit=$(field own unit)
    run -0 as alice evloop show own
    [[ $output == *"  unit       $unit"* ]]
    [[ $(inside cat "/proc/$(field own pid)/cgroup") == *"/app.slice/$unit"* ]]
    wait_until systemctl_shows "$unit" 'in the log'
    run -0 as alice systemctl --user status "$unit"
    [[ $output == *"$unit - sh -c echo in the log; sleep 60 & exec sleep 61"* ]]
    run -0 as alice systemctl --user show --property LogExtraFields "$unit"
    [[ $output == *'EVLOOP_ID='*'EVLOOP_FIRE_SEQ=1 EVLOOP_NAME=own' ]]
    run -0 as alice systemctl --user status "$unit"
    [[ $output == *'sleep 60'*'sleep 61'* || $output == *'sleep 61'*'sleep 60'* ]]
    as alice evloop kill own
    run -143 as alice evloop wait own
    [[ $(field own unit) == "$unit" ]]
    # The whole unit was meant: the other one has ended too.
    run -1 inside pgrep -x sleep
}

systemctl_shows() {
    as alice systemctl --user status "$1" | grep -qF "$2"
}

@test "units are named after their timer, and its drop-ins are theirs" {
    local id
    soon backup/of:a@b.c-d true
    id=$(as alice evloop show --json backup/of:a@b.c-d | jq -r .id)
    [[ $(field backup/of:a@b.c-d unit) == 'evloop-backup-of:a\x40b.c-d-'"$id-1.service" ]]
    id=$(as alice evloop soon true)
    as alice evloop wait "$id"
    [[ $(field "$id" unit) == "evloop-$id-1.service" ]]
    soon "$(printf 'long%.0s' {1..32})" true
    [[ $(field "$(printf 'long%.0s' {1..32})" unit) =~ ^evloop-[0-9]+-1.service$ ]]

    inside mkdir -p /etc/systemd/user/evloop-.service.d /etc/systemd/user/evloop-heavy-.service.d
    printf '%s\n' '[Service]' 'Nice=3' 'MemoryMax=1G' | inside tee /etc/systemd/user/evloop-.service.d/all.conf >/dev/null
    printf '%s\n' '[Service]' 'Nice=7' | inside tee /etc/systemd/user/evloop-heavy-.service.d/heavy.conf >/dev/null
    as alice systemctl --user daemon-reload
    soon light nice
    [[ $(as alice evloop log light) == 3 ]]
    soon heavy sh -c 'nice; systemctl --user show --property MemoryMax "$(basename "$(sed -n "s,^0::,,p" /proc/self/cgroup)")"'
    [[ $(as alice evloop log heavy) == $'7\nMemoryMax=1073741824' ]]
    inside rm -r /etc/systemd/user/evloop-.service.d /etc/systemd/user/evloop-heavy-.service.d
    as alice systemctl --user daemon-reload
}

# ---- how it ends -----------------------------------------------------------------------------------------------------

@test "its status is known: exits, signals, and what cannot be run" {
    local script status
    for script in 'exit 0' 'exit 7' 'exit 203' 'exit 255' 'kill -TERM $$' 'kill -KILL $$' 'kill -USR1 $$'; do
        status=$(bash -c "$script" >/dev/null 2>&1 || echo $?)
        run soon "ends-${script//[^a-zA-Z0-9]/-}" sh -c "$script"
        [[ $status == "${status:-0}" ]]
        [[ $(field "ends-${script//[^a-zA-Z0-9]/-}" result) == exited ]]
        [[ -n $(field "ends-${script//[^a-zA-Z0-9]/-}" unit) ]]
        [[ $(field "ends-${script//[^a-zA-Z0-9]/-}" status) == "${status:-0}" ]]
    done

    # It was there when it was armed.
    as alice sh -c 'printf "#!/bin/sh\n" >"$HOME/vanishes"; chmod +x "$HOME/vanishes"'
    as alice evloop after 1s --name vanished /home/alice/vanishes
    as alice rm /home/alice/vanishes
    run -127 as alice evloop wait vanished
    [[ $(field vanished result) == not-started ]]
    run -0 as alice evloop log vanished
    [[ $output == "evloop: cannot run '/home/alice/vanishes': No such file or directory" ]]

    as alice mkdir /home/alice/leaves
    as alice sh -c 'cd "$HOME/leaves" && exec evloop after 1s --name left true'
    as alice rmdir /home/alice/leaves
    run -126 as alice evloop wait left
    [[ $(field left result) == not-started ]]
}

@test "it can be signalled, and has its time" {
    as alice evloop soon --name stubborn sh -c 'trap "echo got it" USR1; trap "" TERM; while :; do sleep 0.05; done'
    wait_until runs stubborn
    as alice evloop kill -s USR1 stubborn
    wait_until log_has stubborn 'got it'
    as alice evloop kill -s KILL stubborn
    run -137 as alice evloop wait stubborn
    [[ $(field stubborn result) == killed ]]

    as alice evloop soon --name timed --timeout 500ms sleep 60
    run -143 as alice evloop wait timed
    [[ $(field timed result) == timed-out ]]
}

log_has() {
    as alice evloop log "$1" | grep -qF "$2"
}

@test "runs of one timer that overlap" {
    local how
    for how in skip queue restart allow; do
        as alice mkfifo "/home/alice/$how"
        as alice evloop every 1h --now --name "$how" --overlap "$how" sh -c 'read line <"$HOME/$EVLOOP_NAME"'
        wait_until runs "$how"
        as alice evloop trigger "$how"
    done
    wait_until counts skip 1 1 1
    wait_until counts queue 1 1 0
    wait_until counts restart 2 1 0
    wait_until counts allow 2 2 0
    [[ $(as alice systemctl --user list-units --plain --no-legend 'evloop-*' | wc -l) == 5 ]]
    as alice sh -c 'echo >"$HOME/queue"'
    wait_until counts queue 2 1 0
    as alice evloop kill skip queue restart allow
    for how in skip queue restart allow; do
        wait_until idle "$how"
        as alice evloop cancel "$how"
    done
}

# counts NAME RUNS ACTIVE SKIPPED
counts() {
    [[ $(as alice evloop show --json "$1" | jq -r '"\(.runs) \(.active // 0) \(.skipped // 0)"') == "$2 $3 $4" ]]
}

idle() {
    [[ $(as alice evloop show --json "$1" | jq '.active // 0') == 0 ]]
}

@test "what it leaves behind goes on, and is not waited for" {
    soon parent sh -c 'sleep 300 >/dev/null 2>&1 & echo $! >"$HOME/left"'
    [[ $(field parent status) == 0 ]]
    # Its unit is over, and stays in sight as long as there is something in it.
    [[ $(as alice systemctl --user show --property ActiveState --value "$(field parent unit)") == inactive ]]
    [[ $(inside cat "/proc/$(inside cat /home/alice/left)/cgroup") == *"/$(field parent unit)"* ]]
    inside kill "$(inside cat /home/alice/left)"
}

# ---- its output ------------------------------------------------------------------------------------------------------

@test "its output can be read while it runs" {
    as alice mkfifo /home/alice/speak
    as alice evloop soon --name speaker sh -c 'echo first; read line <"$HOME/speak"; echo "$line" >&2'
    wait_until log_has speaker first
    as alice timeout 10 evloop log -f speaker >"$BATS_TEST_TMPDIR/followed" 3>&- &
    wait_until grep -qx first "$BATS_TEST_TMPDIR/followed"
    as alice sh -c 'echo second >"$HOME/speak"'
    wait $!
    [[ $(<"$BATS_TEST_TMPDIR/followed") == $'first\nsecond' ]]
}

@test "its output is in the journal, with its fields, and so is what the service manager says of it" {
    local id unit
    run -7 soon noted sh -c 'echo a line of noted; exit 7'
    id=$(as alice evloop show --json noted | jq -r .id)
    unit=$(field noted unit)
    wait_until entry_is "EVLOOP_ID=$id" "$unit" noted 1 'a line of noted'
    run -0 as alice journalctl --user --unit "$unit" --output cat
    [[ $output == *'a line of noted'* ]]
    [[ $output == *"$unit: Main process exited, code=exited, status=7"* ]]
}

# entry_is MATCH UNIT NAME FIRE MESSAGE
entry_is() {
    inside journalctl "$1" _COMM=evloopd --output json |
        jq -e --arg unit "$2" --arg name "$3" --arg fire "$4" --arg message "$5" \
            'select(.USER_UNIT == $unit and .EVLOOP_NAME == $name and .EVLOOP_FIRE_SEQ == $fire and .SYSLOG_IDENTIFIER == $name
                and .MESSAGE == $message)' >/dev/null
}

@test "much output, and from many at once" {
    local n
    soon much sh -c 'head -c 1000000 /dev/zero | tr "\0" x; echo end'
    [[ $(as alice evloop log much | tail -c 5) == xend ]]
    for n in {1..20}; do
        as alice evloop soon --name "many-$n" sh -c "seq $n 5000" >/dev/null
    done
    for n in {1..20}; do
        as alice evloop wait "many-$n" >/dev/null
        [[ $(as alice evloop log "many-$n" | head -n 1) == "$n" && $(as alice evloop log "many-$n" | tail -n 1) == 5000 ]]
    done
}

# ---- many, and slow ones ---------------------------------------------------------------------------------------------

@test "two hundred at once all run, in a unit each" {
    as alice sh -c 'at=$(($(date +%s) + 3)); for n in $(seq 200); do
        evloop at "@$at" --name "crowd-$n" sh -c "sleep 1; exit 3" >/dev/null; done'
    run -3 as alice sh -c 'exec evloop wait --all --timeout 60s $(seq -f crowd-%g 200)'
    [[ $(grep -c ' done status=3 ' <<<"$output") == 200 ]]
    [[ $(as alice evloop list --all --json | jq -r '.[] | select(.name | startswith("crowd-")).last_run.unit' | sort -u | grep -c .) == 200 ]]
}

@test "one whose directory hangs delays nobody" {
    local fuse holder
    [[ -w /dev/fuse ]] || skip "there is no /dev/fuse"
    as alice mkdir /home/alice/hung
    as alice sh -c 'cd "$HOME/hung" && exec evloop after 1s --name hung true'
    exec {fuse}<>/dev/fuse
    nsenter --target "$LEADER" --mount mount -i -t fuse -o "fd=$fuse,rootmode=40755,user_id=0,group_id=0,allow_other" \
        hung /home/alice/hung || skip "cannot mount"
    wait_until is_in_unit hung
    soon beside true
    [[ $(field beside status) == 0 && $(field hung result) == active ]]
    as alice evloop kill -s KILL hung
    run -137 as alice evloop wait hung
    exec {fuse}>&-
    inside umount -l /home/alice/hung
}

is_in_unit() {
    [[ $(field "$1" pid) == [1-9]* && $(field "$1" unit) == evloop-* ]]
}

# ---- who logs out ----------------------------------------------------------------------------------------------------

@test "who does not linger is told once that his timers end with him, and scripts do not mind" {
    inside useradd --create-home carol
    inside systemctl start "user@$(inside id -u carol).service"
    wait_until as carol systemctl --user is-active --quiet default.target
    as carol systemctl --user --quiet enable --now evloopd.socket
    hint=/run/user/$(inside id -u carol)/evloopd/hinted
    run -0 --separate-stderr as carol evloop after 5m --name short true
    [[ -z $stderr ]]
    run -0 --separate-stderr as carol env EVLOOP_LINGER_HINT=0 evloop after 5h --name silent true
    [[ -z $stderr ]]
    run -0 --separate-stderr as carol evloop every 1h --name hourly true
    [[ $output =~ ^[0-9]+$ && $stderr == 'evloop: hint: '*'loginctl enable-linger'* && ${#stderr_lines[@]} == 1 ]]
    run -0 --separate-stderr as carol evloop every 1h --name again true
    [[ -z $stderr ]]
    inside rm "$hint"
    inside loginctl enable-linger carol
    run -0 --separate-stderr as carol evloop every 1h --name lingers true
    [[ -z $stderr ]]
    run -0 --separate-stderr as alice evloop after 5h --name far true
    [[ -z $stderr ]]
    as alice evloop cancel far
    inside loginctl disable-linger carol
    inside systemctl stop "user@$(inside id -u carol).service"
}

# ---- when something else fails ---------------------------------------------------------------------------------------

@test "a restart of the daemon leaves a run alone, even one that writes" {
    local unit
    as alice mkfifo /home/alice/gate
    as alice evloop soon --name long sh -c 'read line <"$HOME/gate"; seq 100000; echo "$line" >"$HOME/done"; exit 5'
    wait_until runs long
    unit=$(field long unit)
    as alice systemctl --user restart evloopd.service
    as alice systemctl --user is-active --quiet "$unit"
    [[ $(field long unit) == "$unit" && $(field long result) == active ]]
    as alice sh -c 'echo through >"$HOME/gate"'
    wait_until inside grep -qx through /home/alice/done
    run -5 as alice evloop wait --timeout 20s long
    [[ $(as alice evloop log long | tail -n 1) == 100000 ]]

    # One that the daemon before had started can be ended all the same, all of it.
    as alice evloop soon --name longer sh -c 'trap "" USR1; sleep 62 & wait; wait'
    wait_until runs longer
    as alice systemctl --user restart evloopd.service
    as alice evloop kill longer
    run -143 as alice evloop wait --timeout 20s longer
    run -1 inside pgrep -x sleep
}

@test "a stop leaves a run alone, even one that writes, and so does a signal" {
    for end in stop 'kill --kill-whom=main --signal=TERM' 'kill --kill-whom=main --signal=KILL'; do
        as alice rm -f /home/alice/gate /home/alice/done
        as alice mkfifo /home/alice/gate
        as alice evloop soon --name last sh -c 'read line <"$HOME/gate"; seq 100000; echo "$line" >"$HOME/done"'
        wait_until runs last
        # shellcheck disable=SC2086 # words
        as alice systemctl --user $end evloopd.service
        sleep 0.5
        as alice sh -c 'echo "$1" >"$HOME/gate"' sh "$end"
        wait_until inside grep -qx -e "$end" /home/alice/done
        as alice systemctl --user reset-failed
        as alice evloop ping
    done
}

@test "a bus that ends takes no status along" {
    # One time in eight; and nobody hears from it meanwhile.
    [[ -n ${TEST_BUS_KILLED:-} ]] ||
        skip 'systemd 252 can wait a minute for the bus that it is about to start itself; TEST_BUS_KILLED=1 tries it'
    as alice mkfifo /home/alice/meanwhile
    as alice evloop soon --name spared sh -c 'read line <"$HOME/meanwhile"; exit 9'
    wait_until runs spared
    as alice systemctl --user kill --signal KILL dbus.service
    as alice sh -c 'echo >"$HOME/meanwhile"'
    run -9 as alice evloop wait --timeout 20s spared
    # And one that is killed when there is no bus.
    as alice evloop soon --name unspared sleep 60
    wait_until runs unspared
    as alice systemctl --user kill --signal KILL dbus.service
    as alice evloop kill unspared
    run -143 as alice evloop wait --timeout 20s unspared
}

@test "a service manager that is started anew takes no status along" {
    as alice mkfifo /home/alice/reexec
    as alice evloop soon --name kept sh -c 'read line <"$HOME/reexec"; exit 11'
    wait_until runs kept
    as alice systemctl --user daemon-reexec
    as alice sh -c 'echo >"$HOME/reexec"'
    run -11 as alice evloop wait --timeout 20s kept
    as alice systemctl --user daemon-reload
    soon after-that true
    [[ -n $(field after-that unit) ]]
}

@test "a service manager that does not answer delays a run once, which happens once" {
    local manager
    manager=$(inside systemctl show --property MainPID --value "user@$(inside id -u alice).service")
    inside kill -STOP "$manager"
    as alice evloop soon --name late sh -c 'echo ran >>"$HOME/once"'
    run -0 as alice evloop wait --timeout 20s late
    [[ -z $(field late unit) ]]
    # From now on nobody waits.
    SECONDS=0
    soon next true
    [[ $SECONDS -lt 5 && -z $(field next unit) ]]
    inside kill -CONT "$manager"
    # What it was asked for it may start now, and that runs nothing.
    wait_until no_unit_is_left
    [[ $(inside cat /home/alice/once) == ran ]]
    daemon_log | grep -qF 'takes too long'
    as alice systemctl --user restart evloopd.service
}

@test "a unit of that name, of somebody else, is left alone" {
    local id
    id=$(($(as alice evloop soon true) + 1))
    as alice systemd-run --user --quiet --unit "evloop-renamed-$id-1" sleep 300
    soon renamed true
    [[ $(field renamed unit) == "evloop-renamed-$id-1-"*.service ]]
    as alice systemctl --user is-active --quiet "evloop-renamed-$id-1.service"
    as alice systemctl --user stop "evloop-renamed-$id-1.service"
}

@test "where no service manager is, the daemon starts commands itself" {
    run -0 as bob evloop soon --name alone sh -c 'cat /proc/self/cgroup'
    run -0 as bob evloop wait alone
    [[ $(as bob evloop show --json alone | jq -r '.last_run.unit // ""') == '' ]]
    run -0 as bob cat "/tmp/evloopd-$(inside id -u bob)/log"
    [[ $output == *'they are started without'* ]]
    run -0 as bob sh -c 'evloopd --socket "$HOME/socket" --jobs=units --exit-idle=2s >/dev/null 2>&1 &
        until [ -S "$HOME/socket" ]; do sleep 0.05; done
        evloop --socket "$HOME/socket" soon --name none true; evloop --socket "$HOME/socket" wait none; test $? -eq 126'
}

@test "a daemon can be told to start commands itself" {
    run -0 as alice sh -c 'EVLOOP_JOBS=direct evloopd --socket "$HOME/socket" --exit-idle=1s >/dev/null 2>&1 &
        until [ -S "$HOME/socket" ]; do sleep 0.05; done
        evloop --socket "$HOME/socket" soon --name direct true >/dev/null; evloop --socket "$HOME/socket" wait direct >/dev/null
        evloop --socket "$HOME/socket" show --json direct'
    [[ $(jq -r '.last_run.unit // ""' <<<"$output") == '' ]]
    run -64 as alice env EVLOOP_JOBS=sometimes evloopd --socket /home/alice/other
    [[ $output == *'EVLOOP_JOBS'* ]]
}
