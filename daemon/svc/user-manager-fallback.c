/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands in for user-manager.c where libsystemd is not used: there is no service manager. */

#include "daemon/svc/user-manager.h"

int user_manager_new(struct user_manager **ret _unused_, struct loop *loop _unused_,
		     const struct user_manager_ops *ops _unused_, void *userdata _unused_) {
	return -EOPNOTSUPP;
}

struct user_manager *user_manager_free(struct user_manager *manager _unused_) {
	return NULL;
}

bool user_manager_is_ready(const struct user_manager *manager _unused_) {
	return false;
}

bool user_manager_is_busy(const struct user_manager *manager _unused_) {
	return false;
}

void user_manager_dispatch(struct user_manager *manager _unused_) {
}

int user_manager_start(struct user_manager *manager _unused_, struct user_manager_call **ret _unused_,
		       const struct unit_definition *definition _unused_, user_manager_answer answer _unused_,
		       void *userdata _unused_) {
	return -EOPNOTSUPP;
}

int user_manager_kill(struct user_manager *manager _unused_, struct user_manager_call **ret _unused_,
		      const char *unit _unused_, int signal_number _unused_, user_manager_answer answer _unused_,
		      void *userdata _unused_) {
	return -EOPNOTSUPP;
}

int user_manager_ask(struct user_manager *manager _unused_, struct user_manager_call **ret _unused_,
		     const char *unit _unused_, user_manager_answer answer _unused_, void *userdata _unused_) {
	return -EOPNOTSUPP;
}

void user_manager_hold(struct user_manager *manager _unused_, const char *unit _unused_) {
}

void user_manager_release(struct user_manager *manager _unused_, const char *unit _unused_) {
}

struct user_manager_call *user_manager_call_free(struct user_manager_call *call _unused_) {
	return NULL;
}
