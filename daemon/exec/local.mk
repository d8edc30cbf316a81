# SPDX-License-Identifier: LGPL-2.1-or-later
# What a job's process is before it becomes the command.

libexec_PROGRAMS += evloop-exec
evloop_exec_SOURCES = daemon/exec/evloop-exec.c daemon/exec/job-spec.h
