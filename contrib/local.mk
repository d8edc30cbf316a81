# SPDX-License-Identifier: LGPL-2.1-or-later
# What makes the project usable from a bare checkout, and what is read rather than run.

dist_man_MANS += \
	contrib/man/evloop.1 \
	contrib/man/evloop-bridge.1 \
	contrib/man/evloop.bash.3 \
	contrib/man/evloopd.8 \
	contrib/man/evloopd.conf.5 \
	contrib/man/evloopd.limit.5 \
	contrib/man/evloopd.topic.5 \
	contrib/man/libevloop.3
EXTRA_DIST += .ci/run contrib/check contrib/demo contrib/prepare.sh

# To be sourced by scripts.
evloopdatadir = $(datadir)/evloop
dist_evloopdata_DATA = contrib/evloop.bash

# Folders of its own, where nobody else has put anything into them.
.PHONY: $(uninstall_hooks)
uninstall-hook: $(uninstall_hooks)
	for folder in "$(examplesdir)" "$(docdir)" "$(evloopdatadir)"; do rmdir "$(DESTDIR)$$folder" 2>/dev/null || :; done
