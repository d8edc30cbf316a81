#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Wrong use: one clear line that names what is wrong, and the right status.  No daemon is asked.

load helper

setup() {
    # Whoever gets that far has read the options.
    export EVLOOP_SOCKET=$BATS_TEST_TMPDIR/nobody
}

@test "no verb, and unknown ones" {
    refused 64 '*no verb*'
    refused 64 "*unknown verb 'lsit'; did you mean 'list'?" lsit
    refused 64 "*unknown verb 'afer'; did you mean 'after'?" afer 5s true
    refused 64 "*unknown verb 'canc'; did you mean 'cancel'?" canc x
    refused 64 "*unknown verb 'evry'; did you mean 'every'?" evry
    refused 64 "*unknown verb 'xyzzy'; see *" xyzzy
    refused 64 "*unknown verb ''*" ''
    refused 64 "*unknown option '--frob'*" --frob list
    refused 64 "*--socket needs a value*" --socket
    refused 64 "*only one socket*" --system --socket /x list
}

@test "help, of the whole and of every verb, goes to standard output" {
    local verb verbs
    evl --help
    expect_status 0
    expect_match 'Usage: evloop *'
    verbs=$(sed -n '/^Verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p' <<<"$output")
    [[ $(wc -w <<<"$verbs") -eq 27 ]] || fail "verbs: $verbs"
    for verb in $verbs run; do
        evl "$verb" --help
        expect_status 0
        [[ -z $stderr ]] || fail "something on standard error"
        [[ $verb == run || ${lines[0]} == "Usage: evloop $verb"?( *) ]] || fail "help of $verb"
        [[ $output != *' '$'\n'* ]] || fail "blanks at the end of a line of $verb"
        # Nothing wider than a terminal.
        [[ $(awk 'length > 80' <<<"$output") == '' ]] || fail "help of $verb has long lines"
        local by_option=$output
        evl help "$verb"
        expect_output "$by_option"
    done
    refused 64 "*unknown verb 'frob'*" help frob
    refused 64 "*'list' is one word too many*" help after list
}

@test "--version asks nobody" {
    evl --version
    expect_status 0
    expect_regex '^evloop [0-9.]+$'
}

@test "every verb refuses an unknown option, a value where none is taken, and words too many" {
    local verb
    for verb in after at every soon run sleep wait list show log cancel kill pause resume trigger poke watch emit \
        subscribe ping time quota reload version help; do
        refused 64 "*unknown option '--frob'*" "$verb" --frob
        refused 64 "*unknown option '-Z'*" "$verb" -Z
        refused 64 "*'--json=x': that option takes no value*" "$verb" --json=x
    done
    for verb in ping time quota reload version; do
        refused 64 "*'x' is one word too many*" "$verb" x
    done
    refused 64 "*'2s' is one word too many*" sleep 1s 2s
    refused 64 "*'2s' is one word too many*" sleep --until tomorrow 2s
}

@test "verbs without their operands" {
    local verb
    for verb in wait show log cancel kill pause resume trigger poke; do
        refused 64 '*no id or name*' "$verb"
    done
    refused 64 '*no duration*' after
    refused 64 '*no duration*' every
    refused 64 '*no duration*' sleep
    refused 64 '*no time*' at
    refused 64 '*no command*' soon
    refused 64 '*no command*' run
    refused 64 '*no command*' after 5s
    refused 64 '*no command*' after 5s --
    refused 64 '*no command*' at tomorrow 09:00
    refused 64 '*no command*' after 5s --name x
}

@test "options without their values" {
    local option
    for option in --name --count --until --start --slack --clock --overlap --timeout --setenv; do
        refused 64 "*$option needs a value*" every 1s "$option"
    done
    refused 64 '*-c needs a value*' after 1s -c
    refused 64 '*-s needs a value*' kill x -s
    refused 64 '*--timeout needs a value*' wait 1 --timeout
}

@test "durations that are none are named" {
    local value
    for value in 5x 1h30 '' 1.5h30m soon 0x10 '5 s' 99999w; do
        refused 65 "*'$value' is not a duration: *" after "$value" true
        refused 65 "*'$value' is not a duration: *" every "$value" true
        refused 65 "*'$value' is not a duration: *" sleep "$value"
        refused 65 "*--timeout '$value' is not a duration: *" wait 1 --timeout "$value"
        refused 65 "*--timeout '$value' is not a duration: *" after 1s --timeout "$value" true
        refused 65 "*--slack '$value' is not a duration: *" after 1s --slack "$value" true
    done
    refused 65 "*'1h30' is not a duration: a number alone is seconds, else each has its unit: ns us ms s m min h d w" after 1h30 true
    refused 65 "*'-5s' is not a duration: it must not be negative" after -5s true
    refused 65 "*'-5s' is not a duration: it must not be negative" every -5s true
    refused 65 "*'-.5' is not a duration: it must not be negative" sleep -.5
    refused 65 "*--slack '-1s' is not a duration: it must not be negative" after 1s --slack -1s true
    refused 65 "*'0': a period must not be 0" every 0 true
    refused 65 "*'0ns': a period must not be 0" every 0ns
    refused 65 "*--timeout '0' must not be 0" after 1s --timeout 0 true
}

@test "times that are none, or are past, are named" {
    local value
    for value in noon 24:00 2030-02-30 '' tomorrow9 @x; do
        refused 65 "*'$value' is not a time: *" at "$value" true
        refused 65 "*--until '$value' is not a time: *" sleep --until "$value"
        refused 65 "*--until '$value' is not a time: *" every 1s --until "$value" true
        refused 65 "*--start '$value' is not a time: *" every 1s --start "$value" true
    done
    refused 65 "*'tomorrow 25:00' is not a time: *" at tomorrow 25:00 true
    refused 65 "*'2020-01-01 12:00' is in the past" at 2020-01-01 12:00 true
    refused 65 "*'@1' is in the past" at @1 true
    refused 65 "*--until '2020-01-01' is in the past" sleep --until 2020-01-01
    refused 65 "*--until '2020-01-01' is in the past" every 1s --until 2020-01-01 true
}

