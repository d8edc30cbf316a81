#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Do the manual pages say what the programs, the library and the limits are, and no more than that?
#
#     evloopd(8)     every option of --help, every limit of proto/limits.h with its value
#     evloopd.conf(5)   every key, with its default
#     evloopd.limit(5)  every key
#     evloopd.topic(5)  every key
#     evloop(1)      every verb, and every option of each verb's --help
#     evloop-bridge(1)  every call
#     evloop.bash(3)    every function
#     libevloop(3)   every function, constant and structure member of evloop.h
#     *.md           every file that is named exists
#     README.md      the packages to install are those that contrib/check and contrib/demo need for a build
set -eu
builddir=$PWD
cd "${srcdir:-$(dirname "$0")/..}"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0
skipped=

complain() {
    echo "$*"
    failed=1
}

# same WHAT-1 WHAT-2: the words on the lines of $scratch/1 and $scratch/2 are the same.
same() {
    sort -u -o "$scratch/1" "$scratch/1"
    sort -u -o "$scratch/2" "$scratch/2"
    [ -s "$scratch/1" ] || complain "$1: nothing found"
    for word in $(comm -23 "$scratch/1" "$scratch/2"); do
        complain "$word: in $1, not in $2"
    done
    for word in $(comm -13 "$scratch/1" "$scratch/2"); do
        complain "$word: in $2, not in $1"
    done
}

# --option, from text on standard input.
long_options() {
    grep -oE -e '(^|[^-[:alnum:]])--[a-z][a-z-]*' | grep -oE -e '--[a-z-]+' || true
}

# --option, from the items of an mdoc page: ".It Fl -name", ".It Fl s , Fl -signal Ar SIG".
page_options() {
    sed -nE 's/^\.It (.*Fl .*)/\1/p' "$1" | grep -oE 'Fl -[a-z][a-z-]*' | sed 's/^Fl /-/'
}

man=contrib/man

# ---- evloopd(8) ------------------------------------------------------------------------------------------------------

"$EVLOOPD" --help | long_options >"$scratch/1"
page_options $man/evloopd.8 >"$scratch/2"
same "evloopd --help" "evloopd(8)"

tests/print-limits.sh >"$scratch/values"
[ -s "$scratch/values" ] || complain "proto/limits.h: no limits found"
# shellcheck disable=SC2094 # only read
while read -r macro value; do
    case $macro in
    LIMIT_*_USER | POOL_*) ;;
    LIMIT_*)
        name=$(echo "${macro#LIMIT_}" | tr 'A-Z_' 'a-z-')
        own=$(sed -n "s/^${macro}_USER //p" "$scratch/values")
        pool=$(sed -n "s/^POOL_${macro#LIMIT_} //p" "$scratch/values")
        grep -q "^\.It Cm $name Ta $value Ta ${own:-$value} Ta ${pool:--} Ta " $man/evloopd.8 ||
            complain "evloopd(8): no line for the limit $name, $value, ${own:-$value} and ${pool:--}"
        ;;
    *)
        grep -q "^\.It Dv $macro Ta $value Ta " $man/evloopd.8 || complain "evloopd(8): no line for $macro, $value"
        ;;
    esac
done <"$scratch/values"
sed -nE 's/^\.It Dv ([A-Z_]+) Ta .*/\1/p' $man/evloopd.8 >"$scratch/2"
sed -nE '/^(LIMIT|POOL)_/!s/ .*//p' "$scratch/values" >"$scratch/1"
same "proto/limits.h" "evloopd(8)"

# ---- evloopd.conf(5) -------------------------------------------------------------------------------------------------

sed -nE '/daemon_keys_table\[\] = \{/,/^\};/s/\{ "/\n"/gp' daemon/settings.c | sed -nE 's/^"([A-Za-z]+)", .*/\1/p' >"$scratch/1"
sed -nE 's/^\.It Cm ([A-Za-z]+) Ns = .*/\1/p' $man/evloopd.conf.5 >"$scratch/2"
same "daemon/settings.c" "evloopd.conf(5)"

