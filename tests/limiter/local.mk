# SPDX-License-Identifier: LGPL-2.1-or-later
# Rate limits against an oracle.

check_PROGRAMS += tests/limiter/gcra-trace
tests_limiter_gcra_trace_SOURCES = tests/limiter/gcra-trace.c
tests_limiter_gcra_trace_LDADD = libproto.la

dist_check_SCRIPTS += tests/limiter/test-gcra.py
TESTS += tests/limiter/test-gcra.py
