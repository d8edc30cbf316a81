#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Limiters and topics that configuration defines: what a file may say, what is said of a mistake, reloading, and who may use them.

# shellcheck disable=SC2154 # variables of the helper
load helper

setup() {
    config=$BATS_TEST_TMPDIR/config
    mkdir -p "$config/limits.d"
}

teardown() {
    stop_daemon
}

# file NAME LINE...: a file in limits.d
file() {
    local path=$config/limits.d/$1
    shift
    mkdir -p "$(dirname "$path")"
    printf '%s\n' "$@" >"$path"
}

check_config() {
    status=0
    "$EVLOOPD" --config-dir "$config" --check-config >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- || status=$?
    output=$(<"$BATS_TEST_TMPDIR/out")
    stderr=$(<"$BATS_TEST_TMPDIR/err")
}

# wrong COMPLAINT LINE...: bad.limit with [Limiter] and these lines is refused, in one line that says where
wrong() {
    local complaint="evloopd: $config/limits.d/bad.limit:$1"
    shift
    file bad.limit '[Limiter]' "$@"
    check_config
    [[ $status -eq 78 && -z $output && $stderr == "$complaint" ]] || fail "expected: $complaint"
}

# Wait until a list is as it should be.
until_list() {
    for _ in {1..200}; do
        evl limiter list --json
        [[ $(jq -r '.[].spec.name' <<<"$output" | sort | paste -sd' ') == "$1" ]] && return
        sleep 0.02
    done
    fail "expected the limiters: $1"
}

@test "good configuration: files, drop-ins, rules, comments, masks" {
    file api.limit '# a comment' '' '  [Limiter]' '  Rate = 10/s' 'Burst=20 ; another' '[Rule daily]' 'Rate=5000/d' 'Burst=100'
    file api.limit.d/10-more.conf '[Limiter]' 'Rate=9/s' 'Burst=30' '[Rule daily]' 'Burst=200'
    file api.limit.d/20-again.conf '[Limiter]' 'Rate=10/s'
    file db.limit '[Limiter]' 'Name=data/base' 'Concurrency=4' 'MaxWaiters=7'
    file users.limit '[Limiter]' 'Rate=3/s' 'Keyed=yes' 'MaxKeys=5' 'OnFull=deny' 'MaxDebt=2'
    file all.limit '[Limiter]' 'Rate=unlimited'
    file README 'this is no limit'
    : >"$config/limits.d/empty.limit"
    ln -s /dev/null "$config/limits.d/null.limit"
    check_config
    expect_status 0
    [[ -z $stderr ]]
    expect_output "$config/limits.d/all.limit: all
$config/limits.d/api.limit: api
$config/limits.d/db.limit: data/base
$config/limits.d/users.limit: users"
    start_daemon --config-dir "$config"
    evl limiter show api
    expect_match '*limit        10/s burst 30, 5000/d burst 200*configured   owner '*', mode 0666*'
    evl limiter show data/base --json
    [[ $(jq -r '.spec | "\(.concurrency) \(.max_waiters)"' <<<"$output") == '4 7' ]]
    evl limiter show users --json
    [[ $(jq -r '.spec | "\(.keyed) \(.max_keys) \(.deny_when_full) \(.max_debt)"' <<<"$output") == 'true 5 true 2' ]]
    evl limit api -- echo through
    expect_output through
}

@test "no directory is no configuration" {
    status=0
    output=$(XDG_CONFIG_HOME=$BATS_TEST_TMPDIR/nowhere "$EVLOOPD" --check-config 2>&1 3>&-) || status=$?
    expect_status 0
    [[ -z $output ]] || fail
}

