# SPDX-License-Identifier: LGPL-2.1-or-later

if CMOCKA
check_PROGRAMS += tests/unit/test-duration
TESTS += tests/unit/test-duration
tests_unit_test_duration_SOURCES = tests/unit/test-duration.c
tests_unit_test_duration_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_duration_LDADD = libproto.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test-when
TESTS += tests/unit/test-when
tests_unit_test_when_SOURCES = tests/unit/test-when.c
tests_unit_test_when_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_when_LDADD = libcli.la $(CMOCKA_LIBS)
endif
