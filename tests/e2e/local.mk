# SPDX-License-Identifier: LGPL-2.1-or-later

# The library from outside: from C++, and by its examples.
check_PROGRAMS += tests/e2e/test-lib-cxx
TESTS += tests/e2e/test-lib-cxx
tests_e2e_test_lib_cxx_SOURCES = tests/e2e/test-lib-cxx.cc
tests_e2e_test_lib_cxx_CPPFLAGS = -I$(top_srcdir)/client
tests_e2e_test_lib_cxx_CXXFLAGS = $(AM_CXXFLAGS) -std=c++11 -pedantic
tests_e2e_test_lib_cxx_LDADD = libevloop.la
