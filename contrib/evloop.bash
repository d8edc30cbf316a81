# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# evloop.bash: an event loop for shell scripts, on evloop bridge.  To be sourced; see evloop.bash(3).
#
#     . evloop.bash
#     tick() { echo "tick, $EV_FIRES"; }
#     ev_every 1s tick
#     ev_run
#
# The bridge is a coprocess, started by the first call that needs it; each call is one line to it, and its answer is waited for.
# Lines of events that come in between wait in _ev_pending, so they are dispatched in order.  Names that begin with _ev_ are internal.

if ((BASH_VERSINFO[0] < 5)); then
    echo "evloop.bash: needs bash 5.0 or later, this is $BASH_VERSION" >&2
    # shellcheck disable=SC2317 # reached where it is run and not sourced
    return 1 2>/dev/null || exit 1
fi

# A second time is fine: what is armed stays.
if [[ -n ${_ev_owner-} && $_ev_owner == "$BASHPID" ]]; then
    return 0
fi

: "${EV_SLOW_MS:=1000}"
declare -g EV_ID='' EV_OUTCOME='' EV_RECEIVERS=0
declare -g _ev_pid='' _ev_owner='' _ev_last=0 _ev_stopped=0 _ev_running='' _ev_line='' _ev_answer='' _ev_quoted=''
declare -g _ev_error='' _ev_message='' _ev_lost=''
declare -ga _ev_pending=() # from _ev_first on
declare -g _ev_first=0 _ev_next_free=0
declare -gA _ev_handler=() # by id: the handler and its words, quoted
declare -gA _ev_about=()   # by id: the path that is watched, "child" of one's own process, or the status of one that was over

_ev_complain() {
    printf 'evloop.bash: %s\n' "$*" >&2
}

_ev_usage() {
    _ev_complain "usage: $*"
    return 64
}

# ---- the bridge ------------------------------------------------------------------------------------------------------

_ev_start() {
    local trap fd
    if [[ -n $_ev_pid ]]; then
        if [[ $BASHPID != "$_ev_owner" ]]; then
            _ev_complain "the loop belongs to process $_ev_owner, a subshell has none"
            return 70
        fi
        [[ -z $_ev_lost ]] || return 69
        return 0
    fi
    # Who writes to a bridge that has gone gets an error, and is not killed.  Children are, as ever.
    trap=$(trap -p PIPE)
    [[ -n $trap ]] || trap : PIPE
    coproc _ev_bridge {
        # It ends with the script, whose traps may have something to say first.
        trap '' INT TERM HUP
        # A pipe of the script ends when the script closes it, not when the bridge ends.
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            ((fd <= 2 || fd == 255)) || eval "exec $fd>&-"
        done
        exec "${EVLOOP:-evloop}" bridge --shell=EV_
    }
    # shellcheck disable=SC2154 # coproc sets it
    _ev_pid=$_ev_bridge_PID _ev_owner=$BASHPID
    # A plain `wait` of the script is for its own children.
    disown "$_ev_pid" 2>/dev/null || true
}

_ev_gone() {
    [[ -n $_ev_lost ]] || _ev_complain "the bridge to the daemon has gone"
    _ev_lost=1
    _ev_handler=() _ev_about=()
    _ev_error=DISCONNECTED _ev_message='the daemon has gone'
    return 69
}

_ev_send() {
    # When it has ended bash closes the descriptors, and forgets them.
    [[ -n ${_ev_bridge[1]-} ]] && printf '%s\n' "$1" >&"${_ev_bridge[1]}"
} 2>/dev/null

_ev_read() {
    [[ -n ${_ev_bridge[0]-} ]] && IFS= read -r -u "${_ev_bridge[0]}" _ev_line
} 2>/dev/null

# _ev_ask CALL FIELDS: the answer is in _ev_answer, to be given to `eval local`; or why there is none in _ev_error and _ev_message.
_ev_ask() {
    _ev_start || return
    _ev_last=$((_ev_last + 1))
    _ev_send "{\"id\":$_ev_last,\"call\":\"$1\"$2}" || {
        _ev_gone
        return
    }
    while _ev_read; do
        case $_ev_line in
        "EV_ID=$_ev_last EV_OK=1"*)
            _ev_answer=$_ev_line
            return 0
            ;;
        "EV_ID=$_ev_last "*)
            _ev_note_error
            return
            ;;
        *) _ev_keep "$_ev_line" ;;
        esac
    done
    _ev_gone
}

# A line for later.
_ev_keep() {
    _ev_pending[_ev_next_free]=$1
    _ev_next_free=$((_ev_next_free + 1))
}

