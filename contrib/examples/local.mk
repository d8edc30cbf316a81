# SPDX-License-Identifier: LGPL-2.1-or-later
# Small programs that show the library from outside: they include <evloop.h> and link libevloop as anybody's would.
# tests/e2e/test-lib-examples.sh runs them, and tests/cli/examples.bats those for the shell.

example_CPPFLAGS = -I$(top_srcdir)/client

check_PROGRAMS += \
	contrib/examples/one-timer \
	contrib/examples/beat \
	contrib/examples/cancel-in-callback \
	contrib/examples/chat \
	contrib/examples/echo \
	contrib/examples/embed-poll \
	contrib/examples/hash-files \
	contrib/examples/supervise \
	contrib/examples/prefork-limit \
	contrib/examples/thread-pool
contrib_examples_prefork_limit_CPPFLAGS = $(example_CPPFLAGS)
contrib_examples_prefork_limit_LDADD = libevloop.la
contrib_examples_thread_pool_CPPFLAGS = $(example_CPPFLAGS)
contrib_examples_thread_pool_CFLAGS = $(AM_CFLAGS) -pthread
contrib_examples_thread_pool_LDADD = libevloop.la
contrib_examples_one_timer_CPPFLAGS = $(example_CPPFLAGS)
contrib_examples_one_timer_LDADD = libevloop.la
contrib_examples_beat_CPPFLAGS = $(example_CPPFLAGS)
contrib_examples_beat_LDADD = libevloop.la
contrib_examples_cancel_in_callback_CPPFLAGS = $(example_CPPFLAGS)
contrib_examples_cancel_in_callback_LDADD = libevloop.la
contrib_examples_chat_CPPFLAGS = $(example_CPPFLAGS)
contrib_examples_chat_LDADD = libevloop.la
contrib_examples_echo_CPPFLAGS = $(example_CPPFLAGS)
contrib_examples_echo_LDADD = libevloop.la
contrib_examples_hash_files_CPPFLAGS = $(example_CPPFLAGS)
contrib_examples_hash_files_LDADD = libevloop.la
contrib_examples_supervise_CPPFLAGS = $(example_CPPFLAGS)
contrib_examples_supervise_LDADD = libevloop.la
contrib_examples_embed_poll_CPPFLAGS = $(example_CPPFLAGS)
contrib_examples_embed_poll_LDADD = libevloop.la

if SYSTEMD
check_PROGRAMS += contrib/examples/embed-sd-event
contrib_examples_embed_sd_event_CPPFLAGS = $(example_CPPFLAGS)
contrib_examples_embed_sd_event_CFLAGS = $(AM_CFLAGS) $(LIBSYSTEMD_CFLAGS)
contrib_examples_embed_sd_event_LDADD = libevloop.la $(LIBSYSTEMD_LIBS)
endif

if LIBUV
check_PROGRAMS += contrib/examples/embed-libuv
contrib_examples_embed_libuv_CPPFLAGS = $(example_CPPFLAGS)
contrib_examples_embed_libuv_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS)
contrib_examples_embed_libuv_LDADD = libevloop.la $(LIBUV_LIBS)
endif

examplesdir = $(docdir)/examples
dist_examples_DATA = \
	contrib/examples/one-timer.c \
	contrib/examples/prefork-limit.c \
	contrib/examples/thread-pool.c \
	contrib/examples/beat.c \
	contrib/examples/cancel-in-callback.c \
	contrib/examples/chat.c \
	contrib/examples/echo.c \
	contrib/examples/embed-poll.c \
	contrib/examples/embed-sd-event.c \
	contrib/examples/embed-libuv.c \
	contrib/examples/hash-files.c \
	contrib/examples/supervise.c
# Those that are run as they are.
dist_examples_SCRIPTS = \
	contrib/examples/asyncio-limiter.py \
	contrib/examples/build-on-save.bash \
	contrib/examples/fetch.sh \
	contrib/examples/mixed.bash \
	contrib/examples/parallel.sh \
	contrib/examples/supervisor.bash
