# SPDX-License-Identifier: LGPL-2.1-or-later
# Who is connected, and what they may cost.

libdaemon_la_SOURCES += \
	daemon/peer/closer.c daemon/peer/closer.h \
	daemon/peer/closers.c daemon/peer/closers.h \
	daemon/peer/complaints.c daemon/peer/complaints.h \
	daemon/peer/listener.c daemon/peer/listener.h \
	daemon/peer/outbox.c daemon/peer/outbox.h \
	daemon/peer/quota.c daemon/peer/quota.h \
	daemon/peer/session.c daemon/peer/session.h daemon/peer/session-private.h \
	daemon/peer/session-discard.c \
	daemon/peer/session-handover.c \
	daemon/peer/session-store.c daemon/peer/session-store.h \
	daemon/peer/kept.c daemon/peer/kept.h
