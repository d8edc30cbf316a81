# SPDX-License-Identifier: LGPL-2.1-or-later
# The daemon: everything but main() in a library of its own, so that any test can link any part.

noinst_LTLIBRARIES += libdaemon.la
libdaemon_la_SOURCES = daemon/crash-note.c daemon/crash-note.h daemon/manager.c daemon/manager.h daemon/reload.c daemon/reload.h \
	daemon/inherited.c daemon/inherited.h \
	daemon/restart.c daemon/restart.h \
	daemon/settings.c daemon/settings.h \
	daemon/statistics.c daemon/statistics.h
libdaemon_la_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS) $(INIH_CFLAGS) $(LIBSYSTEMD_CFLAGS) -pthread
libdaemon_la_LIBADD = libcore.la libproto.la $(INIH_LIBS) $(LIBSYSTEMD_LIBS) $(RESOLV_LIBS)

sbin_PROGRAMS += evloopd
evloopd_SOURCES = daemon/main.c
evloopd_CPPFLAGS = $(AM_CPPFLAGS) -DEVLOOP_EXEC_PATH='"$(libexecdir)/evloop-exec"'
evloopd_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS)
evloopd_LDADD = libdaemon.la
