/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * CMD in the foreground, one run after the other: it has our terminal, our descriptors and our process group.  A signal that
 * should end us ends it first; we follow, by the same signal.
 */

#include <signal.h>

#include "client/cli/verb.h"

struct child {
	char **words; /* NULL: there is no command */
	bool owns_words;
	pid_t pid; /* 0: it does not run */
	int pid_fd; /* readable when the run has ended */
	int signal_fd; /* readable when somebody wants us to end */
	int signal; /* who has been told to us while it ran; 0: none */
	sigset_t mask; /* of signals, as it was before */
};

/* What a run is told; called in its process.  Return: 0, -ENOMEM. */
typedef int (*child_prepare)(void *userdata);

/*
 * The command of `shell` (-c; NULL: none) and the words behind argv[0], which are borrowed; there may be none of them.  From then on
 * signals are taken by signal_fd.  Return: 0, or the exit status after a complaint: it cannot be run.
 */
int child_init(const struct invocation *inv, const char *shell, struct child *ret);
void child_deinit(struct child *child);

/*
 * Begin a run, with `input` for its standard input (NULL: ours); so little that a pipe takes it.
 * Return: 0, or the exit status after a complaint.
 */
int child_start(struct child *child, const void *input, size_t size, child_prepare prepare, void *userdata);

/* pid_fd is readable: the status of the run, as the shell has it.  Does not return where we had been told to end. */
int child_reap(struct child *child);

/* signal_fd is readable: pass it on to the run.  Without one this does not return. */
void child_take_signal(struct child *child);
