/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the calls about watches and topics: what is watched, where its descriptor comes from, and what is acknowledged. */

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/bridge.h"

#define QUEUE_DEFAULT 64 /* messages of a subscription, as in the library */

/* A whole number from `low` on, taken out of the fields; *ret is as it was where there is none. */
static int take_number(struct bridge_call *call, const char *key, int low, int *ret) {
	json_t *value = json_object_get(call->fields, key);

	if (!value)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < low || json_integer_value(value) > INT_MAX)
		return bridge_refuse(call, "INVALID", "%s is not a whole number from %d on", key, low);
	*ret = (int)json_integer_value(value);
	(void)json_object_del(call->fields, key);
	return 0;
}

/* One that the bridge has been given.  Its own are closed at an exec, so none of them can be meant. */
static int check_inherited(struct bridge_call *call, int fd) {
	int flags = fcntl(fd, F_GETFD);

	if (flags < 0 || (flags & FD_CLOEXEC))
		return bridge_refuse(call, "INVALID",
				     "descriptor %d was not inherited; with \"pid\" it is that process's", fd);
	call->fd = fd;
	return 0;
}

static int take_descriptor(struct bridge_call *call, int fd, int pid) {
	int r = call->bridge->ops->take_descriptor(pid, fd);

	if (r >= 0) {
		call->fd = r;
		call->fd_is_ours = true;
		return 0;
	}
	if (r == -ESRCH)
		return bridge_refuse(call, "NOT_FOUND", "there is no process %d", pid);
	if (r == -EBADF)
		return bridge_refuse(call, "INVALID", "process %d has no descriptor %d", pid, fd);
	return bridge_refuse(call, r == -EPERM || r == -EACCES ? "PERM" : "INTERNAL",
			     "descriptor %d of process %d cannot be had: %s", fd, pid, strerror(-r));
}

static int watch_process(struct bridge_call *call, int pid) {
	int r = call->bridge->ops->open_process(pid);

	if (r == -ESRCH)
		return bridge_refuse(call, "NOT_FOUND", "there is no process %d", pid);
	if (r < 0)
		return bridge_refuse(call, "INTERNAL", "process %d: %s", pid, strerror(-r));
	call->method = EVLOOP__METHOD__METHOD_WATCH_PID;
	call->pid = pid;
	call->fd = r;
	call->fd_is_ours = true;
	return 0;
}

/* A path that does not begin at the root is one of the present directory. */
static int watch_path(struct bridge_call *call, json_t *path) {
	const char *text = json_string_value(path);
	_cleanup_free_ char *directory = NULL, *full = NULL;

	call->method = EVLOOP__METHOD__METHOD_WATCH_PATH;
	if (!text || text[0] == '/')
		return 0;
	directory = getcwd(NULL, 0);
	if (!directory)
		return bridge_refuse(call, "INVALID", "the working directory: %s", strerror(errno));
	if (strlen(text) != json_string_length(path))
		return bridge_refuse(call, "INVALID", "path holds a NUL");
	if (asprintf(&full, "%s/%s", strcmp(directory, "/") == 0 ? "" : directory, text) < 0) {
		full = NULL;
		return -ENOMEM;
	}
	path = json_string(full);
	if (!path)
		return bridge_refuse(call, "INVALID",
				     "the working directory is not UTF-8; give the path from the root on");
	return json_object_set_new(call->fields, "path", path) < 0 ? -ENOMEM : 0;
}

int bridge_prepare_watch(struct bridge_call *call) {
	json_t *path = json_object_get(call->fields, "path");
	int fd = -1, pid = 0, r = take_number(call, "fd", 0, &fd);

	if (r == 0)
		r = take_number(call, "pid", 1, &pid);
	if (r < 0)
		return r;
	if (path ? fd >= 0 || pid > 0 : fd < 0 && pid == 0)
		return bridge_refuse(call, "INVALID", "one of fd, path and pid says what is to be watched");
	if (path)
		return watch_path(call, path);
	if (fd < 0)
		return watch_process(call, pid);
	return pid > 0 ? take_descriptor(call, fd, pid) : check_inherited(call, fd);
}

int bridge_complete_watch(struct bridge_call *call, ProtobufCMessage *request) {
	if (call->method == EVLOOP__METHOD__METHOD_WATCH_FD && !json_object_get(call->given, "events"))
		((Evloop__WatchFdRequest *)request)->events = EVLOOP__READINESS__READINESS_READABLE;
	return 0;
}

int bridge_complete_subscribe(struct bridge_call *call, ProtobufCMessage *request) {
	if (!json_object_get(call->given, "queue"))
		((Evloop__SubscribeRequest *)request)->queue = QUEUE_DEFAULT;
	return 0;
}

/* ---- acknowledging ---- */

int bridge_prepare_ack(struct bridge_call *call) {
	json_t *one = json_object_get(call->fields, "request"), *all = json_object_get(call->fields, "requests");

	if (!one == !all || (all && !json_is_array(all)))
		return bridge_refuse(call, "INVALID", "request, or requests in an array, say whose event is meant");
	(void)json_object_del(call->fields, "request");
	(void)json_object_del(call->fields, "requests");
	return 0;
}

/* Those that are over are passed over, as by the daemon: who says it has not heard of that yet.  The answer tells how many are left. */
int bridge_complete_ack(struct bridge_call *call, ProtobufCMessage *request) {
	Evloop__AckRequest *ack = (Evloop__AckRequest *)request;
	json_t *one = json_object_get(call->given, "request"), *all = json_object_get(call->given, "requests");
	size_t n = one ? 1 : json_array_size(all);

	ack->handles = calloc(MAX(n, (size_t)1), sizeof(*ack->handles));
	if (!ack->handles)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct bridge_source *source =
			bridge_source_find(call->bridge, one ? one : json_array_get(all, i));

		if (source)
			ack->handles[ack->n_handles++] = source->handle;
	}
	return json_object_set_new(call->reply, "acknowledged", json_integer((json_int_t)ack->n_handles)) < 0 ? -ENOMEM
													      : 0;
}
