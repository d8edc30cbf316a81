# SPDX-License-Identifier: LGPL-2.1-or-later
# What every test finds in its environment, and the tests that look at the tree itself.

# As shell commands: automake puts them before each test.
AM_TESTS_ENVIRONMENT = \
	srcdir='$(abs_top_srcdir)'; builddir='$(abs_top_builddir)'; export srcdir builddir; \
	EVLOOPD='$(abs_top_builddir)/evloopd'; EVLOOP='$(abs_top_builddir)/evloop'; export EVLOOPD EVLOOP; \
	EVLOOP_EXEC='$(abs_top_builddir)/evloop-exec'; export EVLOOP_EXEC; \
	PYTHONDONTWRITEBYTECODE=1; export PYTHONDONTWRITEBYTECODE; \
	CC='$(CC)'; CXX='$(CXX)'; PYTHON='$(PYTHON_PROTOBUF)'; PROTOC='$(PROTOC)'; export CC CXX PYTHON PROTOC; \
	unset EVLOOP_SOCKET EVLOOP_DEBUG EVLOOP_AUTOSTART; EVLOOP_JOBS=direct; export EVLOOP_JOBS;

# A test that hangs is one that fails.
LOG_COMPILER = timeout
AM_LOG_FLAGS = -k 10 300

dist_check_SCRIPTS += \
	tests/check-catalog.sh \
	tests/check-docs.sh \
	tests/check-headers.sh \
	tests/check-layers.sh \
	tests/check-protocol.sh \
	tests/check-readme.sh \
	tests/check-style.sh \
	tests/check-symbols.sh
TESTS += \
	tests/check-catalog.sh \
	tests/check-docs.sh \
	tests/check-headers.sh \
	tests/check-layers.sh \
	tests/check-protocol.sh \
	tests/check-readme.sh \
	tests/check-style.sh \
	tests/check-symbols.sh
EXTRA_DIST += tests/print-limits.sh tests/run-with-daemon.sh
