# SPDX-License-Identifier: LGPL-2.1-or-later
# The daemon when calls fail, and when it is killed.

# Preloaded into the daemon, so it is a shared library and is not installed.
check_LTLIBRARIES += tests/crash/fail.la
tests_crash_fail_la_SOURCES = tests/crash/fail.c tests/crash/fail.h
tests_crash_fail_la_CFLAGS = -std=gnu11 $(WARN_CFLAGS) -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=0
tests_crash_fail_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere

check_PROGRAMS += tests/crash/test-torture
TESTS += tests/crash/test-torture
tests_crash_test_torture_SOURCES = tests/crash/test-torture.c tests/crash/fail.h
tests_crash_test_torture_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_crash_test_torture_LDADD = tests/hostile/librig.la tests/e2e/libdaemonfixture.la libproto.la $(PROTOBUF_C_LIBS)

# As users have it: the shared library and nothing of its inside.
check_PROGRAMS += tests/crash/test-kill
TESTS += tests/crash/test-kill
tests_crash_test_kill_SOURCES = tests/crash/test-kill.c
tests_crash_test_kill_CFLAGS = $(AM_CFLAGS) -pthread
tests_crash_test_kill_LDADD = tests/e2e/libdaemonfixture.la libevloop.la
