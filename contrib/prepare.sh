# shellcheck shell=sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2154 # $top is the caller's
#
# What contrib/check and contrib/demo have in common: the packages they need, and a clean copy of the sources to build, so
# that the checkout itself stays as it is.  To be read with `.`; the caller has set $top, the checkout.

# What is needed: what for, how to see that it is there, its package in Debian and in Fedora.
#     cmd:NAME  a program           pc:NAME   a pkg-config module
#     file:PATH a file              run:NAME  the function have_NAME below
needs() {
    cat <<'END'
build  cmd:autoreconf          autoconf              autoconf
build  cmd:automake            automake              automake
build  cmd:libtoolize          libtool               libtool
build  run:autoconf_archive    autoconf-archive      autoconf-archive
build  cmd:pkg-config          pkg-config            pkgconf-pkg-config
build  cmd:make                make                  make
build  cmd:gcc                 gcc                   gcc
build  file:/usr/include/stdio.h  libc6-dev          glibc-devel
build  cmd:protoc-c            protobuf-c-compiler   protobuf-c-compiler
build  pc:libprotobuf-c        libprotobuf-c-dev     protobuf-c-devel
build  pc:libevent_core        libevent-dev          libevent-devel
build  pc:inih                 libinih-dev           inih-devel
build  pc:jansson              libjansson-dev        jansson-devel
build  pc:smartcols            libsmartcols-dev      libsmartcols-devel
build  pc:libsystemd           libsystemd-dev        systemd-devel
check  cmd:g++                 g++                   gcc-c++
check  pc:cmocka               libcmocka-dev         libcmocka-devel
check  cmd:bats                bats                  bats
check  cmd:clang               clang                 clang
check  run:clang_runtime       libclang-rt-14-dev    compiler-rt
check  cmd:valgrind            valgrind              valgrind
check  cmd:protoc              protobuf-compiler     protobuf-compiler
check  run:python_protobuf     python3-protobuf      python3-protobuf
check  pc:libuv                libuv1-dev            libuv-devel
check  pc:fuse3                libfuse3-dev          fuse3-devel
check  cmd:mandoc              mandoc                mandoc
check  cmd:clang-format        clang-format          clang-tools-extra
check  cmd:xz                  xz-utils              xz
check  cmd:jq                  jq                    jq
check  cmd:ps                  procps                procps-ng
check  cmd:systemd-nspawn      systemd-container     systemd-container
check  cmd:dbus-daemon         dbus                  dbus-daemon
check  run:user_session        libpam-systemd        systemd-pam
check  run:user_bus            dbus-user-session     dbus-daemon
END
}

have_autoconf_archive() {
    [ -e "$(aclocal --print-ac-dir 2>/dev/null)/ax_append_compile_flags.m4" ]
}

# The sanitizers and libFuzzer come apart from the compiler.
have_clang_runtime() {
    have_scratch=$(mktemp -d)
    echo 'int LLVMFuzzerTestOneInput(const unsigned char *p, unsigned long n) { return n && *p == 0 ? 0 : 0; }' \
        >"$have_scratch/unit.c"
    have_result=0
    clang -fsanitize=address,undefined,fuzzer "$have_scratch/unit.c" -o "$have_scratch/unit" 2>/dev/null || have_result=1
    rm -rf "$have_scratch"
    return "$have_result"
}

# The system's interpreter: another one may come first in PATH and know nothing of the system's modules.
have_python_protobuf() {
    /usr/bin/python3 -c 'import google.protobuf' 2>/dev/null
}

# What gives a user a service manager of his own when he logs in, or lingers.
have_user_session() {
    find /lib /usr/lib /lib64 /usr/lib64 -name pam_systemd.so 2>/dev/null | grep -q .
}

have_user_bus() {
    [ -e /usr/lib/systemd/user/dbus.socket ]
}

have() {
    case $1 in
    cmd:*) command -v "${1#cmd:}" >/dev/null ;;
    pc:*) pkg-config --exists "${1#pc:}" 2>/dev/null ;;
    file:*) [ -e "${1#file:}" ] ;;
    run:*) "have_${1#run:}" ;;
    esac
}

# missing COLUMN PURPOSE...: that column of what is needed for these purposes and not there, one a line.
missing() {
    missing_column=$1
    shift
    needs | while read -r purpose probe debian fedora; do
        case " $* " in
        *" $purpose "*) ;;
        *) continue ;;
        esac
        have "$probe" && continue
        case $missing_column in
        probe) echo "$probe" ;;
        debian) echo "$debian" ;;
        fedora) echo "$fedora" ;;
        esac
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# install_missing PURPOSE...: on Debian and its children install what is missing; elsewhere say what it is.
# Return: everything is there.
install_missing() {
    [ -n "$(missing probe "$@")" ] || return 0
    if command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null; }; then
        install_packages=$(missing debian "$@" | tr '\n' ' ')
        echo "installing: $install_packages"
        # shellcheck disable=SC2086 # package names are words
        as_root env DEBIAN_FRONTEND=noninteractive sh -c '
            apt-get -qq update && apt-get -qq -y --no-install-recommends install "$@" >/dev/null' \
            sh $install_packages
    fi
    install_rest=$(missing probe "$@")
    [ -n "$install_rest" ] || return 0
    echo "missing here:"
    for probe in $install_rest; do
        case $probe in
        cmd:*) echo "    program ${probe#cmd:}" ;;
        pc:*) echo "    pkg-config module ${probe#pc:}" ;;
        file:*) echo "    file ${probe#file:}" ;;
        run:autoconf_archive) echo "    the macros of the GNU Autoconf Archive" ;;
        run:clang_runtime) echo "    clang's runtimes for -fsanitize=address,undefined,fuzzer" ;;
        run:user_session) echo "    pam_systemd.so" ;;
        run:user_bus) echo "    units for each user's own D-Bus" ;;
        run:python_protobuf) echo "    /usr/bin/python3 with Google's protobuf" ;;
        esac
    done
    if command -v apt-get >/dev/null; then
        echo "as root: apt-get install $(missing debian "$@" | tr '\n' ' ')"
    elif command -v dnf >/dev/null; then
        echo "as root: dnf install $(missing fedora "$@" | tr '\n' ' ')"
    fi
    return 1
}

# copy_sources DIRECTORY: what git knows or would add (all of it where there is no git), without what was built in place.
copy_sources() {
    mkdir -p "$1"
    (
        cd "$top" || exit
        if [ -e .git ] && command -v git >/dev/null; then
            git -c safe.directory='*' ls-files -z --cached --others --exclude-standard
        else
            find . -path ./build -prune -o -type f ! -name '*.o' ! -name '*.lo' ! -name '*.la' ! -name '*.pb-c.[ch]' \
                ! -name config.status ! -name config.h ! -name stamp-h1 -print0
        fi | tar --null --no-recursion --ignore-failed-read -T - -cf -
    ) | tar -C "$1" -xf -
}
