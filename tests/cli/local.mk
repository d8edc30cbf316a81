# SPDX-License-Identifier: LGPL-2.1-or-later
# The command as a user types it: a test for each .bats file.

TEST_EXTENSIONS = .bats
BATS_LOG_COMPILER = $(srcdir)/tests/cli/run-bats

BATS_TESTS = \
	tests/cli/arm.bats \
	tests/cli/completion.bats \
	tests/cli/config.bats \
	tests/cli/daemon.bats \
	tests/cli/examples.bats \
	tests/cli/jobs.bats \
	tests/cli/limit.bats \
	tests/cli/limiter.bats \
	tests/cli/log.bats \
	tests/cli/manage.bats \
	tests/cli/output.bats \
	tests/cli/quota.bats \
	tests/cli/settings.bats \
	tests/cli/topic.bats \
	tests/cli/usage.bats \
	tests/cli/wait.bats \
	tests/cli/watch.bats
TESTS += $(BATS_TESTS)
EXTRA_DIST += $(BATS_TESTS)
dist_check_SCRIPTS += tests/cli/private-tmp.sh tests/cli/run-bats
dist_check_DATA += tests/cli/helper.bash