@test "the first mistake is named by file, line, key and value" {
    wrong '2: Rate=5/: the period has no unit, as in 10/s' 'Rate=5/'
    wrong '2: Rate=1.5/s: only whole numbers are allowed: write 3/2s for 1.5/s' 'Rate=1.5/s'
    wrong '3: Burst=x: a whole number is expected' 'Rate=1/s' 'Burst=x'
    wrong '3: Burst=0: it is to be between 1 and 18446744073709551615' 'Rate=1/s' 'Burst=0' 'Rate=nonsense'
    wrong '2: Burst= is for a rate, and there is no Rate= with it' 'Burst=3'
    wrong '3: Rate=unlimited has no burst, and no other rules beside it' 'Rate=unlimited' 'Burst=3'
    wrong '3: a burst of 99999999999 at that rate takes more than 4.5 years to come' 'Rate=1/d' 'Burst=99999999999'
    wrong '2: Concurrency=-1: a whole number is expected' 'Concurrency=-1'
    wrong '2: Keyed=maybe: yes or no is expected' 'Keyed=maybe'
    wrong '2: OnFull=x: shared or deny is expected' 'OnFull=x'
    wrong '2: MaxKeys=1000001: it is to be between 1 and 1000000' 'MaxKeys=1000001'
    wrong '2: Name=1x: the name is not made of letters, digits and ._:@/- with a letter or _ first' 'Name=1x'
    wrong '2: Owner=no-such-user: there is no such user' 'Owner=no-such-user'
    wrong '2: Group=no-such-group: there is no such group' 'Group=no-such-group'
    wrong '2: Mode=0755: an octal mode made of read (4) and take (2) is expected, as 0660' 'Mode=0755'
    wrong '2: [Limiter] has no key Rte' 'Rte=1/s'
    wrong '2: the line is neither a [Section] nor Key=Value' 'Rate 1/s' 'Rate=x'
    wrong '4: Rate=5/s: line 2 has one already for this section; more rates go into sections [Rule NAME]' 'Rate=1/s' 'Burst=3' 'Rate=5/s'
    wrong '5: Rate=5/s: line 3 has one already for this section; more rates go into sections [Rule NAME]' '[Rule x]' 'Rate=1/s' '[Rule x]' 'Rate=5/s'
    wrong '2: there is no section [Limit], but [Limiter] and [Rule NAME]' '[Limit]' 'Rate=x'
    wrong '3: there is no section [Rule], but [Limiter] and [Rule NAME]' 'Rate=1/s' '  [Rule] ; indented, and empty'
    wrong '2: the line is neither a [Section] nor Key=Value' '[Rule x' 'Rate=1/s'
    wrong '2: the name of the section has more than 49 bytes' "[Rule $(printf '%045d' 0)]" 'Rate=1/s'
    wrong '3: Rate= cannot be used together with Concurrency=' 'Concurrency=3' 'Rate=1/s'
    wrong '4: Burst= cannot be used together with Concurrency=' 'Concurrency=3' '[Rule x]' 'Burst=1'
    wrong '3: MaxDebt= cannot be used together with Concurrency=' 'Concurrency=3' 'MaxDebt=1'
    wrong '3: Concurrency= cannot be used together with Rate=' 'Rate=1/s' 'Concurrency=3'
    wrong '3: Concurrency= cannot be used together with Burst=' 'Burst=1' 'Concurrency=3'
    wrong '3: Concurrency= cannot be used together with MaxDebt=' 'MaxDebt=1' 'Concurrency=3'
    wrong '3: MaxKeys= is for limiters with Keyed=yes' 'Rate=1/s' 'MaxKeys=4'
    wrong '2: OnFull= is for limiters with Keyed=yes' 'OnFull=deny' 'Rate=1/s' 'Keyed=no'
    wrong '3: [Rule x] has no key Mode, but Rate and Burst' '[Rule x]' 'Mode=0600'
    wrong "2: the line has more than 198 bytes, or a NUL" "Name=$(printf '%0300d' 0)"
}

