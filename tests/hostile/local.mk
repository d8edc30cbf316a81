# SPDX-License-Identifier: LGPL-2.1-or-later

# Who attacks, and who suffers; the tortured daemon has them, too.
check_LTLIBRARIES += tests/hostile/librig.la
tests_hostile_librig_la_SOURCES = \
	tests/hostile/peer.c \
	tests/hostile/rig.c tests/hostile/rig.h \
	tests/hostile/victim.c \
	tests/hostile/witness.c
tests_hostile_librig_la_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS)

check_PROGRAMS += tests/hostile/test-hostile
tests_hostile_test_hostile_SOURCES = \
	tests/hostile/attack-death.c \
	tests/hostile/attack-descriptors.c \
	tests/hostile/attack-floods.c \
	tests/hostile/attack-limiters.c \
	tests/hostile/attack-packets.c \
	tests/hostile/attack-requests.c \
	tests/hostile/attack-topics.c \
	tests/hostile/attack-watches.c \
	tests/hostile/fuse-server.h \
	tests/hostile/test-hostile.c
tests_hostile_test_hostile_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS) $(FUSE_CFLAGS)
tests_hostile_test_hostile_LDADD = tests/hostile/librig.la tests/e2e/libdaemonfixture.la libproto.la $(PROTOBUF_C_LIBS) $(FUSE_LIBS)
if FUSE
tests_hostile_test_hostile_SOURCES += tests/hostile/fuse-server.c
else
tests_hostile_test_hostile_SOURCES += tests/hostile/fuse-server-fallback.c
endif

# What another uid sees of each attack, held against the target.  For a build that is as fast as users have it; best as root.
# ATTACK="too many" does those that are called so.
hostile: all tests/hostile/test-hostile
	@$(AM_TESTS_ENVIRONMENT) tests/hostile/test-hostile --target '$(ATTACK)' 2>tests/hostile/daemon.log
CLEANFILES += tests/hostile/daemon.log
.PHONY: hostile
