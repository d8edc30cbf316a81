#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The completion for bash: verbs, options, values, ids and names, commands.

# shellcheck disable=SC2153 # they are two programs
load helper

setup() {
    start_daemon
    "$EVLOOP" every 1h --name sync true >/dev/null
    "$EVLOOP" soon --name over true >/dev/null
    "$EVLOOP" wait over >/dev/null
    # shellcheck source=/dev/null
    source "$BATS_TEST_DIRNAME/../../contrib/completion/evloop"
}

teardown() {
    stop_daemon
}

# What is offered for the last of the words.
complete_words() {
    COMP_WORDS=("$EVLOOP" "$@")
    COMP_CWORD=$#
    COMP_LINE="${COMP_WORDS[*]}"
    COMP_POINT=${#COMP_LINE}
    COMPREPLY=()
    _evloop
    output=" ${COMPREPLY[*]} "
}

offers() {
    local word
    for word in "$@"; do
        [[ $output == *" $word "* ]] || fail "'$word' is not offered"
    done
}

offers_not() {
    local word
    for word in "$@"; do
        [[ $output != *" $word "* ]] || fail "'$word' is offered"
    done
}

@test "verbs" {
    complete_words ''
    offers after at every soon run sleep wait list show log cancel kill pause resume trigger poke watch emit \
        subscribe limit limiter ping time quota reload version help
    complete_words wai
    expect_output ' wait '
    complete_words --json ca
    expect_output ' cancel '
    complete_words --socket /x ca
    expect_output ' cancel '
    complete_words help ev
    expect_output ' every '
    complete_words --ve
    expect_output ' --version '
}

@test "every verb that there is, and no other" {
    local verb
    complete_words ''
    for verb in $("$EVLOOP" --help | sed -n '/^Verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
        offers "$verb"
    done
}

@test "every option that the help of a verb names, and no other" {
    local verb named offered
    for verb in after at every soon sleep wait list show log cancel kill pause watch emit subscribe ping; do
        named=$("$EVLOOP" "$verb" --help | sed -n 's/^  \(-[a-z]*, \)\?\(--[a-z-]*\).*/\2/p' | sort)
        complete_words "$verb" --
        offered=$(printf '%s\n' "${COMPREPLY[@]}" | grep -vxE -e '--(json|socket|system|help)' | sort)
        [[ $named == "$offered" ]] || fail "$verb: named: $named, offered: $offered"
    done
}

@test "ids and names of timers" {
    complete_words cancel ''
    offers 1 sync
    offers_not over 2
    complete_words cancel sy
    expect_output ' sync '
    complete_words wait ''
    offers 1 2 sync over
    complete_words after 1h --name ''
    offers sync
    offers_not 1
}

@test "values of options" {
    complete_words after 1h --clock ''
    expect_output ' boottime monotonic realtime '
    complete_words every 1h --overlap re
    expect_output ' restart '
    complete_words kill -s SIGUS
    offers SIGUSR1 SIGUSR2
    complete_words after 1h --timeout ''
    expect_output '  '
}

@test "commands, behind the operand and the options" {
    complete_words soon bas
    offers bash
    complete_words after 5s bas
    offers bash
    complete_words after 5s --name x bas
    offers bash
    complete_words after --name x 5s bas
    offers bash
    complete_words at tomorrow 09:00 bas
    offers bash
    complete_words after 5s -- bas
    offers bash
    # The words of the command are not ours.
    complete_words after 5s bash --na
    offers_not --name
}

@test "no daemon is started for it" {
    stop_daemon
    local -x EVLOOP_SOCKET='' EVLOOPD=$BATS_TEST_TMPDIR/started
    printf '#!/bin/sh\n: >%s.mark\n' "$EVLOOPD" >"$EVLOOPD"
    chmod +x "$EVLOOPD"
    complete_words cancel sync
    [[ ! -e $EVLOOPD.mark ]] || fail "a daemon was started"
}

@test "watches" {
    complete_words watch ''
    expect_output ' fd pid path '
    complete_words watch --once pa
    expect_output ' path '
    cd "$BATS_TEST_TMPDIR"
    mkdir src
    complete_words watch path sr
    expect_output ' src '
    complete_words watch path -r sr
    expect_output ' src '
    # Paths stand together; behind an option or "--" the command begins.
    complete_words watch path src sr
    expect_output ' src '
    complete_words watch path src --settle 1s bas
    offers bash
    complete_words watch path src -- bas
    offers bash
    complete_words watch path src -- bash --onc
    offers_not --once
    complete_words watch fd 0 bas
    offers bash
    complete_words watch pid "$$"
    offers "$$"
    complete_words watch pid "$$" bas
    offers bash
    complete_words watch path src --settle ''
    expect_output '  '
}

@test "topics" {
    complete_words subscribe news bas
    offers bash
    complete_words subscribe news --queue 5 --once bas
    offers bash
    complete_words subscribe news --queue ''
    expect_output '  '
}

@test "limits" {
    "$EVLOOP" limiter set api --rate 1/s >/dev/null
    complete_words limit ''
    offers api
    complete_words limit api --on-full ''
    expect_output ' shared deny '
    complete_words limit api --conc
    expect_output ' --concurrency '
    complete_words limit api tru
    offers true
    complete_words limiter ''
    offers list show set reset peek refund charge hold holders remove explain
    complete_words limiter show ''
    expect_output ' api '
}