# The keys of limits are their names, written as files have them: KEY SYSTEM OWN, and pool.KEY VALUE.
awk '
    function words(name,    i, n, part, result) {
        n = split(tolower(name), part, "_")
        for (i = 1; i <= n; i++)
            result = result toupper(substr(part[i], 1, 1)) substr(part[i], 2)
        return result
    }
    $1 ~ /^LIMIT_.*_USER$/ { sub("^LIMIT_", "", $1); sub("_USER$", "", $1); own[words($1)] = $2; next }
    $1 ~ /^LIMIT_/ { sub("^LIMIT_", "", $1); value[words($1)] = $2 }
    $1 ~ /^POOL_/ { sub("^POOL_", "", $1); print "pool." words($1) "=" $2 }
    END { for (key in value) print key "=" value[key] "=" own[key] }
' "$scratch/values" >"$scratch/1"
sed -nE -e 's/^\.It Cm ([A-Za-z]+) Ta ([0-9]+) Ta ([0-9]+) Ta .*/\1=\2=\3/p' -e 's/^\.It Cm ([A-Za-z]+) Ta ([0-9]+)$/pool.\1=\2/p' \
    $man/evloopd.conf.5 >"$scratch/2"
same "proto/limits.h" "evloopd.conf(5)"

# ---- evloopd.limit(5) ------------------------------------------------------------------------------------------------

{
    echo Rate
    echo Burst
    sed -nE '/limiter_keys_table\[\] = \{/,/^\};/s/\{ "/\n"/gp' daemon/svc/limit-file.c | sed -nE 's/^"([A-Za-z]+)", .*/\1/p'
} >"$scratch/1"
sed -nE 's/^\.It Cm ([A-Za-z]+) .*/\1/p' $man/evloopd.limit.5 >"$scratch/2"
same "daemon/svc/limit-file.c" "evloopd.limit(5)"

# ---- evloopd.topic(5) ------------------------------------------------------------------------------------------------

sed -nE '/topic_keys_table\[\] = \{/,/^\};/s/\{ "/\n"/gp' daemon/svc/topic-file.c | sed -nE 's/^"([A-Za-z]+)", .*/\1/p' >"$scratch/1"
sed -nE 's/^\.It Cm ([A-Za-z]+) .*/\1/p' $man/evloopd.topic.5 >"$scratch/2"
same "daemon/svc/topic-file.c" "evloopd.topic(5)"

# ---- evloop(1) -------------------------------------------------------------------------------------------------------

"$EVLOOP" --help | sed -nE '/^Verbs:/,/^$/s/^  ([a-z]+) .*/\1/p' >"$scratch/verbs"
"$EVLOOP" --help | long_options >"$scratch/all"
while read -r verb; do
    grep -qE "^\.It Cm $verb( |\$)" $man/evloop.1 || complain "evloop(1): no item for the verb $verb"
    "$EVLOOP" "$verb" --help >"$scratch/help" || complain "evloop $verb --help: fails"
    long_options <"$scratch/help" >>"$scratch/all"
done <"$scratch/verbs"
sed -nE 's/^\.It Cm ([a-z]+).*/\1/p' $man/evloop.1 >"$scratch/2"
cp "$scratch/verbs" "$scratch/1"
same "evloop --help" "evloop(1)"
cp "$scratch/all" "$scratch/1"
page_options $man/evloop.1 >"$scratch/2"
same "evloop's and its verbs' --help" "evloop(1)"

# ---- evloop-bridge(1) ------------------------------------------------------------------------------------------------

sed -nE '/bridge_verb verbs\[\] = \{/,/^\};/s/^[[:blank:]]+\{ "([a-z ]+)".*/\1/p' client/cli/bridge-call.c | tr ' ' _ >"$scratch/1"
sed -nE '/^\.Sh CALLS/,/^\.Sh EVENTS/s/^\.It Cm ([a-z ]+)$/\1/p' $man/evloop-bridge.1 | tr ' ' _ >"$scratch/2"
same "client/cli/bridge-call.c" "evloop-bridge(1)"
# The other words for them are in its text.
sed -nE '/aliases\[\]\[2\] = \{/,/^\};/s/^[[:blank:]]+\{ "([a-z ]+)".*/\1/p' client/cli/bridge-call.c | while read -r alias; do
    grep -qx "\.Cm $alias" $man/evloop-bridge.1 || echo "evloop-bridge(1): nothing about the call $alias"
done >"$scratch/lacking"
while read -r line; do
    complain "$line"
done <"$scratch/lacking"

# ---- evloop.bash(3) --------------------------------------------------------------------------------------------------

sed -nE 's/^(ev_[a-z]+)\(\) \{/\1/p' contrib/evloop.bash >"$scratch/1"
sed -nE 's/^\.It Ic (ev_[a-z]+)( .*|$)/\1/p' $man/evloop.bash.3 >"$scratch/2"
same "contrib/evloop.bash" "evloop.bash(3)"