@test "a line is as long as the manual pages say" {
    local most page line
    for page in evloopd.conf.5 evloopd.limit.5; do
        line=$(grep '^A line has at most ' "${srcdir:?is set by make check}/contrib/man/$page")
        most=${line//[!0-9]/}
        file good.limit '[Limiter]' "#$(printf "%0$((most - 1))d" 0)" 'Rate=1/s'
        check_config
        expect_status 0
        wrong "2: the line has more than $most bytes, or a NUL" "#$(printf "%0${most}d" 0)"
        rm "$config/limits.d/bad.limit"
    done
}

@test "mistakes that no line has made" {
    file bad.limit '[Limiter]' 'MaxWaiters=3'
    check_config
    expect_status 78
    [[ $stderr == "evloopd: $config/limits.d/bad.limit: neither Rate= nor Concurrency= is given" ]] || fail
    file bad.limit '[Limiter]' 'Rate=1/s' 'Name=other'
    file other.limit '[Limiter]' 'Rate=1/s'
    check_config
    [[ $stderr == "evloopd: $config/limits.d/other.limit: the name 'other' is that of $config/limits.d/bad.limit already" ]] || fail
    rm "$config"/limits.d/*
    mkfifo "$config/limits.d/pipe.limit"
    check_config
    [[ $stderr == "evloopd: $config/limits.d/pipe.limit: it is no regular file" ]] || fail
}

@test "a check that cannot be made as the daemon's user says so" {
    # In a namespace without other users root cannot become one.
    unshare --mount --map-root-user true 2>/dev/null || skip "no namespaces can be made here"
    grep -v '^evloopd:' /etc/passwd >"$BATS_TEST_TMPDIR/passwd"
    echo 'evloopd:x:64999:64999::/:/bin/false' >>"$BATS_TEST_TMPDIR/passwd"
    # shellcheck disable=SC2016 # for that shell
    status=0
    stderr=$(unshare --mount --map-root-user sh -c 'mount --bind "$0" /etc/passwd && exec "$@"' \
        "$BATS_TEST_TMPDIR/passwd" "$EVLOOPD" --system --check-config 2>&1 >/dev/null 3>&-) || status=$?
    expect_status 0
    [[ $stderr == "evloopd: warning: whether the daemon, as user 'evloopd', can read it could not be checked: "* ]] || fail
}

@test "a file whose name has the wrong end is warned of" {
    mkdir -p "$config/topics.d" "$config/limits.d/api.limit.d"
    file api.limit '[Limiter]' Rate=10/s
    : >"$config/limits.d/api.limit~"
    : >"$config/limits.d/.api.limit.swp"
    : >"$config/limits.d/b.conf"
    mkdir "$config/elsewhere"
    ln -s "$config/elsewhere" "$config/limits.d/other.limit.d"
    : >"$config/topics.d/c.limit"
    check_config
    expect_status 0
    expect_output "$config/limits.d/api.limit: api"
    [[ $stderr == "evloopd: warning: $config/limits.d/b.conf is not read, for its name does not end in '.limit'
evloopd: warning: $config/topics.d/c.limit is not read, for its name does not end in '.topic'" ]] || fail
}

@test "a directory that is named is one" {
    config=$BATS_TEST_TMPDIR/nowhere
    check_config
    expect_status 64
    [[ -z $output && $stderr == "evloopd: --config-dir: bad value '$config': No such file or directory" ]] || fail
    : >"$config"
    check_config
    expect_status 64
    [[ -z $output && $stderr == "evloopd: --config-dir: bad value '$config': Not a directory" ]] || fail
}

@test "a directory that is gone is no configuration, and not an empty one" {
    file api.limit '[Limiter]' 'Rate=1/h'
    start_daemon --config-dir "$config"
    mv "$config" "$config.away"
    evl reload
    expect_status 65
    [[ $stderr == "evloop: $config: No such file or directory" ]] || fail
    mv "$config.away" "$config"
    evl limiter show api
    expect_status 0
}

@test "limits below which nobody could connect again are mistakes" {
    mkdir -p "$config"
    start_daemon --config-dir "$config"
    printf '%s\n' '[Limits]' 'Sessions=0' >"$config/evloopd.conf"
    evl reload
    expect_status 65
    [[ $stderr == "evloop: $config/evloopd.conf:2: Sessions=0: nobody could connect" ]] || fail
    printf '%s\n' '[Pool]' 'Sessions=1' >"$config/evloopd.conf"
    evl reload
    expect_status 65
    [[ $stderr == "evloop: $config/evloopd.conf:2: Sessions=1: nobody could connect" ]] || fail
    printf '%s\n' '[Limits]' 'Sessions=1' '[Pool]' 'Sessions=2' >"$config/evloopd.conf"
    evl reload
    expect_status 0
    evl ping
    expect_status 0
}

@test "a daemon does not begin with mistakes" {
    file bad.limit '[Limiter]' 'Rate=5/'
    status=0
    timeout 10 "$EVLOOPD" --socket "$BATS_TEST_TMPDIR/s" --config-dir "$config" 2>"$BATS_TEST_TMPDIR/err" 3>&- || status=$?
    stderr=$(<"$BATS_TEST_TMPDIR/err")
    expect_status 78
    [[ $stderr == "evloopd: $config/limits.d/bad.limit:2: "* ]] || fail
}

@test "a reload keeps what was taken, and with a mistake keeps everything" {
    file api.limit '[Limiter]' 'Rate=1/h' 'Burst=5'
    file db.limit '[Limiter]' 'Concurrency=1'
    start_daemon --config-dir "$config" 2>"$BATS_TEST_TMPDIR/log"
    evl limit api -n 4 --try
    expect_status 0
    file api.limit '[Limiter]' 'Rate=2/h' 'Burst=5'
    file db.limit '[Limiter]' 'Concurrency=nonsense'
    kill -HUP "$daemon"
    for _ in {1..200}; do
        grep -q 'stays as it was' "$BATS_TEST_TMPDIR/log" && break
        sleep 0.02
    done
    grep -q "evloopd: configuration stays as it was: $config/limits.d/db.limit:2: Concurrency=nonsense: a whole number is expected" \
        "$BATS_TEST_TMPDIR/log"
    evl limiter show api
    expect_match '*1/h burst 5*remaining    1*'
    # Another kind of thing under the name, and one more; the rest goes on.
    file db.limit '[Limiter]' 'Rate=3/s'
    file more.limit '[Limiter]' 'Rate=1/s'
    kill -HUP "$daemon"
    until_list 'api db more'
    evl limiter show api
    expect_match '*2/h burst 5*remaining    1*'
    evl limiter show db
    expect_match '*3/s burst 3*'
    rm "$config/limits.d/db.limit"
    kill -HUP "$daemon"
    until_list 'api more'
}

@test "what configuration has made nobody else changes, and its name is taken" {
    start_daemon --config-dir "$config"
    evl limiter set mine --rate 1/h
    expect_status 0
    file api.limit '[Limiter]' 'Rate=10/s'
    file mine.limit '[Limiter]' 'Rate=5/s'
    kill -HUP "$daemon"
    until_list 'api mine'
    refused 77 "evloop: the limiter 'api' comes from configuration" limiter set api --rate 1/s
    refused 77 "evloop: the limiter 'api' comes from configuration" limiter remove api
    refused 73 "evloop: the limiter 'api' is configured otherwise: 10/s with a burst of 10" limit api --rate 5/s -- echo no
    # To wish for what is there is no mistake.
    evl limit api --rate 600/min --burst 10 -- echo yes
    expect_output yes
    # Before one of the same name that was there before; which can still be removed.
    evl limiter show mine
    expect_match '*5/s burst 5*'
    evl limiter remove mine
    expect_status 0
    refused 77 "evloop: the limiter 'mine' comes from configuration" limiter remove mine
}

@test "what was taken of it outlives a clean restart" {
    file api.limit '[Limiter]' 'Rate=1/h' 'Burst=5'
    start_daemon --config-dir "$config"
    evl limit api -n 3 --try
    stop_daemon
    rm "$BATS_TEST_TMPDIR/ready"
    start_daemon --config-dir "$config"
    evl limiter show api
    expect_match '*remaining    2*'
}

# topic NAME LINE...: a file in topics.d
topic() {
    local path=$config/topics.d/$1
    shift
    mkdir -p "$(dirname "$path")"
    printf '%s\n' "$@" >"$path"
}

# Wait until the log has a line, so many times.
until_log() {
    for _ in {1..200}; do
        [[ $(grep -c "$1" "$BATS_TEST_TMPDIR/log") -ge ${2:-1} ]] && return
        sleep 0.02
    done
    fail "expected in the log: $1"
}

@test "topics: files, drop-ins, masks, and the first mistake" {
    file api.limit '[Limiter]' 'Rate=1/s'
    topic chat.topic '[Topic]' 'Name=chat/all' 'Mode=0660'
    topic chat.topic.d/10-group.conf '[Topic]' 'Group=0' 'Mode=0640'
    topic plain.topic '# everything as it comes'
    : >"$config/topics.d/empty.topic"
    ln -s /dev/null "$config/topics.d/null.topic"
    topic api.limit 'this is no topic'
    check_config
    expect_status 0
    [[ $stderr == "evloopd: warning: $config/topics.d/api.limit is not read, "* ]] || fail
    expect_output "$config/limits.d/api.limit: api
$config/topics.d/chat.topic: chat/all
$config/topics.d/plain.topic: plain"
    rm "$config/topics.d/api.limit"
    bad() {
        local complaint="evloopd: $config/topics.d/bad.topic:$1"
        shift
        topic bad.topic "$@"
        check_config
        [[ $status -eq 78 && -z $output && $stderr == "$complaint" ]] || fail "expected: $complaint"
    }
    bad '2: Mode=7: an octal mode made of subscribe (4) and emit (2) is expected, as 0660' '[Topic]' 'Mode=7'
    bad '2: [Topic] has no key Rate' '[Topic]' 'Rate=1/s'
    bad '1: Name= is in no section [Topic]' 'Name=x'
    # Else it would be everybody's.
    bad '2: there is no section [Topics], but [Topic]' '# a comment' '[Topics]'
    bad '1: there is no section [Topics], but [Topic]' $'\xef\xbb\xbf[Topics]' 'Mode=0600'
    bad '2: Owner=no-such-user: there is no such user' '[Topic]' 'Owner=no-such-user' 'Mode=x'
    bad '2: Name=topic:x: the name begins with topic:, which is reserved' '[Topic]' 'Name=topic:x'
    topic bad.topic '[Topic]' 'Name=plain'
    check_config
    expect_status 78
    [[ $stderr == "evloopd: $config/topics.d/plain.topic: the name 'plain' is that of $config/topics.d/bad.topic already" ]] || fail
    # A mistake in either is one of the whole.
    rm "$config/topics.d/bad.topic"
    file bad.limit '[Limiter]' 'Rate=5/'
    check_config
    expect_status 78
}

@test "topics: a reload begins and ends them, and with a mistake keeps them" {
    topic kept.topic '[Topic]'
    topic gone.topic '[Topic]'
    start_daemon --config-dir "$config" 2>"$BATS_TEST_TMPDIR/log"
    pids=()
    for name in kept gone own; do
        "$EVLOOP" subscribe "$name" >"$BATS_TEST_TMPDIR/$name" 2>"$BATS_TEST_TMPDIR/$name.err" 3>&- &
        pids+=($!)
    done
    hears() {
        for _ in {1..200}; do
            evl emit "$1" "$2"
            [[ $output == "receivers=${3:-1}" ]] && return
            sleep 0.02
        done
        fail "$1: expected receivers=${3:-1}"
    }
    for name in kept gone own; do
        hears "$name" one
    done
    topic bad.topic '[Topic]' 'Mode=x'
    rm "$config/topics.d/gone.topic"
    kill -HUP "$daemon"
    until_log "evloopd: configuration stays as it was: $config/topics.d/bad.topic:2: Mode=x"
    for name in kept gone own; do
        hears "$name" two
    done
    rm "$config/topics.d/bad.topic"
    topic own.topic '[Topic]'
    kill -HUP "$daemon"
    until_log 'configuration was read: 0 limiters, 2 topics'
    hears kept three
    # The other two are over: who has subscribed ends.
    hears gone three 0
    hears own three 0
    wait "${pids[1]}" "${pids[2]}" || true
    kill "${pids[0]}"
    wait "${pids[0]}" || true
    [[ $(<"$BATS_TEST_TMPDIR/kept") == $'one\ntwo\nthree' ]] || fail "kept: $(<"$BATS_TEST_TMPDIR/kept")"
    [[ $(<"$BATS_TEST_TMPDIR/gone") == $'one\ntwo' ]] || fail "gone: $(<"$BATS_TEST_TMPDIR/gone")"
    [[ $(<"$BATS_TEST_TMPDIR/own") == $'one\ntwo' ]] || fail "own: $(<"$BATS_TEST_TMPDIR/own")"
}

@test "who may look and who may take" {
    [[ $(id -u) -eq 0 ]] && setpriv --reuid=1 --clear-groups true 2>/dev/null || skip "only root can be others"
    file api.limit '[Limiter]' 'Rate=1/h' 'Burst=100' 'Owner=2001' 'Group=2002' 'Mode=0640'
    file team.limit '[Limiter]' 'Concurrency=2' 'Owner=2001' 'Group=2002' 'Mode=0660'
    file everyone.limit '[Limiter]' 'Rate=1/h' 'Burst=100'
    file taken.limit '[Limiter]' 'Rate=1/h' 'Burst=100' 'MaxDebt=1' 'Owner=2001' 'Mode=0602'
    file named.limit '[Limiter]' 'Rate=1/h' 'Owner=1' 'Group=1' 'Mode=0600'
    topic news.topic '[Topic]' 'Owner=2001' 'Group=2002' 'Mode=0642'
    # Others must be able to get there.
    dir=$(mktemp -d /tmp/evloop-test-XXXXXX)
    chmod 755 "$dir"
    "$EVLOOPD" --system --socket "$dir/socket" --config-dir "$config" 3>&- &
    daemon=$!
    for _ in {1..200}; do
        [[ -S $dir/socket ]] && chmod 666 "$dir/socket" && break
        sleep 0.02
    done
    other() {
        local who=$1
        shift
        status=0
        output=$(EVLOOP_SOCKET=$dir/socket setpriv --reuid="${who%%:*}" --regid=3000 --groups="${who#*:}" \
            "$EVLOOP" "$@" 2>"$BATS_TEST_TMPDIR/err" 3>&-) || status=$?
        stderr=$(<"$BATS_TEST_TMPDIR/err")
    }
    other 2005:3001 ping
    [[ $status -eq 0 ]] || { rm -r "$dir" && skip "others cannot run the program where it was built"; }
    other 2001:3001 limit api --try
    expect_status 0
    other 2005:3001,2002 limiter show api
    expect_match '*remaining    99*'
    other 2005:3001,2002 limit api --try
    expect_status 77
    [[ $stderr == "evloop: uid 2005 may not take from the limiter 'api', which is of uid 2001 and gid 2002 with mode 0640" ]] || fail
    other 2005:3001 limiter show api
    expect_status 77
    # Where there is a name it is said.
    other 2005:3001 limiter show named
    [[ $stderr == "evloop: uid 2005 may not look at the limiter 'named', which is of uid 1 ($(id -un 1)) and gid 1 ($(getent group 1 | cut -d: -f1)) with mode 0600" ]] || fail
    other 2005:3001 reload
    expect_status 77
    [[ $stderr == 'evloop: only root may have the configuration read again' ]] || fail
    other 2005:3001 limiter list --json
    [[ $(jq -r '.[].spec.name' <<<"$output") == everyone ]] || fail
    other 2005:3001 limit api --rate 1/h --burst 100 --try
    expect_status 77
    # As evloopd.limit(5) has it: 2 alone is to take, to give back and to hold, and not to look; nobody else ends a hold.
    for verb in refund charge; do
        other 2005:3001 limiter "$verb" taken
        expect_status 0
    done
    other 2005:3001 limiter hold taken 100h
    expect_status 0
    for verb in show peek explain holders reset remove; do
        other 2005:3001 limiter "$verb" taken
        expect_status 77
    done
    other 2005:3001 limit taken --try
    expect_status 77
    other 2001:3001 limiter reset taken
    expect_match 'done remaining=100 *'
    # Shared in truth: what one takes the other misses.
    other 2005:3001 limit everyone -n 60 --try
    expect_status 0
    other 2006:3001 limit everyone -n 60 --try
    expect_status 75
    # Only the owner fills it again.
    other 2006:3001 limiter reset everyone
    expect_status 77
    other 2001:3001 limiter reset api
    expect_status 0
    # A place is held on the account of whom it was given to, who need have no session any more.
    other 2005:2002 limit team -- sh -c "sleep 0.3; echo held"
    expect_output held
    other 2006:2002 limit team -- "$EVLOOP" limiter holders team
    expect_match '*held pid=* uid=2006 n=1 *'
    other 2005:2002 ping
    expect_status 0
    # Topics: heard by whom they are for, whoever's uid emits.
    other 2005:3001 subscribe news --timeout 10ms
    expect_status 77
    [[ $stderr == "evloop: subscribe: uid 2005 may not subscribe to the topic 'news', which is of uid 2001 and gid 2002 with mode 0642" ]] || fail
    EVLOOP_SOCKET=$dir/socket setpriv --reuid=2006 --regid=2002 --clear-groups \
        "$EVLOOP" subscribe news --once >"$BATS_TEST_TMPDIR/news" 3>&- &
    for _ in {1..200}; do
        other 2005:3001 emit news "from 2005"
        [[ $output == receivers=1 ]] && break
        sleep 0.02
    done
    wait $!
    [[ $(<"$BATS_TEST_TMPDIR/news") == "from 2005" ]] || fail
    other 2006:2002 emit news no
    expect_status 77
    rm -r "$dir"
}
