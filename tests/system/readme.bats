#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# README.md, "For administrators": every command of it, as written and in that order, on a machine on which only `make install` has been
# done.  What README.md shows of the output of a command is compared, but for numbers.

bats_require_minimum_version 1.5.0
load container

setup_file() {
    boot
    announce
    inside useradd --create-home alice
}

teardown_file() {
    shut_down
}

# What `make install` and, with `gone`, `make uninstall` do where it is not told to install below another directory.
announce() {
    # shellcheck disable=SC2154 # it is make's
    inside sh -s -- '' /usr/local/lib/sysusers.d /usr/local/lib "$@" <"$srcdir/contrib/systemd/announce"
}

# The commands of the section: number, prompt and the command, and after each the lines that it is said to print.
section() {
    sed -n '/^## For administrators/,/^## From C/p' "$srcdir/README.md"
}

likeness() {
    sed -E -e 's/[0-9]+(\.[0-9]+)?/N/g' -e 's/N (ns|us|ms|s)\b/N DUR/g' -e 's/[[:blank:]]+/ /g' -e 's/ $//' -e '/^$/d'
}

# run_one USER COMMAND: root's own `make` is not inside.
run_one() {
    case $2 in
    'make install')
        make -s -C "$builddir" install "DESTDIR=$MACHINE/root" && announce
        ;;
    'make uninstall')
        make -s -C "$builddir" uninstall "DESTDIR=$MACHINE/root" && announce gone
        ;;
    *)
        if [[ $1 == root ]]; then
            inside bash -c "$2"
        else
            as "$1" bash -c "$2"
        fi
        ;;
    esac
}

# check USER COMMAND SAID: it succeeds, and prints what is said, if anything is.
check() {
    local status=0 output
    output=$(run_one "$1" "$2" 2>&1 </dev/null 3>&-) || status=$?
    if [[ $status -ne 0 ]]; then
        printf '%s: %s\nended with %d: %s\n' "$1" "$2" "$status" "$output"
        return 1
    fi
    [[ -z $3 ]] || diff -u --label 'README.md says' --label 'it prints' <(likeness <<<"$3") <(likeness <<<"$output") || {
        printf 'after %s: %s\n' "$1" "$2"
        return 1
    }
    # He who has lingering begun has a service manager, soon.
    [[ $2 != 'loginctl enable-linger '* ]] ||
        wait_until as alice systemctl --user is-active --quiet default.target
}

@test "every command for administrators does what README.md says" {
    local line user='' command='' said='' here='' n=0
    while IFS= read -r line; do
        if [[ -n $here ]]; then
            command+=$'\n'${line#    }
            [[ $line != '    END' ]] || here=
        elif [[ $line =~ ^\ \ \ \ (#|[a-z]+\$)\ ([a-z].*)$ ]]; then
            [[ -z $command ]] || check "$user" "$command" "$said"
            user=${BASH_REMATCH[1]%\$}
            user=${user/\#/root} command=${BASH_REMATCH[2]} said='' n=$((n + 1))
            [[ $command != *"<<'END'" ]] || here=yes
        elif [[ $line == '    '* && -n $command ]]; then
            said+=${line#    }$'\n'
        elif [[ -n $command ]]; then
            check "$user" "$command" "$said"
            command=
        fi
    done < <(section)
    [[ -z $command && $n -ge 25 ]]
    # Nothing is left of it, but for what is alice's own.
    run inside find /usr /etc /var/lib /run -path /run/user -prune -o -path '*evloop*' -print
    [[ -z $output ]] || {
        echo "left: $output"
        return 1
    }
    run -3 as alice systemctl --user is-active evloopd.socket evloopd.service
    run -0 inside journalctl --list-catalog
    [[ -n $output && $output != *evloop* ]]
}
