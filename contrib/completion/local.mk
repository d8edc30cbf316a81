# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion for shells.

dist_bashcompletion_DATA = contrib/completion/evloop
