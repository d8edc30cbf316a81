# SPDX-License-Identifier: LGPL-2.1-or-later
# The only place where messages meet the core.

libdaemon_la_SOURCES += \
	daemon/rpc/access.c daemon/rpc/access.h \
	daemon/rpc/check-limiter.c daemon/rpc/check-limiter.h \
	daemon/rpc/check.c daemon/rpc/check.h \
	daemon/rpc/convert-limiter.c daemon/rpc/convert-limiter.h \
	daemon/rpc/convert.c daemon/rpc/convert.h \
	daemon/rpc/deferred.c daemon/rpc/deferred.h \
	daemon/rpc/descriptor.c daemon/rpc/descriptor.h \
	daemon/rpc/dispatch.c daemon/rpc/dispatch.h \
	daemon/rpc/gate.c daemon/rpc/gate.h \
	daemon/rpc/noted.c daemon/rpc/noted.h \
	daemon/rpc/notify.c daemon/rpc/notify.h \
	daemon/rpc/handover.c daemon/rpc/handover.h daemon/rpc/handover-private.h \
	daemon/rpc/handover-limiter.c \
	daemon/rpc/handover-timer.c \
	daemon/rpc/handover-watch.c \
	daemon/rpc/holder.c daemon/rpc/holder.h \
	daemon/rpc/holder-store.c daemon/rpc/holder-store.h \
	daemon/rpc/page.c daemon/rpc/page.h \
	daemon/rpc/record.c daemon/rpc/record.h \
	daemon/rpc/rpc-daemon.c \
	daemon/rpc/rpc-limiter.c \
	daemon/rpc/rpc-limiter-manage.c \
	daemon/rpc/rpc-manage.c \
	daemon/rpc/rpc-path.c \
	daemon/rpc/rpc-session.c \
	daemon/rpc/rpc-timer.c \
	daemon/rpc/rpc-topic.c \
	daemon/rpc/rpc-watch.c \
	daemon/rpc/state.c daemon/rpc/state.h \
	daemon/rpc/target-limiter.c daemon/rpc/target-limiter.h \
	daemon/rpc/target.c daemon/rpc/target.h
