# SPDX-License-Identifier: LGPL-2.1-or-later
# evloop: the daemon for shell users.

# Everything but main(), so that the unit tests can link it.
noinst_LTLIBRARIES += libcli.la
libcli_la_SOURCES = \
	client/cli/daemon.c client/cli/daemon.h \
	client/cli/error.c client/cli/error.h \
	client/cli/json.c client/cli/json.h \
	client/cli/options.c \
	client/cli/text.c client/cli/text.h \
	client/cli/verb.h \
	client/cli/when.c client/cli/when.h
libcli_la_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS) $(JANSSON_CFLAGS) $(SMARTCOLS_CFLAGS)
libcli_la_LIBADD = libevloop-core.la $(JANSSON_LIBS) $(SMARTCOLS_LIBS)
