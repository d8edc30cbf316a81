# SPDX-License-Identifier: LGPL-2.1-or-later
# The process around the loop.

libdaemon_la_SOURCES += \
	daemon/svc/background.c daemon/svc/background.h \
	daemon/svc/config.c daemon/svc/config.h \
	daemon/svc/config-file.c daemon/svc/config-file.h \
	daemon/svc/config-paths.c daemon/svc/config-paths.h \
	daemon/svc/config-set.c daemon/svc/config-set.h \
	daemon/svc/file-time.c daemon/svc/file-time.h \
	daemon/svc/escrow.c daemon/svc/escrow.h \
	daemon/svc/fd-store.c daemon/svc/fd-store.h \
	daemon/svc/exec-request.c daemon/svc/exec-request.h \
	daemon/svc/helper.c daemon/svc/helper.h \
	daemon/svc/ids.c daemon/svc/ids.h \
	daemon/svc/journal.h daemon/svc/journal-private.h \
	daemon/svc/limit-file.c daemon/svc/limit-file.h \
	daemon/svc/limit-set.c daemon/svc/limit-set.h \
	daemon/svc/memory-pressure.c daemon/svc/memory-pressure.h \
	daemon/svc/no-exec.c daemon/svc/no-exec.h \
	daemon/svc/note.c daemon/svc/note.h \
	daemon/svc/paths.c daemon/svc/paths.h \
	daemon/svc/log.c daemon/svc/log.h daemon/svc/message-id.h \
	daemon/svc/socket.c daemon/svc/socket.h \
	daemon/svc/state-file.c daemon/svc/state-file.h \
	daemon/svc/service-status.c daemon/svc/service-status.h \
	daemon/svc/spawn.c daemon/svc/spawn.h \
	daemon/svc/systemd.h \
	daemon/svc/topic-file.c daemon/svc/topic-file.h \
	daemon/svc/topic-set.c daemon/svc/topic-set.h \
	daemon/svc/unit.c daemon/svc/unit.h \
	daemon/svc/user-manager.h

if SYSTEMD
libdaemon_la_SOURCES += \
	daemon/svc/journal.c \
	daemon/svc/journal-stream.c \
	daemon/svc/systemd.c \
	daemon/svc/user-manager.c
else
libdaemon_la_SOURCES += \
	daemon/svc/journal-fallback.c \
	daemon/svc/systemd-fallback.c \
	daemon/svc/user-manager-fallback.c
endif
