# SPDX-License-Identifier: LGPL-2.1-or-later
# The loop as a library: knows no socket and no protobuf.

noinst_LTLIBRARIES += libcore.la
libcore_la_SOURCES = \
	daemon/core/access.h \
	daemon/core/acked.c daemon/core/acked.h \
	daemon/core/attachment.c daemon/core/attachment.h \
	daemon/core/bucket.c daemon/core/bucket.h \
	daemon/core/cell.c \
	daemon/core/claim.c daemon/core/claim.h \
	daemon/core/clock.c daemon/core/clock.h \
	daemon/core/command.c daemon/core/command.h \
	daemon/core/gate.c daemon/core/gate.h daemon/core/gate-private.h \
	daemon/core/job.c daemon/core/job.h \
	daemon/core/keys.c daemon/core/keys.h \
	daemon/core/limiter.c daemon/core/limiter.h daemon/core/limiter-private.h \
	daemon/core/limiter-change.c \
	daemon/core/limiter-restore.c \
	daemon/core/loop.c daemon/core/loop.h \
	daemon/core/map.c daemon/core/map.h \
	daemon/core/marks.c daemon/core/marks.h \
	daemon/core/output.c daemon/core/output.h \
	daemon/core/poller.c daemon/core/poller.h \
	daemon/core/path-watch.c daemon/core/path-watch.h \
	daemon/core/pool.c daemon/core/pool.h \
	daemon/core/permits.c daemon/core/permits.h \
	daemon/core/process.c daemon/core/process.h \
	daemon/core/progress.h \
	daemon/core/queue.c daemon/core/queue.h \
	daemon/core/reminder.c daemon/core/reminder.h \
	daemon/core/scheduler.c daemon/core/scheduler.h daemon/core/scheduler-private.h \
	daemon/core/shared-memory.c daemon/core/shared-memory.h \
	daemon/core/source.c daemon/core/source.h daemon/core/source-private.h \
	daemon/core/subscription.c \
	daemon/core/tenant.c daemon/core/tenant.h daemon/core/tenant-private.h \
	daemon/core/timer.c daemon/core/timer.h daemon/core/timer-private.h \
	daemon/core/timer-describe.c \
	daemon/core/timer-fire.c \
	daemon/core/timer-manage.c \
	daemon/core/timer-restore.c \
	daemon/core/topic.c daemon/core/topic.h daemon/core/topic-private.h \
	daemon/core/watch.c daemon/core/watch.h
libcore_la_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS)
libcore_la_LIBADD = libproto.la $(LIBEVENT_LIBS)
