# SPDX-License-Identifier: LGPL-2.1-or-later
# What makes the project usable from a bare checkout, and what is read rather than run.

EXTRA_DIST += .ci/run contrib/check contrib/prepare.sh
