/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What every program of the benchmark needs: the time, order statistics, a process's memory, and one way to say what was
 * measured.  Each program takes one measurement and prints a line "NAME VALUE UNIT" for each figure; contrib/bench/bench
 * starts them in turn and compares.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/base.h"

/* CLOCK_BOOTTIME, ns: the clock of the daemon's timers. */
int64_t measure_now(void);

/* Print one figure. */
void measure_print(const char *name, double value, const char *unit);

/* Sort the samples. */
void measure_sort(int64_t *samples, size_t n);

/* Of sorted samples, n > 0: the one that `percent` of them do not exceed. */
int64_t measure_percentile(const int64_t *sorted, size_t n, unsigned percent);

/* The operand argv[i] as a number above 0; ends the program where there is none. */
size_t measure_operand(int argc, char **argv, int i);

/* Stay on the processor that the operand argv[i] names, if there is one. */
void measure_stay(int argc, char **argv, int i);

/* An array for n items of `size` bytes, touched so that page faults are not measured; ends the program where memory does. */
void *measure_array(size_t n, size_t size);

/* Bytes that the kernel counts in that field of /proc/PID/status, such as "VmRSS". */
int64_t measure_memory(pid_t pid, const char *field);

/* A number in [0, below), the same row of them in each run. */
int64_t measure_random(int64_t below);

/* As many descriptors as this process may have. */
void measure_raise_descriptors(void);

/* Connect a stream socket to that path; ends the program where that fails. */
int measure_connect(const char *path);

/* Ends the program with what failed and −errno. */
_Noreturn void measure_fail(const char *what, int error);

/* Each ends the program if r < 0, else returns it: a call of the library or the project, and one of the system. */
int measure_call(const char *what, int r);
int measure_syscall(const char *what, int r);
