#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# limiter: to look at limiters, and to change them.

# shellcheck disable=SC2154 # of the helper
load helper

setup() {
    start_daemon
}

teardown() {
    stop_daemon
}

@test "list and show" {
    evl limiter list
    expect_status 0
    expect_output ''
    evl limit api --rate 10/s -n 4
    evl limit both --rate 10/s --rate 100/min --burst 100
    evl limiter set db --concurrency 2
    evl limiter list
    expect_match 'NAME *LIMIT *REMAINING *WAITING *ALLOWED
api *10/s burst 10 *
both *10/s burst 10, 100/min burst 100 *
db *2 places * 2 * 0 * 0'
    evl limiter ls 'b*'
    [[ ${#lines[@]} -eq 2 ]] || fail
    evl limiter list --json
    is_json "$output"
    [[ $(jq -r '[.[].spec.name]|join(" ")' <<<"$output") == 'api both db' ]] || fail
    refused 66 '*x\**: no such limiter' limiter list 'x*'
    evl --json limiter list 'x*'
    expect_status 66
    expect_output '[]'
    evl limit one --rate 1/h
    evl --json limiter list 'x*' 'one'
    expect_status 66
    [[ $(jq -r '.[].spec.name' <<<"$output") == one ]] || fail
    evl limiter list one 'x*'
    expect_status 66
    expect_match 'NAME *one *'
    evl limiter remove one
    evl limiter show api
    expect_match '*limit        10/s burst 10*
allowed      4*'
    refused 66 "*no limiter named 'nobody'" limiter show nobody
    evl limiter list --json nobody
    expect_status 66
}

@test "a long list comes in pages" {
    seq -f 'n%g' 1 1200 | xargs -n1 -P4 "$EVLOOP" limiter set --rate 1/s >/dev/null 3>&-
    evl limiter list --json
    [[ $(jq length <<<"$output") == 1200 ]] || fail
}

@test "set, reset, refund, charge, hold" {
    evl limiter set api --rate 10/h --max-debt 5
    expect_output 'api created'
    evl limiter set api --rate 10/h --max-debt 5
    expect_output 'api unchanged'
    evl limiter set api --rate 10/h --burst 20 --max-debt 5
    expect_output 'api updated'
    refused 65 "*'api' has a rate, which cannot become a number of places: remove it first" limiter set api --concurrency 5
    refused 65 "*'api' has no keys, and cannot get any: remove it first" limiter set api --rate 10/h --keyed
    refused 73 "*'api' is defined otherwise: 10/h with a burst of 20, without keys, max_debt 5; *" limit api --rate 10/h --burst 20 --key k
    refused 64 '*--rate or --concurrency has to be given' limiter set api
    evl limiter set api --rate 10/h --burst 10 --max-debt 5
    evl limit api -n 10
    evl limiter refund api -n 3
    expect_output 'done remaining=3 retry_after=0.000000000'
    evl limiter charge api -n 8
    expect_match 'done remaining=0 retry_after=*'
    refused 65 "*5 would take the limiter 'api' deeper into debt than 5" limiter charge api -n 5
    evl limiter reset api
    expect_match 'done remaining=10 *'
    evl limiter hold api 1h
    expect_output 'api held for 1h'
    # What is done during a hold is done, whatever would be said to who asks.
    evl limiter charge api -n 4
    expect_status 0
    expect_match 'done remaining=0 retry_after=3[0-9]*.[0-9]*'
    evl limiter refund api -n 99999
    expect_status 0
    expect_match 'done remaining=0 retry_after=3[0-9]*.[0-9]*'
    evl limiter refund api --json
    [[ $(jq .allowed <<<"$output") == false ]] || fail
    evl limiter hold api 1h --json
    [[ $(jq -r .retry_after_ns <<<"$output") == 3600000000000 ]] || fail
    evl limiter show api
    expect_match $'*\nhold ends in 3[0-9]*.[0-9]*\nwaiting *'
    evl limiter show api --json
    jq -e '.hold_ns | tonumber | . > 3500000000000 and . <= 3600000000000' <<<"$output" >"$BATS_TEST_TMPDIR/out" || fail
    evl limiter set each --rate 1/h --keyed --max-keys 1 --on-full deny
    evl limiter hold each 90s --key 'a key'
    expect_output "each held for 1m30s key='a key'"
    refused 75 '*each: there is no room for one more key, and nothing is held' limiter hold each 90s --key another
    refused 75 '*each: there is no room for one more key, and nothing is given back' limiter refund each --key another
    refused 75 '*each: there is no room for one more key, and nothing is taken' limiter charge each --key another
    refused 75 '*each: there is no room for one more key, and nothing is reset' limiter reset each --key another --json
    evl limit api --try
    expect_status 75
    evl limiter set free --rate unlimited
    refused 65 "*the limiter 'free' is unlimited, which cannot be held: give it a rate first" limiter hold free 3s
    refused 64 '*hold: no duration*' limiter hold api
    refused 65 "*hold '5x' is not a duration*" limiter hold api 5x
    refused 65 "*'-5s' is not a duration: it must not be negative" limiter hold api -5s
    refused 65 "*'-5s' is not a duration: it must not be negative" limiter hold -5s api
    evl limiter reset api
    evl limiter show api
    [[ $output != *hold* ]] || fail
    evl limiter peek api -n 10
    expect_match 'allowed remaining=10 *'
    refused 65 "*has permits, which are waited for and held" limiter refund "$(evl limiter set db --concurrency 1; echo db)"
}

# explained PATTERN WORD...: the decision reads so, and the numbers before it come to the same, to the nanosecond.
explained() {
    local pattern=$1 line now=0 cost=0 interval=0 tolerance=0 ns wait=0 said=0
    shift
    evl limiter explain "$@"
    expect_status 0
    expect_match "*decision     $pattern"
    for line in "${lines[@]}"; do
        ns=0
        case $line in
        now*) now=${line##*= } now=${now%% *} ;;
        cost*) cost=${line##* } ;;
        *' tolerance = '[0-9]*) tolerance=${line##*= } tolerance=${tolerance%% *} ;;
        *' interval = '*) interval=${line##*= } interval=${interval%% *} ;;
        *' TAT = '*)
            line=${line#*= } line=${line%%:*}
            ns=$((((line > now ? line : now) + cost * interval - tolerance - now + 15) / 16))
            ;;
        hold*) ns=${line#*now + } ns=${ns% ns} ;;
        decision*denied*) said=${line#*now + } said=${said% ns} ;;
        esac
        wait=$((ns > wait ? ns : wait))
    done
    [[ $wait -eq $said ]] || fail "$wait by the numbers"
}

@test "explain has the numbers of the decision" {
    evl limiter set api --rate 3/s
    evl limiter explain api
    expect_match '*interval = ceil(16 \* 1000000000 ns / 3) = 5333333334 ticks*tolerance = 3 \* interval = 16000000002 ticks*'
    explained 'allowed: by every rule' api -n 3
    expect_match '* TAT = *: it is full*'
    evl limit api -n 3
    explained 'denied by rule 0 until now + * ns' api -n 2
    expect_match '* TAT = *: then it will be full again*'
    evl limiter explain api --json
    [[ $(jq -r '.grant.basis.tat|length' <<<"$output") == 1 ]] || fail
    evl limiter set both --rate 10/s --rate 100/h --burst 10
    evl limit both -n 10
    explained 'denied by rule 1 until now + * ns' both
    evl limiter hold both 1h
    explained 'denied by the hold until now + * ns' both
    evl limiter set db --concurrency 2
    explained 'allowed: so many places are free' db -n 2
    evl limiter set free --rate unlimited
    explained 'allowed: it is unlimited' free
    evl limit k --rate 1/h --key a --max-keys 1 --on-full deny
    evl limiter explain k --key b
    expect_match '*decision     denied: there is no room for one more key'
}

@test "wrong use" {
    refused 64 '*what about limiters?*' limiter
    refused 64 "*'frob' cannot be done with limiters*" limiter frob x
    refused 64 '*peek: no name of a limiter*' limiter peek
    refused 64 "*'b' is one word too many*" limiter peek a b
    refused 64 "*limiter: refund: '5' is one word too many; -n 5 says how many" limiter refund a 5
    refused 64 "*limiter: charge: '5' is one word too many; -n 5 says how many" limiter charge a 5
    refused 64 "*'5' is one word too many; see 'evloop limiter --help'" limiter reset a 5
    refused 66 "*no limiter named 'nobody'" limiter remove nobody
    refused 64 '*--rate or --concurrency has to be given' limiter set x --max-debt 5
    refused 64 '*list: --key is not for this' limiter list --key a
    refused 64 '*hold: -n is not for this' limiter hold x 1s -n 2
    refused 64 "*peek: what defines a limiter is for 'limiter set'" limiter peek x --rate 3/s
    refused 64 "*show: what defines *" limiter show x --keyed
    refused 65 "*limiter: --rate '10/1.5s': the period has decimals, and only whole numbers are allowed: write *" limiter set x --rate 10/1.5s
    refused 65 "*limiter: --rate '10/.5s': the period has decimals, *" limiter set x --rate 10/.5s
    # Numbers that are too large are named with their option.
    refused 65 "*limiter: --max-keys '2000000': 1000000 is the most" limiter set x --rate 1/s --keyed --max-keys 2000000
    refused 65 "*limit: --max-keys '1000001': 1000000 is the most" limit x --rate 1/s --key k --max-keys 1000001
    refused 65 "*limiter: --rate '1/s': a --burst of 99999999999 takes more than 4.5 years to come" \
        limiter set x --rate 5/s --rate 1/s --burst 99999999999
    refused 65 "*limit: --rate '1/2000d': a burst of 1 takes more than 4.5 years to come" limit x --rate 1/2000d
    refused 65 "*limit: --rate '1/100000d': the period is too long" limit x --rate 1/100000d
    refused 65 "*limiter: --key '0000*0...' is longer than 255 bytes" limiter peek x --key "$(printf '%0256d' 0)"
    refused 65 "*limit: --also 'y=000*0...': the key is longer than 255 bytes" limit x --also "y=$(printf '%0256d' 0)"
}

@test "the uid's limits" {
    stop_daemon
    rm -f "$BATS_TEST_TMPDIR/ready"
    start_daemon --limit limiters=2 --limit keys=10 --limit claims=1
    evl limiter set a --rate 1/h
    evl limiter set b --rate 1/h --keyed --max-keys 10
    refused 77 '*uses 2 of 2 limiters and asks for 1 more' limiter set c --rate 1/s
    evl limiter remove a
    refused 77 '*uses 10 of 10 keys and asks for 5 more' limiter set c --rate 1/s --keyed --max-keys 5
    evl limiter set c --concurrency 5
    "$EVLOOP" limit c sleep 1000 3>&- &
    held() { [[ $("$EVLOOP" limiter show c --json | jq .held) == 1 ]]; }
    eventually held
    refused 77 '*uses 1 of 1 claims and asks for 1 more' limit c true
    kill "$!"
}

@test "what was taken stays taken when the daemon is restarted" {
    evl limit api --rate 10/h --burst 10 -n 7
    evl limit keyed --rate 1/h --key a
    stop_daemon
    [[ -s $EVLOOP_SOCKET.limiters ]] || fail "nothing is kept"
    rm -f "$BATS_TEST_TMPDIR/ready"
    start_daemon
    [[ ! -e $EVLOOP_SOCKET.limiters ]] || fail "it could be used twice"
    evl limiter peek api
    expect_match 'allowed remaining=3 *'
    # It is the same definition as before.
    evl limit api --rate 10/h --burst 10 --try
    expect_status 0
    evl limiter set keyed --rate 1/h --keyed
    expect_output 'keyed unchanged'
    evl limit keyed --key a --try
    expect_status 75
    evl limit keyed --key b --try
    expect_status 0
    # One that dies leaves nothing.
    kill -9 "$daemon"
    wait "$daemon" || true
    rm -f "$BATS_TEST_TMPDIR/ready"
    start_daemon
    evl limiter list
    expect_output ''
}
