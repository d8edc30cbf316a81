# SPDX-License-Identifier: LGPL-2.1-or-later
# evloop: the daemon for shell users.

# Everything but main(), so that the unit tests can link it.
noinst_LTLIBRARIES += libcli.la
libcli_la_SOURCES = \
	client/cli/when.c client/cli/when.h
libcli_la_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS) $(JANSSON_CFLAGS) $(SMARTCOLS_CFLAGS)
