# SPDX-License-Identifier: LGPL-2.1-or-later

# A daemon of the test's own, for whoever tests with one.
check_LTLIBRARIES += tests/e2e/libdaemonfixture.la
tests_e2e_libdaemonfixture_la_SOURCES = tests/e2e/daemon-fixture.c tests/e2e/daemon-fixture.h

# The library from outside: from C++, and by its examples.
check_PROGRAMS += tests/e2e/test-lib-cxx
TESTS += tests/e2e/test-lib-cxx
tests_e2e_test_lib_cxx_SOURCES = tests/e2e/test-lib-cxx.cc
tests_e2e_test_lib_cxx_CPPFLAGS = -I$(top_srcdir)/client
tests_e2e_test_lib_cxx_CXXFLAGS = $(AM_CXXFLAGS) -std=c++11 -pedantic
tests_e2e_test_lib_cxx_LDADD = libevloop.la

dist_check_SCRIPTS += tests/e2e/test-lib-examples.sh
TESTS += tests/e2e/test-lib-examples.sh

dist_check_SCRIPTS += tests/e2e/test-socket-activate.sh
TESTS += tests/e2e/test-socket-activate.sh

if CMOCKA
lib_e2e_tests = \
	tests/e2e/test-lib-limiters \
	tests/e2e/test-lib-loss \
	tests/e2e/test-lib-sources \
	tests/e2e/test-lib-timers \
	tests/e2e/test-lib-watches \
	tests/e2e/test-watch-soak
check_PROGRAMS += $(lib_e2e_tests)
TESTS += $(lib_e2e_tests)
# As users have it: the shared library and nothing of its inside.
lib_e2e_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -pthread
lib_e2e_LDADD = tests/e2e/libdaemonfixture.la libevloop.la $(CMOCKA_LIBS)

# The arithmetic, to judge what was granted.
tests_e2e_test_lib_limiters_SOURCES = tests/e2e/test-lib-limiters.c
tests_e2e_test_lib_limiters_CFLAGS = $(lib_e2e_CFLAGS)
tests_e2e_test_lib_limiters_LDADD = $(lib_e2e_LDADD) libproto.la

tests_e2e_test_lib_loss_SOURCES = tests/e2e/test-lib-loss.c
tests_e2e_test_lib_loss_CFLAGS = $(lib_e2e_CFLAGS)
tests_e2e_test_lib_loss_LDADD = $(lib_e2e_LDADD)

tests_e2e_test_lib_sources_SOURCES = tests/e2e/test-lib-sources.c
tests_e2e_test_lib_sources_CFLAGS = $(lib_e2e_CFLAGS)
tests_e2e_test_lib_sources_LDADD = $(lib_e2e_LDADD)

tests_e2e_test_watch_soak_SOURCES = tests/e2e/test-watch-soak.c
tests_e2e_test_watch_soak_CFLAGS = $(lib_e2e_CFLAGS)
tests_e2e_test_watch_soak_LDADD = $(lib_e2e_LDADD)

# The process of the daemon, from outside.
check_PROGRAMS += tests/e2e/test-daemon
TESTS += tests/e2e/test-daemon
tests_e2e_test_daemon_SOURCES = tests/e2e/test-daemon.c
tests_e2e_test_daemon_CFLAGS = $(lib_e2e_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_e2e_test_daemon_LDADD = tests/e2e/libdaemonfixture.la libevloop-core.la $(CMOCKA_LIBS)

tests_e2e_test_lib_timers_SOURCES = tests/e2e/test-lib-timers.c
tests_e2e_test_lib_timers_CFLAGS = $(lib_e2e_CFLAGS)
tests_e2e_test_lib_timers_LDADD = $(lib_e2e_LDADD)

tests_e2e_test_lib_watches_SOURCES = tests/e2e/test-lib-watches.c
tests_e2e_test_lib_watches_CFLAGS = $(lib_e2e_CFLAGS)
tests_e2e_test_lib_watches_LDADD = $(lib_e2e_LDADD)

# The starter of commands, with its loop and nothing else of the daemon.
check_PROGRAMS += tests/e2e/test-spawn
TESTS += tests/e2e/test-spawn
tests_e2e_test_spawn_SOURCES = tests/e2e/test-spawn.c tests/e2e/spawn-fixture.c tests/e2e/spawn-fixture.h
tests_e2e_test_spawn_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_e2e_test_spawn_LDADD = libdaemon.la $(CMOCKA_LIBS)

# The process that watches paths, alone.
check_PROGRAMS += tests/e2e/test-paths
TESTS += tests/e2e/test-paths
tests_e2e_test_paths_SOURCES = tests/e2e/test-paths.c
tests_e2e_test_paths_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_e2e_test_paths_LDADD = $(CMOCKA_LIBS)

# And with all that is around it.
check_PROGRAMS += tests/e2e/test-lib-paths
TESTS += tests/e2e/test-lib-paths
tests_e2e_test_lib_paths_SOURCES = tests/e2e/test-lib-paths.c tests/hostile/fuse-server.h
tests_e2e_test_lib_paths_CFLAGS = $(lib_e2e_CFLAGS) $(FUSE_CFLAGS)
tests_e2e_test_lib_paths_LDADD = $(lib_e2e_LDADD) $(FUSE_LIBS)
if FUSE
tests_e2e_test_lib_paths_SOURCES += tests/hostile/fuse-server.c
else
tests_e2e_test_lib_paths_SOURCES += tests/hostile/fuse-server-fallback.c
endif

# Jobs of a daemon, by the library.
check_PROGRAMS += tests/e2e/test-jobs
TESTS += tests/e2e/test-jobs
tests_e2e_test_jobs_SOURCES = tests/e2e/test-jobs.c
tests_e2e_test_jobs_CFLAGS = $(lib_e2e_CFLAGS)
tests_e2e_test_jobs_LDADD = $(lib_e2e_LDADD)
endif
