# SPDX-License-Identifier: LGPL-2.1-or-later
# The bridge, and what is built on it, from the languages that use it.

bridge_tests = \
	tests/bridge/test-bridge-ends.py \
	tests/bridge/test-bridge-limiters.py \
	tests/bridge/test-bridge-lines.py \
	tests/bridge/test-bridge-timers.py \
	tests/bridge/test-bridge-watches.py
dist_check_SCRIPTS += $(bridge_tests)
TESTS += $(bridge_tests)
EXTRA_DIST += tests/bridge/fixture.py

TESTS += tests/bridge/bash.bats
EXTRA_DIST += tests/bridge/bash.bats

dist_check_SCRIPTS += tests/bridge/test-examples.sh
TESTS += tests/bridge/test-examples.sh
