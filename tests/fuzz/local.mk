# SPDX-License-Identifier: LGPL-2.1-or-later
# What comes from a peer, or is written by an administrator, by the million.  `make check` replays the seeds and what was found once; `make fuzz-check
# FUZZ_SECONDS=60` looks for more, after `configure --enable-fuzzing CC=clang`.

fuzz_config_sources = tests/fuzz/fuzz-config.c tests/fuzz/fuzz.h
fuzz_packet_sources = tests/fuzz/fuzz-packet.c tests/fuzz/fuzz.h
fuzz_bridge_sources = tests/fuzz/fuzz-bridge.c tests/fuzz/fuzz.h
fuzz_dispatch_sources = \
	tests/fuzz/fuzz-dispatch.c tests/fuzz/fuzz.h \
	tests/fuzz/world.c tests/fuzz/world.h

check_PROGRAMS += tests/fuzz/replay-packet tests/fuzz/replay-dispatch tests/fuzz/replay-bridge tests/fuzz/replay-config
dist_check_SCRIPTS += tests/fuzz/test-replay.sh
TESTS += tests/fuzz/test-replay.sh

tests_fuzz_replay_packet_SOURCES = $(fuzz_packet_sources) tests/fuzz/replay.c
tests_fuzz_replay_packet_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_fuzz_replay_packet_LDADD = libproto.la $(PROTOBUF_C_LIBS)

tests_fuzz_replay_dispatch_SOURCES = $(fuzz_dispatch_sources) tests/fuzz/replay.c
tests_fuzz_replay_dispatch_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_fuzz_replay_dispatch_LDADD = libdaemon.la $(PROTOBUF_C_LIBS)

tests_fuzz_replay_bridge_SOURCES = $(fuzz_bridge_sources) tests/fuzz/replay.c
tests_fuzz_replay_bridge_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS) $(JANSSON_CFLAGS)
tests_fuzz_replay_bridge_LDADD = libcli.la $(PROTOBUF_C_LIBS) $(JANSSON_LIBS)

tests_fuzz_replay_config_SOURCES = $(fuzz_config_sources) tests/fuzz/replay.c
tests_fuzz_replay_config_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_fuzz_replay_config_LDADD = libdaemon.la $(PROTOBUF_C_LIBS)

if FUZZING
fuzz_programs = \
	tests/fuzz/fuzz-packet tests/fuzz/fuzz-dispatch tests/fuzz/fuzz-bridge tests/fuzz/fuzz-config \
	tests/fuzz/replay-packet tests/fuzz/replay-dispatch tests/fuzz/replay-bridge tests/fuzz/replay-config
check_PROGRAMS += tests/fuzz/fuzz-packet tests/fuzz/fuzz-dispatch tests/fuzz/fuzz-bridge tests/fuzz/fuzz-config

tests_fuzz_fuzz_packet_SOURCES = $(fuzz_packet_sources)
tests_fuzz_fuzz_packet_CFLAGS = $(tests_fuzz_replay_packet_CFLAGS)
tests_fuzz_fuzz_packet_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_packet_LDADD = $(tests_fuzz_replay_packet_LDADD)

tests_fuzz_fuzz_dispatch_SOURCES = $(fuzz_dispatch_sources)
tests_fuzz_fuzz_dispatch_CFLAGS = $(tests_fuzz_replay_dispatch_CFLAGS)
tests_fuzz_fuzz_dispatch_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_dispatch_LDADD = $(tests_fuzz_replay_dispatch_LDADD)

tests_fuzz_fuzz_bridge_SOURCES = $(fuzz_bridge_sources)
tests_fuzz_fuzz_bridge_CFLAGS = $(tests_fuzz_replay_bridge_CFLAGS)
tests_fuzz_fuzz_bridge_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_bridge_LDADD = $(tests_fuzz_replay_bridge_LDADD)

tests_fuzz_fuzz_config_SOURCES = $(fuzz_config_sources)
tests_fuzz_fuzz_config_CFLAGS = $(tests_fuzz_replay_config_CFLAGS)
tests_fuzz_fuzz_config_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_config_LDADD = $(tests_fuzz_replay_config_LDADD)
endif

fuzz-programs: $(fuzz_programs)
.PHONY: fuzz-programs

CLEANFILES += tests/fuzz/packet.log tests/fuzz/dispatch.log tests/fuzz/bridge.log tests/fuzz/config.log
FUZZ_SECONDS = 60
# As many at a time as make is told.
fuzz_checks = fuzz-check-packet fuzz-check-dispatch fuzz-check-bridge fuzz-check-config
fuzz-check: $(fuzz_checks)
$(fuzz_checks): $(fuzz_programs)
	@test -x tests/fuzz/fuzz-packet || { echo 'configure with --enable-fuzzing CC=clang first' >&2; exit 1; }
	@target=$@ && target=$${target#fuzz-check-} && \
	$(MKDIR_P) tests/fuzz/corpus/$$target && \
	tests/fuzz/replay-$$target --write tests/fuzz/corpus/$$target && { \
		tests/fuzz/fuzz-$$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 \
			-artifact_prefix=tests/fuzz/$$target- -print_final_stats=1 \
			tests/fuzz/corpus/$$target $$(ls -d $(srcdir)/tests/fuzz/found/$$target 2>/dev/null) \
			>tests/fuzz/$$target.log 2>&1 || { tail -n 40 tests/fuzz/$$target.log; exit 1; }; \
	} && echo "$$target, $(FUZZ_SECONDS) s" && \
	grep -E '^(Done|stat::number_of_executed_units)' tests/fuzz/$$target.log
.PHONY: fuzz-check $(fuzz_checks)
