/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the way from an operand to a watch.  What its events are good for is the verb's business. */

#include "client/cli/watched.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "client/cli/error.h"
#include "proto/status.h"

/* ---- what is named ---- */

/* A decimal number up to INT_MAX; -1: it is none. */
static int parse_number(const char *text) {
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	return isdigit((unsigned char)text[0]) && !*end && errno == 0 && number <= INT_MAX ? (int)number : -1;
}

static int init_fd(const struct invocation *inv, struct watched *watched) {
	watched->fd = parse_number(watched->operand);
	if (watched->fd < 0)
		return complain_usage(inv, "'%s' is not the number of a descriptor", watched->operand);
	if (fcntl(watched->fd, F_GETFD) >= 0)
		return 0;
	complain("%s: the descriptor %d is not open", inv->verb->name, watched->fd);
	return EX_NOINPUT;
}

static int init_pid(const struct invocation *inv, struct watched *watched) {
	int pid = parse_number(watched->operand);

	if (pid <= 0)
		return complain_usage(inv, "'%s' is not a process id", watched->operand);
	watched->pid = pid;
	watched->fd = pidfd_open(pid, 0);
	if (watched->fd >= 0)
		return 0;
	/* Who is a thread, and not the first of its process. */
	if (errno == EINVAL)
		return complain_value(inv, "%d is a thread and not a process", pid);
	complain("%s: %d: %s", inv->verb->name, pid, errno == ESRCH ? "no such process" : strerror(errno));
	return errno == ESRCH ? EX_NOINPUT : EX_OSERR;
}

/* `path` begins with a slash: without what means nothing, "//", "/./" and a slash at the end. */
static void tidy(char *path) {
	char *out = path;

	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");

		if (n > 0 && !(n == 1 && p[0] == '.')) {
			*out++ = '/';
			memmove(out, p, n);
			out += n;
		}
		p += n + (p[n] == '/');
	}
	if (out == path)
		*out++ = '/';
	*out = '\0';
}

/* Does the path end in ".."?  That is no name that somebody could look at in a folder. */
static bool ends_above(const char *path) {
	const char *slash = strrchr(path, '/');

	return strcmp(slash ? slash + 1 : path, "..") == 0;
}

/* From the root, allocated; NULL: errno says why not. */
static char *absolute(const char *operand) {
	_cleanup_free_ char *directory = NULL;
	char *path;

	if (operand[0] == '/') {
		path = strdup(operand);
	} else {
		directory = getcwd(NULL, 0);
		if (!directory)
			return NULL;
		path = malloc(strlen(directory) + strlen(operand) + 2);
		if (path)
			(void)sprintf(path, "%s/%s", directory, operand);
	}
	if (path)
		tidy(path);
	if (path && ends_above(path)) {
		free(path);
		return realpath(operand, NULL);
	}
	return path;
}

/* The folder that a path is in, into `buffer`. */
static const char *folder_of(const char *path, char buffer[PATH_MAX]) {
	size_t n = (size_t)(strrchr(path, '/') - path);

	(void)snprintf(buffer, PATH_MAX, "%.*s", n > 0 ? (int)n : 1, path);
	return buffer;
}

static int complain_path(const struct invocation *inv, const char *operand, int error) {
	complain("%s: %s: %s", inv->verb->name, operand, strerror(error));
	return error == EACCES ? EX_NOPERM : EX_NOINPUT;
}

static int init_path(const struct invocation *inv, struct watched *watched) {
	char folder[PATH_MAX];
	struct stat st;

	if (watched->operand[0] == '\0')
		return complain_usage(inv, "'' is no path");
	watched->path = absolute(watched->operand);
	if (!watched->path)
		return complain_path(inv, watched->operand, errno);
	if (strlen(watched->path) >= PATH_MAX)
		return complain_value(inv, "'%.100s...': a path of more than %d bytes", watched->operand, PATH_MAX - 1);
	if (lstat(watched->path, &st) == 0)
		return 0;
	if (errno != ENOENT)
		return complain_path(inv, watched->operand, errno);
	if (stat(folder_of(watched->path, folder), &st) < 0 || !S_ISDIR(st.st_mode)) {
		/* In the user's words, where he has named it at all. */
		const char *slash = strrchr(watched->operand, '/');
		int n = slash && slash[1] ? (int)(slash - watched->operand) : 0;

		complain("%s: %s: there is no folder %.*s", inv->verb->name, watched->operand,
			 n > 0 ? n : (int)strlen(folder), n > 0 ? watched->operand : folder);
		return EX_NOINPUT;
	}
	complain("%s: %s does not exist yet", inv->verb->name, watched->operand);
	return 0;
}