@test "options that contradict each other or the verb" {
    refused 64 '*--replace and --ensure*' after 1s --name x --replace --ensure true
    refused 64 '*--replace needs --name*' after 1s --replace true
    refused 64 '*--ensure needs --name*' after 1s --ensure true
    refused 64 '*--start and --now*' every 1s --now --start tomorrow true
    refused 64 "*--name '' is no name*" after 1s --name '' true
    refused 64 "*--count is for 'every'*" after 1s --count 3 true
    refused 64 "*--now is for 'every'*" at tomorrow --now true
    refused 64 "*--until is for 'every'*" soon --until tomorrow true
    refused 64 '*--slack says nothing*' soon --slack 1s true
    refused 64 "*--count '0'*" every 1s --count 0 true
    refused 64 "*--count '-1'*" every 1s --count -1 true
    refused 64 "*--count 'many'*" every 1s --count many true
    refused 65 "*--count '99999999999999999999' is above *" every 1s --count 99999999999999999999 true
    refused 64 "*--clock 'wall' is not boottime, monotonic or realtime*" after 1s --clock wall true
    refused 64 "*--clock 'realtime' is not boottime or monotonic*" sleep 1s --clock realtime
    refused 64 "*--overlap 'maybe' is not skip, queue, restart or allow*" every 1s --overlap maybe true
    refused 64 "*--setenv 'X' is not NAME=VALUE*" after 1s --setenv X true
    refused 64 "*--setenv '=X' is not NAME=VALUE*" after 1s --setenv =X true
    refused 64 '*--overlap needs a command*' every 1s --overlap skip
    refused 64 '*--clean-env needs a command*' every 1s --clean-env
    refused 64 "*-s 'FOO' is not a signal*" kill -s FOO x
    refused 64 "*-s '0' is not a signal*" kill -s 0 x
    refused 64 "*-s '65' is not a signal*" kill -s 65 x
    refused 64 "*-s '' is not a signal*" kill -s '' x
}

@test "commands that cannot run are found out at once" {
    cd "$BATS_TEST_TMPDIR"
    : >plain
    printf '#!/bin/sh\n' >my-script
    chmod +x my-script
    refused 127 '*no-such-command-at-all: command not found' after 5s no-such-command-at-all
    refused 127 '*./missing: command not found' after 5s ./missing
    refused 127 '*: command not found' after 5s ''
    refused 126 '*./plain: not an executable file' after 5s ./plain
    refused 126 '*/tmp: not an executable file' after 5s /tmp
    refused 127 '*my-script: command not found' after 5s my-script
    # In the PATH that the command will have, and not in ours.
    refused 127 '*: true: command not found' after 5s --setenv PATH=/nowhere true
    refused 69 '*no daemon listens there*' after 5s --setenv PATH="$PWD" my-script
    refused 69 '*no daemon listens there*' after 5s --setenv PATH=: my-script
    refused 126 '*: plain: not an executable file' after 5s --setenv PATH="$PWD" plain
    # A directory that may not be looked into says nothing (but root looks into all).
    mkdir -m 0 closed
    refused 127 '*: nothing-there: command not found' after 5s --setenv PATH="$PWD/closed" nothing-there
}

@test "a command that is too large says what would help" {
    local word
    word=$(printf '%060000d' 0)
    refused 65 '*are too many, 57344 is the most' after 5s echo "$word"
    BIG=$word refused 65 '*are too many, 57344 is the most; --clean-env takes less along' after 5s echo
    BIG=$word refused 69 '*no daemon listens there*' after 5s --clean-env echo
}

@test "a working directory that is gone" {
    mkdir "$BATS_TEST_TMPDIR/gone"
    cd "$BATS_TEST_TMPDIR/gone"
    rmdir "$BATS_TEST_TMPDIR/gone"
    refused 1 '*working directory does not exist any more' after 5s true
}

@test "every verb says it when nobody listens" {
    refused 69 "*$EVLOOP_SOCKET: no daemon listens there" ping
    refused 69 '*no daemon listens there' time
    refused 69 '*no daemon listens there' version
    refused 69 '*no daemon listens there' list
    refused 69 '*no daemon listens there' after 5s true
    refused 69 '*no daemon listens there' at tomorrow true
    refused 69 '*no daemon listens there' every 5s true
    refused 69 '*no daemon listens there' every 5s
    refused 69 '*no daemon listens there' soon true
    refused 69 '*no daemon listens there' sleep 0
    refused 69 '*no daemon listens there' watch pid $$
    refused 69 '*no daemon listens there' watch path /
    refused 69 '*no daemon listens there' emit x
    refused 69 '*no daemon listens there' subscribe x
    local verb
    for verb in wait show log cancel kill pause resume trigger poke; do
        refused 69 '*no daemon listens there' "$verb" 1
    done
    refused 69 '*/nowhere: no daemon listens there' ping --socket /nowhere
    refused 69 '*/nowhere: no daemon listens there' --socket /nowhere ping
    refused 69 '*: /0*...: *too long' --socket "/$(printf '%0200d' 0)" ping
}

@test "a complaint is one line, whatever it quotes" {
    refused 64 "*unknown verb 'a?b?'*" $'a\nb\e'
    refused 65 "*'5?' is not a duration*" after $'5\n' true
}