# The exit statuses of evloop(1).
_ev_note_error() {
    # shellcheck disable=SC2034 # what a line says
    local EV_ID EV_ERROR='' EV_MESSAGE=''
    eval "local $_ev_line"
    _ev_error=$EV_ERROR _ev_message=$EV_MESSAGE
    case $EV_ERROR in
    INVALID | OUT_OF_RANGE | COST_EXCEEDS_BURST) return 65 ;;
    NOT_FOUND) return 66 ;;
    DISCONNECTED | DIED) return 69 ;;
    EXISTS) return 73 ;;
    TIMEOUT) return 75 ;;
    PROTOCOL | UNSUPPORTED) return 76 ;;
    QUOTA | PERM) return 77 ;;
    *) return 70 ;;
    esac
}

# The same, and what is wrong is said.
_ev_call() {
    local status=0
    _ev_error=''
    _ev_ask "$@" || status=$?
    [[ $status -eq 0 || -z $_ev_error || -n $_ev_lost ]] || _ev_complain "$1: $_ev_message"
    return "$status"
}

# _ev_quote BYTES: as JSON, in _ev_quoted.  What is not plain goes as numbers, which JSON has for any byte.
_ev_quote() {
    local LC_ALL=C text=$1 backslash=\\\\ quote=\\\" byte i
    if [[ $text != *[![:print:]]* ]]; then
        text=${text//\\/"$backslash"}
        _ev_quoted=\"${text//\"/"$quote"}\"
        return
    fi
    _ev_quoted=
    for ((i = 0; i < ${#text}; i++)); do
        printf -v byte %d "'${text:i:1}"
        _ev_quoted+=,$((byte & 255))
    done
    _ev_quoted=[${_ev_quoted#,}]
}

_ev_is_number() {
    [[ $1 =~ ^[0-9]{1,10}$ ]]
}

# What cannot be called is found here, and not when it is too late.
_ev_is_handler() {
    command -v -- "$1" >/dev/null && return
    _ev_complain "'$1' is neither a function nor a command: it has to be there before something is armed for it"
    return 64
}

# _ev_arm CALL FIELDS HANDLER [WORD]...
_ev_arm() {
    local call=$1 fields=$2 words
    shift 2
    _ev_is_handler "$1" || return
    printf -v words '%q ' "$@"
    _ev_call "$call" "$fields" || return
    EV_ID=$_ev_last
    _ev_handler[$EV_ID]=$words
}

# ---- timers ----------------------------------------------------------------------------------------------------------

ev_soon() {
    [[ $# -ge 1 ]] || _ev_usage 'ev_soon HANDLER [WORD]...' || return
    _ev_arm soon '' "$@"
}

ev_after() {
    [[ $# -ge 2 ]] || _ev_usage 'ev_after DUR HANDLER [WORD]...' || return
    _ev_quote "$1"
    _ev_arm after ",\"delay\":$_ev_quoted" "${@:2}"
}

ev_every() {
    [[ $# -ge 2 ]] || _ev_usage 'ev_every DUR HANDLER [WORD]...' || return
    _ev_quote "$1"
    _ev_arm every ",\"period\":$_ev_quoted" "${@:2}"
}

ev_at() {
    [[ $# -ge 2 ]] || _ev_usage 'ev_at TIME HANDLER [WORD]...' || return
    _ev_quote "$1"
    _ev_arm at ",\"deadline\":$_ev_quoted" "${@:2}"
}

# ---- watches ---------------------------------------------------------------------------------------------------------

_ev_watch_fd() {
    [[ $# -ge 4 ]] && _ev_is_number "$3" || _ev_usage "$1 FD HANDLER [WORD]..." || return
    _ev_arm watch ",\"fd\":$3,\"pid\":$BASHPID,\"events\":\"$2\"" "${@:4}"
}

ev_reader() {
    _ev_watch_fd ev_reader readable "$@"
}

ev_writer() {
    _ev_watch_fd ev_writer writable "$@"
}

# Is that process, which may have ended, a child of this shell?
_ev_is_child() {
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # Behind the name: the state, and the parent.
    stat=${stat##*) }
    [[ $stat =~ ^[A-Za-z]\ ([0-9]+)\  && ${BASH_REMATCH[1]} == "$BASHPID" ]]
}

ev_pid() {
    local pid=${1-} about='' status=0
    [[ $# -ge 2 ]] && _ev_is_number "$pid" || _ev_usage 'ev_pid PID HANDLER [WORD]...' || return
    _ev_is_handler "$2" || return
    if _ev_is_child "$pid"; then
        about=child
    fi
    _ev_start || return
    local words
    printf -v words '%q ' "${@:2}"
    _ev_ask watch ",\"pid\":$pid" || status=$?
    if [[ $status -eq 66 ]]; then
        # One's own that has ended by now: the shell remembers how.
        status=0
        wait "$pid" 2>/dev/null || status=$?
        if [[ $status -eq 127 && $about != child && $pid != "${!-}" ]]; then
            _ev_complain "watch: $_ev_message"
            return 66
        fi
        about="$pid $status"
        _ev_call soon '' || return
    elif [[ $status -ne 0 ]]; then
        [[ -n $_ev_lost ]] || _ev_complain "watch: $_ev_message"
        return "$status"
    fi
    EV_ID=$_ev_last
    _ev_handler[$EV_ID]=$words
    [[ -z $about ]] || _ev_about[$EV_ID]=$about
}

ev_path() {
    local usage='ev_path PATH [-r] [--exclude GLOB]... [--settle DUR] HANDLER [WORD]...'
    local path='' fields='' exclude='' words
    while [[ $# -gt 0 ]]; do
        case $1 in
        -r | --recursive) fields+=',"recursive":true' ;;
        --exclude | --settle)
            [[ $# -ge 2 ]] || _ev_usage "$usage" || return
            _ev_quote "$2"
            if [[ $1 == --exclude ]]; then
                exclude+=,$_ev_quoted
            else
                fields+=",\"settle\":$_ev_quoted"
            fi
            shift
            ;;
        --)
            shift
            break
            ;;
        -*) _ev_usage "$usage" || return ;;
        *)
            [[ -z $path ]] || break
            path=$1
            ;;
        esac
        shift
    done
    [[ -n $path && $# -ge 1 ]] || _ev_usage "$usage" || return
    if [[ $path == /* ]]; then
        _ev_quote "$path"
    else
        _ev_quote "$PWD/$path"
    fi
    fields+=",\"path\":$_ev_quoted"
    [[ -z $exclude ]] || fields+=",\"exclude\":[${exclude#,}]"
    _ev_arm watch "$fields" "$@" || return
    _ev_about[$EV_ID]=$path
}

# ---- topics ----------------------------------------------------------------------------------------------------------

ev_subscribe() {
    local usage='ev_subscribe TOPIC [--latest | --queue N] HANDLER [WORD]...' topic fields=''
    [[ $# -ge 2 ]] || _ev_usage "$usage" || return
    topic=$1
    shift
    case $1 in
    --latest)
        fields=',"queue":0'
        shift
        ;;
    --queue)
        # None at all is what --latest is for.
        [[ ${2-} =~ ^0*[1-9][0-9]{0,8}$ ]] || _ev_usage "$usage" || return
        fields=",\"queue\":$((10#$2))"
        shift 2
        ;;
    esac
    [[ $# -ge 1 ]] || _ev_usage "$usage" || return
    _ev_quote "$topic"
    _ev_arm subscribe ",\"topic\":$_ev_quoted$fields" "$@"
}

ev_emit() {
    local topic
    [[ $# -ge 1 && $# -le 2 ]] || _ev_usage 'ev_emit TOPIC [DATA]' || return
    _ev_quote "$1"
    topic=$_ev_quoted
    _ev_quote "${2-}"
    _ev_call emit ",\"topic\":$topic,\"data\":$_ev_quoted" || return
    # shellcheck disable=SC2034 # for the caller
    EV_RECEIVERS=${_ev_answer##*EV_RECEIVERS=}
}

# ---- limiters --------------------------------------------------------------------------------------------------------

# _ev_option KEY TEXT: one that is text, into the caller's fields.
_ev_option() {
    _ev_quote "$2"
    fields+=",\"$1\":$_ev_quoted"
}

ev_acquire() {
    local usage='ev_acquire LIMITER [--rate RATE] [--burst N] [--concurrency N] [--key KEY] [-n COST] [--max-wait DUR]
    HANDLER [WORD]...'
    local fields='' name
    [[ $# -ge 2 ]] || _ev_usage "$usage" || return
    name=$1
    shift
    while [[ ${1-} == -* ]]; do
        case $1 in
        --rate | --key) _ev_option "${1#--}" "${2-}" ;;
        --max-wait) _ev_option max_wait "${2-}" ;;
        --burst | --concurrency | --cost | -n)
            _ev_is_number "${2-}" || _ev_usage "$usage" || return
            if [[ $1 == -n ]]; then
                fields+=",\"cost\":$2"
            else
                fields+=",\"${1#--}\":$2"
            fi
            ;;
        *) _ev_usage "$usage" || return ;;
        esac
        [[ $# -ge 2 ]] || _ev_usage "$usage" || return
        shift 2
    done
    [[ $# -ge 1 ]] || _ev_usage "$usage" || return
    _ev_quote "$name"
    _ev_arm limit ",\"name\":$_ev_quoted$fields" "$@" || return
    _ev_note_grant
}

# Granted or denied at once is an event all the same: handlers are called by the loop and by nobody else.
_ev_note_grant() {
    # shellcheck disable=SC2034 # what a line says
    local id=$EV_ID EV_ID EV_ALLOWED=0 EV_QUEUED=0 EV_MORE=0 claim=timed-out
    eval "local $_ev_answer"
    ((!EV_QUEUED)) || return 0
    if ((EV_ALLOWED)); then
        claim=granted
        ((!EV_MORE)) || claim=held
    fi
    _ev_keep "EV_REQUEST=$id EV_EVENT=granted EV_CLAIM=$claim EV_MORE=$EV_MORE"
}

ev_release() {
    [[ $# -eq 1 ]] && _ev_is_number "$1" || _ev_usage 'ev_release ID' || return
    ev_cancel "$1"
}

# ---- the loop --------------------------------------------------------------------------------------------------------

ev_cancel() {
    local known
    [[ $# -eq 1 ]] && _ev_is_number "$1" || _ev_usage 'ev_cancel ID' || return
    known=${_ev_handler[$1]-}
    unset -v "_ev_handler[$1]" "_ev_about[$1]"
    _ev_call cancel ",\"request\":$1" || return
    EV_OUTCOME=${_ev_answer##*EV_OUTCOME=}
    # Its event waits here, and is dropped.
    if [[ $EV_OUTCOME == gone && -n $known ]]; then
        EV_OUTCOME=withdrawn
    fi
}

# Also in a trap, while ev_run reads: the answer to this wakes it.
ev_stop() {
    _ev_stopped=1
    [[ -z $_ev_running ]] || _ev_send '{"call":"ping"}' || true
}

# The next line is in _ev_line.  False: there is nothing to wait for, or the bridge has gone.
_ev_next() {
    if ((_ev_first < _ev_next_free)); then
        _ev_line=${_ev_pending[_ev_first]}
        unset -v "_ev_pending[_ev_first]"
        _ev_first=$((_ev_first + 1))
        return 0
    fi
    [[ ${#_ev_handler[@]} -gt 0 ]] || return 1
    _ev_read || _ev_gone
}

ev_run() {
    local errors _ev_errtrace=$-
    if [[ -n $_ev_running ]]; then
        _ev_complain "ev_run within a handler"
        return 64
    fi
    _ev_start || return
    local _ev_running=1
    errors=$(trap -p ERR)
    _ev_stopped=0
    while ((!_ev_stopped)) && _ev_next; do
        _ev_dispatch
    done
    trap - ERR
    eval "$errors"
    [[ $_ev_errtrace == *E* ]] || set +E
    [[ -z $_ev_lost ]] || return 69
}

# A line that is no event: the answer to what was not waited for.
_ev_stray() {
    # shellcheck disable=SC2034 # what a line says
    local EV_ID EV_OK EV_ERROR='' EV_MESSAGE=''
    eval "local $_ev_line"
    [[ -z $EV_ERROR ]] || _ev_complain "$EV_MESSAGE"
}

# One event: what it says is in variables, which handlers see and which are gone afterwards.
# shellcheck disable=SC2034 # they are for handlers
_ev_dispatch() {
    local EV_SOURCE='' EV_REQUEST='' EV_EVENT='' EV_NAME='' EV_MORE=0 EV_FIRES=0 EV_FIRE_SEQ=0 EV_MISSED=0 EV_LATENESS_NS=0
    local EV_SCHEDULED_NS=0 EV_FIRED_NS=0 EV_READINESS='' EV_PID='' EV_STATUS='' EV_STATUS_KNOWN=0 EV_CHANGES='' EV_RESCAN=0
    local EV_ERROR=0 EV_MESSAGE='' EV_DATA='' EV_GAP_COUNT=0 EV_CLAIM='' EV_ALLOWED=0 EV_PATH=''
    local EV_READINESS_N=0 EV_CHANGES_N=0 EV_LOST=0
    local -a EV_PATHS=()
    case $_ev_line in
    EV_SOURCE=* | EV_REQUEST=* | EV_EVENT=*) ;;
    *)
        _ev_stray
        return
        ;;
    esac
    eval "local $_ev_line"
    if [[ $EV_EVENT == disconnected ]]; then
        _ev_gone || return 0
    fi
    local words=${_ev_handler[${EV_REQUEST:-none}]-} about=${_ev_about[${EV_REQUEST:-none}]-}
    # Cancelled meanwhile.
    [[ -n $words ]] || return 0
    if ((!EV_MORE)) || [[ $EV_EVENT == granted ]]; then
        unset -v "_ev_handler[$EV_REQUEST]" "_ev_about[$EV_REQUEST]"
    fi
    case $EV_EVENT in
    fired) _ev_explain_fired ;;
    ready) _ev_join EV_READINESS EV_READINESS ;;
    process) _ev_explain_process ;;
    changed) _ev_explain_changed ;;
    message) EV_LOST=$EV_GAP_COUNT ;;
    # Another daemon goes on; handlers know no such event.
    lost | error)
        _ev_complain "${words%% *}: $EV_MESSAGE"
        return 0
        ;;
    granted) [[ $EV_CLAIM != held && $EV_CLAIM != granted ]] || EV_ALLOWED=1 ;;
    ended)
        _ev_complain "timer $EV_SOURCE was cancelled by somebody else"
        return 0
        ;;
    esac
    _ev_handle
    # Only now the next one may come.
    case $EV_EVENT in
    ready | changed | timeout)
        [[ -z ${_ev_handler[$EV_REQUEST]-} ]] || _ev_send "{\"call\":\"ack\",\"request\":$EV_REQUEST}" || _ev_gone || true
        ;;
    esac
}

# _ev_join VARIABLE PREFIX: the words PREFIX_0, PREFIX_1 ..., parted by blanks.
_ev_join() {
    local n=$2_N i word joined=''
    for ((i = 0; i < ${!n}; i++)); do
        word=$2_$i
        joined+=" ${!word}"
    done
    printf -v "$1" %s "${joined# }"
}

# It was armed in place of a process that had ended.
_ev_explain_fired() {
    [[ -n $about ]] || return 0
    EV_EVENT=process EV_PID=${about% *} EV_STATUS=${about#* } EV_STATUS_KNOWN=1
}

# The shell knows how its own children end.
_ev_explain_process() {
    if [[ $about == child ]]; then
        EV_STATUS=0 EV_STATUS_KNOWN=1
        wait "$EV_PID" 2>/dev/null || EV_STATUS=$?
    elif ((!EV_STATUS_KNOWN)); then
        # shellcheck disable=SC2034 # for handlers
        EV_STATUS=
    fi
}

# Paths as the script has named them.
_ev_explain_changed() {
    local i path
    for ((i = 0; i < EV_CHANGES_N; i++)); do
        path=EV_CHANGES_${i}_PATH
        path=${!path}
        if [[ -z $path ]]; then
            EV_PATHS+=("$about")
        else
            EV_PATHS+=("${about%/}/$path")
        fi
    done
    [[ $EV_CHANGES_N -eq 0 ]] || _ev_join EV_CHANGES EV_CHANGES_0_CHANGES
    case $EV_ERROR in
    0) ;;
    2) _ev_complain "watch: $about: the folder that it is in does not exist" ;;
    *) _ev_complain "watch: $about: it cannot be watched (error $EV_ERROR)" ;;
    esac
    # shellcheck disable=SC2034 # for handlers
    EV_PATH=${EV_PATHS[0]-}
}

# Call the handler in `words`, and say what was wrong with it.
_ev_handle() {
    local -a handler
    local began=${EPOCHREALTIME/[.,]/} took _ev_status=0
    eval "handler=($words)"
    if [[ $- == *e* ]]; then
        _ev_guard "${handler[@]}"
    else
        "${handler[@]}"
        _ev_status=$?
    fi
    took=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
    [[ $_ev_status -eq 0 ]] || _ev_complain "handler ${handler[0]}: failed with status $_ev_status"
    ((took < EV_SLOW_MS)) || _ev_complain "handler ${handler[0]}: took $took ms"
}

# Call it under `set -e`, and survive it: where a command fails the handler returns, as if that were the end of the script.  The trap
# does it, before the shell would leave: a `return` in it is one of the function that has failed, up to here.
_ev_guard() {
    local _ev_depth=${#FUNCNAME[@]}
    # shellcheck disable=SC2154 # assigned in the trap
    trap '_ev_status=$?
        if [[ $- == *e* ]]; then
            if ((${#FUNCNAME[@]} > _ev_depth)); then return "$_ev_status"; else set +e; fi
        fi' ERR
    set -E
    set +e
    _ev_invoke "$@"
    trap - ERR
    set -e
}

_ev_invoke() {
    set -e
    "$@"
    _ev_status=$?
}
