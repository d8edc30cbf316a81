#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The examples for the shell, as a user runs them: with evloop in the PATH, and with a curl that knows what the server says.

# shellcheck disable=SC2154 # variables of the helper
load helper

examples=${srcdir:?is set by make check}/contrib/examples

setup() {
    start_daemon
    cd "$BATS_TEST_TMPDIR"
    mkdir bin
    printf '#!/bin/sh\nexec %q "$@"\n' "$EVLOOP" >bin/evloop
    chmod +x bin/evloop
    PATH=$BATS_TEST_TMPDIR/bin:$PATH
}

teardown() {
    stop_daemon
}

# The server's answers, one for each request; without more of them it says 200.
serve() {
    printf '%s\n' "$@" >answers
    cat >bin/curl <<'END'
#!/bin/bash
while [[ $# -gt 1 ]]; do
    [[ $1 == -D ]] && headers=$2
    shift
done
read -r status retry <answers || status=200
sed -i 1d answers
echo "$(date +%s%N) $status $1" >>requests
printf 'HTTP/1.1 %s\r\n%s\r\n' "$status" "${retry:+Retry-After: $retry$'\r\n'}" >"$headers"
printf %s "$status"
END
    chmod +x bin/curl
}

fetch() {
    status=0
    output=$("$examples/fetch.sh" "$@" 2>err 3>&-) || status=$?
    stderr=$(<err)
}

@test "many at once under one limit" {
    local began=$(date +%s%N)
    { seq 69; echo 'two  words'; } | "$examples/parallel.sh" sh -c 'echo "$1" >>seen' - 3>&-
    [[ $(($(date +%s%N) - began)) -ge 400000000 ]] || fail "too fast"
    [[ $(sort -n seen | tr '\n' ' ') == "two  words $(seq 69 | tr '\n' ' ')" ]] || fail "$(<seen)"
    status=0
    echo x | "$examples/parallel.sh" false 3>&- || status=$?
    expect_status 123
}

@test "an answer 429 is a hold for everybody" {
    serve 200 '429 1' 200
    fetch http://a http://b
    expect_status 0
    [[ $(cut -d' ' -f2- requests) == $'200 http://a\n429 http://b\n200 http://b' ]] || fail "$(<requests)"
    local times=($(cut -d' ' -f1 requests))
    [[ $((times[2] - times[1])) -ge 1000000000 ]] || fail "it has not waited"
    # Without a time it is a second; what else goes wrong is said.
    serve 404
    fetch http://c
    expect_status 1
    [[ $stderr == 'fetch.sh: http://c: 404' ]] || fail
}
