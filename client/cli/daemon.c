/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns what verbs have in common towards the daemon.  Prints nothing but complaints. */

#include "client/cli/daemon.h"

#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/error.h"
#include "proto/limits.h"
#include "proto/status.h"

/* Is it where a user's service manager listens? */
static bool is_own_instance(const char *path) {
	unsigned uid;
	int n = 0;

	return sscanf(path, "/run/user/%u/evloopd/socket%n", &uid, &n) == 1 && n > 0 && path[n] == '\0';
}

static bool is_before(const struct timespec *a, const struct timespec *b) {
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* The last line of a log that is ours, and not older than `begun`, without the name before it.  NULL: none. */
static char *last_line(FILE *log, const struct timespec *begun) {
	static const char *const name = "evloopd: ";
	_cleanup_free_ char *line = NULL, *last = NULL;
	size_t size = 0;
	struct stat st;

	if (fstat(fileno(log), &st) < 0 || st.st_uid != geteuid() || is_before(&st.st_mtim, begun))
		return NULL;
	while (getline(&line, &size, log) > 0) {
		free(last);
		last = strndup(line, strcspn(line, "\n"));
	}
	return last && strncmp(last, name, strlen(name)) == 0 ? strdup(last + strlen(name)) : NULL;
}

/* What a private daemon that was started since then has said last, beside its socket.  NULL: nothing. */
static char *last_words(const char *path, const struct timespec *begun) {
	_cleanup_free_ char *directory = strdup(path), *log_path = NULL;
	char *line = NULL;
	FILE *log;

	if (!directory || asprintf(&log_path, "%s/log", dirname(directory)) < 0)
		return NULL;
	log = fopen(log_path, "re");
	if (log) {
		line = last_line(log, begun);
		(void)fclose(log);
	}
	return line;
}

/* Nobody answers at `path`: say why none was started since then. */
static void complain_unreachable(const char *path, bool private, const struct timespec *begun) {
	const char *setting = getenv("EVLOOP_AUTOSTART"), *program = evl_daemon_program();
	_cleanup_free_ char *said = NULL;

	if (!private && strcmp(path, EVL_SYSTEM) == 0 && evl_system_is_enabled())
		complain("%s: no daemon listens there, though evloopd.socket is enabled; 'systemctl status "
			 "evloopd.socket "
			 "evloopd' says why, 'systemctl restart evloopd.socket' makes that socket anew",
			 path);
	else if (!private && strcmp(path, EVL_SYSTEM) == 0)
		complain("%s: no daemon listens there; 'systemctl enable --now evloopd.socket' makes that socket",
			 path);
	else if (!private && is_own_instance(path))
		complain("%s: no daemon listens there; 'systemctl --user status evloopd.socket evloopd' says why, "
			 "'systemctl --user restart evloopd.socket' makes that socket anew",
			 path);
	else if (!private)
		complain("%s: no daemon listens there", path);
	else if (setting && strcmp(setting, "0") == 0)
		complain("%s: no daemon listens there, and EVLOOP_AUTOSTART=0 forbids to start one", path);
	else if (access(program, X_OK) < 0)
		complain("%s: no daemon listens there, and %s could not be started: %s", path, program,
			 strerror(errno));
	else if ((said = last_words(path, begun)))
		complain("%s: no daemon listens there, and one that was started has ended: %s", path, said);
	else
		complain("%s: no daemon listens there, and one that was started has ended; '%s --private' tells why",
			 path, program);
}

/* The socket is there, and not for us: for whom is it? */
static void complain_forbidden(const char *path) {
	const struct group *group;
	struct stat st;

	if (stat(path, &st) == 0 && st.st_mode & S_IWGRP && (group = getgrgid(st.st_gid)))
		complain("%s: this user may not connect there; members of the group '%s' may", path, group->gr_name);
	else
		complain("%s: this user may not connect there", path);
}

/* To connect there cannot have worked, as whoever. */
static bool is_no_socket(const char *path) {
	struct stat st;

	return stat(path, &st) == 0 && !S_ISSOCK(st.st_mode);
}

/* `refusal`: what the daemon said, NULL: nothing. */
static int complain_connect(const struct invocation *inv, int error, const Evloop__Error *refusal,
			    const struct timespec *begun) {
	_cleanup_free_ char *path = NULL;
	bool private = false;

	if (error == -ENAMETOOLONG) {
		const char *named = inv->socket ? inv->socket : getenv("EVLOOP_SOCKET");

		complain("%.40s...: the path of the socket is too long", named ? named : "");
		return EX_UNAVAILABLE;
	}
	if (evl_locate(inv->socket, &path, &private) < 0)
		return status_exit_of_error(-ENOMEM);
	if (is_no_socket(path)) {
		complain("%s: that is no socket", path);
		return EX_UNAVAILABLE;
	}
	switch (error) {
	case -ENOTCONN:
		complain_unreachable(path, private, begun);
		break;
	case -ETIMEDOUT:
		complain("%s: the daemon does not answer", path);
		return EX_UNAVAILABLE;
	case -EACCES:
		if (private)
			complain("%s: the directory is not this user's alone (owned by it, mode 0700)", path);
		else
			complain_forbidden(path);
		break;
	case -EPROTO:
		complain("%s: what listens there does not speak this version of the protocol", path);
		break;
	default:
		complain("%s: %s", path, refusal ? refusal->message : strerror(-error));
	}
	return status_exit_of_error(error);
}

/* It is not the daemon that he may have in mind, who has enabled his own instance: all that he has there is not
 * here. */
static void warn_of_stand_in(struct evl *evl) {
	switch (evl_own_instance(evl)) {
	case OWN_INSTANCE_SILENT:
		complain("warning: this is a private daemon, %s: evloopd.socket of this user is enabled and does not "
			 "listen; 'systemctl --user status evloopd.socket evloopd' says why",
			 evl_socket_path(evl));
		break;
	case OWN_INSTANCE_LISTENS:
		complain("warning: this is a private daemon, %s: it goes before evloopd.socket of this user, which is "
			 "enabled, until it is idle; 'kill %llu' ends it with all it has",
			 evl_socket_path(evl), (unsigned long long)evl_call_hello(evl)->daemon_pid);
		break;
	case OWN_INSTANCE_NONE:
		break;
	}
}

int daemon_connect(const struct invocation *inv, struct evl **ret) {
	Evloop__Error *refusal;
	struct timespec begun;
	int r;

	(void)clock_gettime(CLOCK_REALTIME_COARSE, &begun); /* from which the kernel takes the times of files */
	r = evl_connect_explained(ret, inv->socket, inv->socket ? 0 : EVL_CONNECT_AUTOSTART, &refusal);
	if (r < 0)
		r = complain_connect(inv, r, refusal, &begun);
	else
		warn_of_stand_in(*ret);
	if (refusal)
		evloop__error__free_unpacked(refusal, NULL);
	return r;
}

static bool is_number(const char *operand) {
	return operand[0] != '\0' && operand[strspn(operand, "0123456789")] == '\0';
}

bool target_is_glob(const char *operand) {
	return strpbrk(operand, "*?[") != NULL;
}

bool target_init(Evloop__Target *target, const char *operand) {
	evloop__target__init(target);
	if (is_number(operand)) {
		errno = 0;
		target->id = strtoull(operand, NULL, 10);
		return errno == 0 && target->id > 0 && target->id < ID_MAX;
	}
	if (target_is_glob(operand))
		target->glob = (char *)operand;
	else
		target->name = (char *)operand;
	return operand[0] != '\0';
}

static int visit_page(const Evloop__ListReply *page, timer_visitor visitor, void *userdata) {
	for (size_t i = 0; i < page->n_timers; i++) {
		int status = visitor(page->timers[i], userdata);

		if (status != 0)
			return status;
	}
	return 0;
}

int daemon_list(struct evl *evl, Evloop__ListRequest *request, const char *operand, timer_visitor visitor,
		void *userdata) {
	Evloop__Target target;
	bool found = false, more = true;

	if (operand && !target_init(&target, operand))
		return complain_no_timer(operand);
	request->target = operand ? &target : NULL;
	request->after = 0;
	while (more) {
		_cleanup_message_ ProtobufCMessage *reply = NULL;
		const Evloop__ListReply *page;
		int r = evl_call(evl, EVLOOP__METHOD__METHOD_LIST, &request->base, &reply);

		if (r == -ENOENT)
			break;
		if (r < 0)
			return complain_call(evl, r, operand);
		page = (const Evloop__ListReply *)reply;
		found |= page->n_timers > 0;
		r = visit_page(page, visitor, userdata);
		if (r != 0)
			return r;
		more = page->more;
		request->after = page->next;
	}
	return operand && !found && !request->failed ? complain_no_timer(operand) : 0;
}

int daemon_list_operands(const struct invocation *inv, struct evl *evl, const Evloop__ListRequest *request,
			 timer_visitor visitor, void *userdata) {
	Evloop__ListRequest one = *request;
	int status = 0;

	if (inv->argc < 2)
		return daemon_list(evl, &one, NULL, visitor, userdata);
	for (int i = 1; i < inv->argc; i++) {
		bool named = !target_is_glob(inv->argv[i]);
		int r;

		one.finished = request->finished || named;
		one.anonymous = request->anonymous || named;
		r = daemon_list(evl, &one, inv->argv[i], visitor, userdata);
		if (r != 0 && r != EX_NOINPUT)
			return r;
		status = status != 0 ? status : r;
	}
	return status;
}

int daemon_time(struct evl *evl, ProtobufCMessage **ret) {
	Evloop__TimeRequest request = EVLOOP__TIME_REQUEST__INIT;
	int r = evl_call(evl, EVLOOP__METHOD__METHOD_TIME, &request.base, ret);

	return r < 0 ? complain_call(evl, r, NULL) : 0;
}
