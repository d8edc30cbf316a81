# SPDX-License-Identifier: LGPL-2.1-or-later
# make bench [ROWS="P1 P5"] [BENCH_ROUNDS=5] [BENCH_SCALE=0.1]: what it costs, against floors and peers in the same run.
# Neither built nor run by anything else.

bench_programs = \
	contrib/bench/arm \
	contrib/bench/arm-beanstalkd \
	contrib/bench/fire \
	contrib/bench/fire-libevent \
	contrib/bench/hold \
	contrib/bench/lateness \
	contrib/bench/lateness-floor \
	contrib/bench/memory-libevent \
	contrib/bench/ping \
	contrib/bench/ping-floor \
	contrib/bench/ping-redis \
	contrib/bench/readiness \
	contrib/bench/readiness-floor \
	contrib/bench/scale \
	contrib/bench/spawn \
	contrib/bench/try \
	contrib/bench/try-floor \
	contrib/bench/try-loop
if LIBUV
bench_programs += contrib/bench/memory-libuv
endif
EXTRA_PROGRAMS += $(bench_programs)

# Run from here only: programs and not scripts that find the library first.
bench_ldflags = $(AM_LDFLAGS) -no-install
bench_measure = contrib/bench/measure.c contrib/bench/measure.h
contrib_bench_arm_SOURCES = contrib/bench/arm.c $(bench_measure)
contrib_bench_arm_LDFLAGS = $(bench_ldflags)
contrib_bench_arm_LDADD = libevloop.la
contrib_bench_arm_beanstalkd_SOURCES = contrib/bench/arm-beanstalkd.c $(bench_measure)
contrib_bench_fire_SOURCES = contrib/bench/fire.c $(bench_measure)
contrib_bench_fire_LDFLAGS = $(bench_ldflags)
contrib_bench_fire_LDADD = libevloop.la
contrib_bench_fire_libevent_SOURCES = contrib/bench/fire-libevent.c $(bench_measure)
contrib_bench_fire_libevent_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS)
contrib_bench_fire_libevent_LDADD = $(LIBEVENT_LIBS)
contrib_bench_hold_SOURCES = contrib/bench/hold.c $(bench_measure)
contrib_bench_hold_LDFLAGS = $(bench_ldflags)
contrib_bench_hold_LDADD = libevloop.la
contrib_bench_lateness_SOURCES = contrib/bench/lateness.c $(bench_measure)
contrib_bench_lateness_LDFLAGS = $(bench_ldflags)
contrib_bench_lateness_LDADD = libevloop.la
contrib_bench_lateness_floor_SOURCES = contrib/bench/lateness-floor.c $(bench_measure)
contrib_bench_memory_libevent_SOURCES = contrib/bench/memory-libevent.c $(bench_measure)
contrib_bench_memory_libevent_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS)
contrib_bench_memory_libevent_LDADD = $(LIBEVENT_LIBS)
contrib_bench_memory_libuv_SOURCES = contrib/bench/memory-libuv.c $(bench_measure)
contrib_bench_memory_libuv_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS)
contrib_bench_memory_libuv_LDADD = $(LIBUV_LIBS)
contrib_bench_ping_SOURCES = contrib/bench/ping.c $(bench_measure)
contrib_bench_ping_LDFLAGS = $(bench_ldflags)
contrib_bench_ping_LDADD = libevloop.la
contrib_bench_ping_floor_SOURCES = contrib/bench/ping-floor.c $(bench_measure)
contrib_bench_ping_redis_SOURCES = contrib/bench/ping-redis.c $(bench_measure)
contrib_bench_readiness_SOURCES = contrib/bench/readiness.c $(bench_measure)
contrib_bench_readiness_LDFLAGS = $(bench_ldflags)
contrib_bench_readiness_LDADD = libevloop.la
contrib_bench_readiness_floor_SOURCES = contrib/bench/readiness-floor.c $(bench_measure)
contrib_bench_scale_SOURCES = contrib/bench/scale.c $(bench_measure)
contrib_bench_scale_LDFLAGS = $(bench_ldflags)
contrib_bench_scale_LDADD = libevloop.la
contrib_bench_spawn_SOURCES = contrib/bench/spawn.c $(bench_measure)

contrib_bench_try_SOURCES = contrib/bench/try.c $(bench_measure)
contrib_bench_try_LDFLAGS = $(bench_ldflags)
contrib_bench_try_LDADD = libevloop.la
contrib_bench_try_floor_SOURCES = contrib/bench/try-floor.c $(bench_measure)
contrib_bench_try_loop_SOURCES = contrib/bench/try-loop.c $(bench_measure)
contrib_bench_try_loop_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS)
contrib_bench_try_loop_LDADD = libproto.la $(PROTOBUF_C_LIBS)

EXTRA_DIST += \
	contrib/bench/bench \
	contrib/bench/lateness-asyncio.py \
	contrib/bench/report.py \
	contrib/bench/rows.py \
	contrib/bench/servers.py

BENCH_ROUNDS = 5
BENCH_SCALE = 1
.PHONY: bench bench-programs
bench-programs: all $(bench_programs)
bench: bench-programs
	$(AM_V_at)$(AM_TESTS_ENVIRONMENT) '$(srcdir)/contrib/bench/bench' --programs contrib/bench --output . \
		--built-with '$(CC) $(CFLAGS) $(SANITIZE_FLAGS)' --rounds '$(BENCH_ROUNDS)' --scale '$(BENCH_SCALE)' $(ROWS)
CLEANFILES += $(EXTRA_PROGRAMS) bench.csv bench.svg
