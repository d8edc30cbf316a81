# SPDX-License-Identifier: LGPL-2.1-or-later
# The command as a user types it: a test for each .bats file.

TEST_EXTENSIONS = .bats
BATS_LOG_COMPILER = $(srcdir)/tests/cli/run-bats

dist_check_SCRIPTS += tests/cli/run-bats tests/cli/private-tmp.sh
dist_check_DATA += tests/cli/helper.bash
TESTS += \
	tests/cli/usage.bats
EXTRA_DIST += \
	tests/cli/usage.bats
