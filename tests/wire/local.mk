# SPDX-License-Identifier: LGPL-2.1-or-later

dist_check_SCRIPTS += tests/wire/test-wire.sh
EXTRA_DIST += tests/wire/test-wire.py
TESTS += tests/wire/test-wire.sh
