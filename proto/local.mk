# SPDX-License-Identifier: LGPL-2.1-or-later
# What both sides of the socket must agree on.

noinst_LTLIBRARIES += libproto.la
libproto_la_SOURCES = \
	proto/base.h \
	proto/duration.c proto/duration.h \
	proto/frame.c proto/frame.h \
	proto/gcra.c proto/gcra.h \
	proto/limits.h \
	proto/message.c proto/message.h \
	proto/method.c proto/method.h \
	proto/name.c proto/name.h \
	proto/packet.c proto/packet.h \
	proto/rate.c proto/rate.h \
	proto/shared.c proto/shared.h \
	proto/status.c proto/status.h
nodist_libproto_la_SOURCES = proto/evloop.pb-c.c proto/evloop.pb-c.h proto/state.pb-c.c proto/state.pb-c.h \
	proto/event.pb-c.c proto/event.pb-c.h
libproto_la_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS)
libproto_la_LIBADD = $(PROTOBUF_C_LIBS)

BUILT_SOURCES += $(nodist_libproto_la_SOURCES)
CLEANFILES += $(nodist_libproto_la_SOURCES)
EXTRA_DIST += proto/evloop.proto proto/event.proto proto/state.proto proto/PROTOCOL.md

proto/evloop.pb-c.h: proto/evloop.pb-c.c
	@:
proto/evloop.pb-c.c: proto/evloop.proto
	@$(MKDIR_P) proto
	$(AM_V_GEN)$(PROTOC_C) --proto_path=$(srcdir) --c_out=. $(srcdir)/proto/evloop.proto

proto/event.pb-c.h: proto/event.pb-c.c
	@:
proto/event.pb-c.c: proto/event.proto proto/evloop.proto
	@$(MKDIR_P) proto
	$(AM_V_GEN)$(PROTOC_C) --proto_path=$(srcdir) --c_out=. $(srcdir)/proto/event.proto

proto/state.pb-c.h: proto/state.pb-c.c
	@:
proto/state.pb-c.c: proto/state.proto proto/evloop.proto
	@$(MKDIR_P) proto
	$(AM_V_GEN)$(PROTOC_C) --proto_path=$(srcdir) --c_out=. $(srcdir)/proto/state.proto
