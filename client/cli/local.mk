# SPDX-License-Identifier: LGPL-2.1-or-later
# evloop: the daemon for shell users.

bin_PROGRAMS += evloop
evloop_SOURCES = client/cli/main.c
evloop_CFLAGS = $(libcli_la_CFLAGS)
evloop_LDADD = libcli.la

# Everything but main(), so that the unit tests can link it.
noinst_LTLIBRARIES += libcli.la
libcli_la_SOURCES = \
	client/cli/arm.c client/cli/arm.h \
	client/cli/bridge-call.c client/cli/bridge.h \
	client/cli/bridge-event.c \
	client/cli/bridge-limiter.c \
	client/cli/bridge-line.c \
	client/cli/bridge-output.c \
	client/cli/bridge-source.c \
	client/cli/bridge-timer.c \
	client/cli/bridge-watch.c \
	client/cli/child.c client/cli/child.h \
	client/cli/command.c client/cli/command.h \
	client/cli/daemon.c client/cli/daemon.h \
	client/cli/descriptor.c client/cli/descriptor.h \
	client/cli/error.c client/cli/error.h \
	client/cli/event.c client/cli/event.h \
	client/cli/follow.c client/cli/follow.h \
	client/cli/json.c client/cli/json.h \
	client/cli/json-message.c client/cli/json-message.h \
	client/cli/limiter.c client/cli/limiter.h \
	client/cli/linger.c client/cli/linger.h \
	client/cli/notice.c client/cli/notice.h \
	client/cli/options.c \
	client/cli/own-output.c client/cli/own-output.h \
	client/cli/pace.c client/cli/pace.h \
	client/cli/spec.c client/cli/spec.h \
	client/cli/take.c client/cli/take.h \
	client/cli/table.c client/cli/table.h \
	client/cli/text.c client/cli/text.h \
	client/cli/timers.c client/cli/timers.h \
	client/cli/verb-arm.c \
	client/cli/verb-bridge.c \
	client/cli/verb-daemon.c \
	client/cli/verb-limit.c \
	client/cli/verb-limiter.c \
	client/cli/verb-list.c \
	client/cli/verb-log.c \
	client/cli/verb-manage.c \
	client/cli/verb-ping.c \
	client/cli/verb-show.c \
	client/cli/verb-sleep.c \
	client/cli/verb-topic.c \
	client/cli/verb-wait.c \
	client/cli/verb-watch.c \
	client/cli/verb.h \
	client/cli/watched.c client/cli/watched.h \
	client/cli/when.c client/cli/when.h
libcli_la_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS) $(JANSSON_CFLAGS) $(SMARTCOLS_CFLAGS)
libcli_la_LIBADD = libevloop-core.la $(JANSSON_LIBS) $(SMARTCOLS_LIBS)
