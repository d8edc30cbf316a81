# SPDX-License-Identifier: LGPL-2.1-or-later
# The project installed on a machine that systemd runs: `make check-system`, as root.  Not part of `make check`.

SYSTEM_TESTS = \
	tests/system/install.bats \
	tests/system/journal.bats \
	tests/system/readme.bats \
	tests/system/restart.bats \
	tests/system/user.bats
EXTRA_DIST += $(SYSTEM_TESTS) tests/system/container.bash
dist_check_SCRIPTS += tests/system/needs

# One machine at a time: each takes some seconds of both processors to boot.
check-system: all
	$(MAKE) -j1 check-TESTS check_PROGRAMS= TESTS='$(SYSTEM_TESTS)'
.PHONY: check-system
