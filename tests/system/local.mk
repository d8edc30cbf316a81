# SPDX-License-Identifier: LGPL-2.1-or-later
# The project installed on a machine that systemd runs: `make check-system`, as root.  Not part of `make check`.

SYSTEM_TESTS = \
	tests/system/crash.bats \
	tests/system/install.bats \
	tests/system/journal.bats \
	tests/system/load.bats \
	tests/system/readme.bats \
	tests/system/restart.bats \
	tests/system/survive.bats \
	tests/system/units.bats \
	tests/system/upgrade.bats \
	tests/system/user.bats
EXTRA_DIST += $(SYSTEM_TESTS) tests/system/container.bash tests/system/README.md
dist_check_SCRIPTS += tests/system/build-before tests/system/needs

system_needs = tests/system/load tests/system/sandbox tests/system/survive
check_PROGRAMS += $(system_needs)
tests_system_sandbox_SOURCES = tests/system/sandbox.c
tests_system_survive_SOURCES = tests/system/survive.c
tests_system_survive_LDADD = libevloop.la
tests_system_load_SOURCES = tests/system/load.c
tests_system_load_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_system_load_LDADD = libproto.la $(PROTOBUF_C_LIBS)

# One machine at a time: each takes some seconds of both processors to boot.
check-system: all $(system_needs)
	$(MAKE) -j1 check-TESTS check_PROGRAMS= TESTS='$(SYSTEM_TESTS)'
# A hundred restarts and as many deaths under full load, for a release.
check-system-load: all $(system_needs)
	LOAD_RESTARTS=100 LOAD_SESSIONS=1000 LOAD_WATCHES=5000 LOAD_EVENTS=20000 LOAD_TIMERS=1000000 BATS_TEST_TIMEOUT=280 \
		SURVIVE_SESSIONS=1000 SURVIVE_KILLS=100 \
		$(MAKE) -j1 check-TESTS check_PROGRAMS= TESTS='tests/system/load.bats tests/system/survive.bats'
.PHONY: check-system check-system-load