int watched_init(const struct invocation *inv, enum watched_kind kind, const char *operand, struct watched *ret) {
	*ret = (struct watched){ .kind = kind, .verb = inv->verb->name, .operand = operand, .fd = -1 };
	switch (kind) {
	case WATCHED_FD:
		return init_fd(inv, ret);
	case WATCHED_PID:
		return init_pid(inv, ret);
	case WATCHED_PATH:
		return init_path(inv, ret);
	case WATCHED_TOPIC:
		return operand[0] ? 0 : complain_usage(inv, "'' is no name of a topic");
	}
	return 0;
}

void watched_deinit(struct watched *watched) {
	if (watched->kind == WATCHED_PID)
		watched->fd = close_fd(watched->fd);
	free(TAKE_PTR(watched->path));
}

/* ---- how it is asked for ---- */

static int arm_fd(struct watched *watched, struct evl *evl, const struct watch_options *options,
		  ProtobufCMessage **ret) {
	Evloop__WatchFdRequest request = EVLOOP__WATCH_FD_REQUEST__INIT;

	request.handle = watched->handle;
	request.events = options->events;
	return evl_call_with_fd(evl, EVLOOP__METHOD__METHOD_WATCH_FD, &request.base, watched->fd, ret);
}

static int arm_pid(struct watched *watched, struct evl *evl, ProtobufCMessage **ret) {
	Evloop__WatchPidRequest request = EVLOOP__WATCH_PID_REQUEST__INIT;
	int r;

	request.handle = watched->handle;
	r = evl_call_with_fd(evl, EVLOOP__METHOD__METHOD_WATCH_PID, &request.base, watched->fd, ret);
	watched->fd = close_fd(watched->fd);
	return r;
}

static ProtobufCBinaryData bytes_of(const char *text) {
	return (ProtobufCBinaryData){ .data = (uint8_t *)text, .len = strlen(text) };
}

static int arm_path(struct watched *watched, struct evl *evl, const struct watch_options *options,
		    ProtobufCMessage **ret) {
	Evloop__WatchPathRequest request = EVLOOP__WATCH_PATH_REQUEST__INIT;
	_cleanup_free_ ProtobufCBinaryData *exclude = calloc(options->n_exclude + 1, sizeof(*exclude));

	if (!exclude)
		return -ENOMEM;
	for (size_t i = 0; i < options->n_exclude; i++)
		exclude[i] = bytes_of(options->exclude[i]);
	request.handle = watched->handle;
	request.path = bytes_of(watched->path);
	request.recursive = options->recursive;
	request.exclude = exclude;
	request.n_exclude = options->n_exclude;
	request.settle_ns = options->settle_ns;
	return evl_call(evl, EVLOOP__METHOD__METHOD_WATCH_PATH, &request.base, ret);
}

static int arm_topic(struct watched *watched, struct evl *evl, const struct watch_options *options,
		     ProtobufCMessage **ret) {
	Evloop__SubscribeRequest request = EVLOOP__SUBSCRIBE_REQUEST__INIT;

	request.handle = watched->handle;
	request.topic = (char *)watched->operand;
	request.queue = options->queue;
	return evl_call(evl, EVLOOP__METHOD__METHOD_SUBSCRIBE, &request.base, ret);
}

static int arm(struct watched *watched, struct evl *evl, const struct watch_options *options, ProtobufCMessage **ret) {
	switch (watched->kind) {
	case WATCHED_FD:
		return arm_fd(watched, evl, options, ret);
	case WATCHED_PID:
		return arm_pid(watched, evl, ret);
	case WATCHED_PATH:
		return arm_path(watched, evl, options, ret);
	case WATCHED_TOPIC:
		return arm_topic(watched, evl, options, ret);
	}
	return -EINVAL;
}

static int complain_watched(const struct watched *watched, struct evl *evl, int error) {
	char subject[32];

	switch (watched->kind) {
	case WATCHED_FD:
	case WATCHED_PID:
		/* A number alone says little. */
		(void)snprintf(subject, sizeof(subject), "%s %.16s", watched->kind == WATCHED_FD ? "fd" : "pid",
			       watched->operand);
		return complain_call(evl, error, subject);
	case WATCHED_PATH:
		return complain_call(evl, error, watched->operand);
	case WATCHED_TOPIC:
		break; /* it is named by what was said */
	}
	return complain_call(evl, error, watched->verb);
}

int watched_arm(struct watched *watched, struct evl *evl, const struct watch_options *options, evl_call_event callback,
		void *userdata) {
	ProtobufCMessage *reply = NULL;
	int r = evl_call_handle(evl, &watched->handle, callback, userdata);

	if (r == 0)
		r = arm(watched, evl, options, &reply);
	if (r < 0)
		return complain_watched(watched, evl, r);
	watched->id = ((const Evloop__Watched *)reply)->id;
	protobuf_c_message_free_unpacked(reply, NULL);
	return 0;
}

int watched_fail(const struct watched *watched, const struct invocation *inv, int error) {
	complain("%s: %s: %s", inv->verb->name, watched->operand, strerror(error));
	return error == ENOENT || error == ENOTDIR ? EX_NOINPUT : status_exit_of_error(-error);
}
