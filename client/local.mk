# SPDX-License-Identifier: LGPL-2.1-or-later
# libevloop: callbacks from the daemon's loop, in C.

# Everything, for programs of this tree that look behind the public header: the command and the unit tests.
noinst_LTLIBRARIES += libevloop-core.la
libevloop_core_la_SOURCES = \
	client/ack.c \
	client/arming.c \
	client/autostart.c \
	client/call.c client/call.h \
	client/command.c \
	client/connection.c \
	client/debug.c \
	client/error.c \
	client/event.c \
	client/executor.c \
	client/handle.c \
	client/hello.c \
	client/input.c \
	client/internal.h \
	client/limiter.c \
	client/local.c \
	client/locate.c \
	client/loop.c \
	client/output.c \
	client/raw.c \
	client/readiness.c \
	client/source.c \
	client/structure.c \
	client/takeover.c \
	client/timer.c \
	client/topic.c \
	client/translate.c \
	client/watch.c
nodist_EXTRA_libevloop_core_la_SOURCES = proto/evloop.pb-c.h
libevloop_core_la_CPPFLAGS = $(AM_CPPFLAGS) -DSBINDIR='"$(sbindir)"'
libevloop_core_la_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS) -pthread
libevloop_core_la_LIBADD = libproto.la $(PROTOBUF_C_LIBS)

# The same for everybody else, who sees the public header's names and nothing beside.
lib_LTLIBRARIES += libevloop.la
libevloop_la_SOURCES =
libevloop_la_LIBADD = libevloop-core.la
libevloop_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 \
	-Wl,--version-script=$(srcdir)/client/libevloop.sym
EXTRA_libevloop_la_DEPENDENCIES = client/libevloop.sym
EXTRA_DIST += client/libevloop.sym

include_HEADERS += client/evloop.h
pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = client/libevloop.pc
