# SPDX-License-Identifier: LGPL-2.1-or-later
# The bridge, and what is built on it, from the languages that use it.

dist_check_SCRIPTS += tests/bridge/test-bridge.py
TESTS += tests/bridge/test-bridge.py

TESTS += tests/bridge/bash.bats
EXTRA_DIST += tests/bridge/bash.bats

dist_check_SCRIPTS += tests/bridge/test-examples.sh
TESTS += tests/bridge/test-examples.sh
