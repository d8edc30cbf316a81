# SPDX-License-Identifier: LGPL-2.1-or-later
# What starts the commands of jobs, beside the daemon.

libexec_PROGRAMS += evloop-exec
evloop_exec_SOURCES = daemon/exec/evloop-exec.c daemon/exec/exec-wire.h
