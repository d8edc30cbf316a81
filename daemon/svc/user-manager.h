/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A connection to the service manager of the user who runs the daemon, over the bus of that user, and what is asked of the manager.
 * Nothing waits: answers come when the loop turns.  Without libsystemd (user-manager-fallback.c) there is no manager.
 */

#include "daemon/core/loop.h"

struct user_manager;
struct user_manager_call; /* what has been asked and not been answered */

/* What the manager knows of the main process of a service. */
struct unit_state {
	pid_t pid; /* 0: it has had none */
	bool ended;
	int status; /* if it has ended: as the shell has it */
};

struct unit_definition {
	const char *name;
	const char *description; /* UTF-8 */
	const char *exec_path; /* absolute: the program, which gets `argument` */
	const char *program, *argument;
	const char *const *fields; /* for the journal, NAME=VALUE, NULL-terminated */
	int input_fd, output_fd; /* borrowed */
};

struct user_manager_ops {
	/* One of its services has changed. */
	void (*changed)(void *userdata, const char *unit, const struct unit_state *state);
	/* It is over, and nothing more will be answered; the callee frees it. */
	void (*lost)(void *userdata, const char *why);
};

/* `error`: NULL, or what D-Bus calls it, and `text`.  `state`: of user_manager_ask(), else NULL.  May free the call. */
typedef void (*user_manager_answer)(void *userdata, const char *error, const char *text,
				    const struct unit_state *state);

/* Return: 0, −errno: there is none, -EXDEV: it is another container's, and would start things there. */
int user_manager_new(struct user_manager **ret, struct loop *loop, const struct user_manager_ops *ops, void *userdata);
struct user_manager *user_manager_free(struct user_manager *manager); /* no call may be left */

/* Has it ever answered? */
bool user_manager_is_ready(const struct user_manager *manager);

/* There is more to be read than a turn of the loop shall take: call user_manager_dispatch(). */
bool user_manager_is_busy(const struct user_manager *manager);
void user_manager_dispatch(struct user_manager *manager);

/* Start a service, kept loaded for us until user_manager_release() or the end of the connection.  Return: 0, −errno. */
int user_manager_start(struct user_manager *manager, struct user_manager_call **ret,
		       const struct unit_definition *definition, user_manager_answer answer, void *userdata);

/* Signal every process of it. */
int user_manager_kill(struct user_manager *manager, struct user_manager_call **ret, const char *unit, int signal_number,
		      user_manager_answer answer, void *userdata);

/* How is it? */
int user_manager_ask(struct user_manager *manager, struct user_manager_call **ret, const char *unit,
		     user_manager_answer answer, void *userdata);

/* Keep it loaded, as one that was started by this connection; or no more.  Not answered. */
void user_manager_hold(struct user_manager *manager, const char *unit);
void user_manager_release(struct user_manager *manager, const char *unit);

/* The answer is of no interest any more; what was asked happens all the same. */
struct user_manager_call *user_manager_call_free(struct user_manager_call *call);