# ---- libevloop(3) ----------------------------------------------------------------------------------------------------

sed -nE 's/^\.F[no] (evl_[a-z_]+).*/\1/p' $man/libevloop.3 >"$scratch/2"
grep -oE '\bevl_[a-z_]+\(' client/evloop.h | tr -d '(' | grep -vE '^evl_((timer|grant|watch|subscription)(_init)?|limit(_of)?)$' >"$scratch/1"
# What the page says of structures is not of functions.
same "evloop.h" "libevloop(3)"

# Constants, and the members of the structures that callers read and write.
grep -oE '\bEVL_[A-Z_]+\b' client/evloop.h | sort -u | while read -r constant; do
    grep -qwF "$constant" $man/libevloop.3 || echo "$constant"
done >"$scratch/lacking"
for structure in evl_timer evl_event evl_rate evl_limit evl_grant evl_watch evl_subscription evl_change; do
    # One name a line, two where they share a type; comments first go.
    sed -nE -e 's|/\*.*||' -e "/^struct $structure \{/,/^\};/s/^[[:blank:]].*[[:blank:]*,]([a-z_]+);.*/\1/p" client/evloop.h
done | sort -u | while read -r member; do
    grep -qE "\b$member\b" $man/libevloop.3 || echo "$member"
done >>"$scratch/lacking"
while read -r word; do
    complain "libevloop(3): nothing about $word of evloop.h"
done <"$scratch/lacking"

# ---- files named in the prose --------------------------------------------------------------------------------------

for text in README.md ARCHITECTURE.md CONTRIBUTING.md NEWS proto/PROTOCOL.md; do
    grep -oE '\b(proto|daemon|client|contrib|tests)/[A-Za-z0-9_/.*-]*[A-Za-z0-9]' "$text" | sort -u | while read -r path; do
        case $path in
        *NOUN*) continue ;; # one to be made
        esac
        # Patterns are left as they are where they match nothing.
        for match in $path; do
            path=$match
        done
        [ -e "$path" ] || [ -e "$builddir/$path" ] || echo "$text: there is no $path"
    done
    grep -oE '\]\([^)#:]+\)' "$text" | tr -d '()' | sed 's/^]//' | sort -u | while read -r path; do
        [ -e "$(dirname "$text")/$path" ] || echo "$text: there is no $path"
    done
done >"$scratch/lacking"
while read -r line; do
    complain "$line"
done <"$scratch/lacking"

# ---- examples --------------------------------------------------------------------------------------------------------

# All of them are installed.
ls contrib/examples | grep -vx local.mk | sort >"$scratch/1"
sed -n '/^dist_examples_/,$p' contrib/examples/local.mk | grep -oE '[a-z0-9-]+\.(c|sh|bash|py)\b' | sort >"$scratch/2"
same "contrib/examples" "contrib/examples/local.mk"

# ---- packages to install -------------------------------------------------------------------------------------------

# The C library's headers come with gcc.
sed -nE 's/^build  [^ ]+ +([^ ]+) .*/\1/p' contrib/prepare.sh | grep -vx libc6-dev >"$scratch/1"
sed -nE '/^    apt-get install/,/[^\\]$/{s/^    (apt-get install)?//;s/\\$//;p;}' README.md | tr -s ' ' '\n' | sed '/^$/d' >"$scratch/2"
same "contrib/prepare.sh" "README.md"

# ---- form ------------------------------------------------------------------------------------------------------------

if command -v mandoc >/dev/null; then
    # Pages of other packages, and our own before they are installed, cannot be found.
    mandoc -T lint $man/evloopd.8 $man/evloopd.conf.5 $man/evloopd.limit.5 $man/evloopd.topic.5 $man/evloop.1 $man/evloop-bridge.1 $man/evloop.bash.3 $man/libevloop.3 2>&1 |
        grep -vE 'referenced manual not found|outdated mandoc.db|unknown manual section|missing date' >"$scratch/lint" || true
    while read -r line; do
        complain "$line"
    done <"$scratch/lint"
else
    skipped="mandoc is missing, the form of the pages was not looked at"
fi

[ "$failed" -eq 0 ] || exit 1
[ -z "$skipped" ] || {
    echo "skipped in part: $skipped"
    exit 77
}
