# SPDX-License-Identifier: LGPL-2.1-or-later
# What starts the commands of jobs, and what looks at files, beside the daemon.

libexec_PROGRAMS += evloop-exec evloop-paths
evloop_exec_SOURCES = \
	daemon/exec/evloop-exec.c daemon/exec/exec-wire.h \
	daemon/exec/become.c daemon/exec/become.h \
	daemon/exec/in-unit.c daemon/exec/in-unit.h
evloop_paths_SOURCES = \
	daemon/exec/evloop-paths.c daemon/exec/paths-wire.h \
	daemon/exec/folder.c daemon/exec/folder.h \
	daemon/exec/report.c daemon/exec/report.h \
	daemon/exec/tree.c daemon/exec/tree.h \
	daemon/exec/watched.c daemon/exec/watched.h \
	daemon/exec/way.c daemon/exec/way.h
