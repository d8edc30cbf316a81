/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the request to watch a path: everything is checked here but the path itself, at which only another process looks. */

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "daemon/core/loop.h"
#include "daemon/core/path-watch.h"
#include "daemon/core/tenant.h"
#include "daemon/rpc/check.h"
#include "daemon/rpc/dispatch.h"
#include "daemon/rpc/gate.h"
#include "proto/limits.h"

static bool check_owner(struct call *call) {
	if (!call->rpc->executes)
		return REFUSE(call, UNSUPPORTED,
			      "the system's instance watches no paths: use your own, evloop without --system");
	if (call->session->uid != call->rpc->uid)
		return REFUSE(call, UNSUPPORTED,
			      "this instance is of uid %u and watches no paths for others: use your own, evloop "
			      "without --socket",
			      (unsigned)call->rpc->uid);
	return true;
}

static bool check_path(struct call *call, const ProtobufCBinaryData *path) {
	if (path->len == 0 || path->data[0] != '/')
		return REFUSE(call, INVALID, "the path is not absolute");
	if (path->len >= PATH_MAX)
		return REFUSE(call, OUT_OF_RANGE, "the path has %zu bytes, more than %d", path->len, PATH_MAX - 1);
	return !memchr(path->data, '\0', path->len) || REFUSE(call, INVALID, "the path has a NUL in it");
}

static bool check_exclude(struct call *call, const Evloop__WatchPathRequest *request) {
	if (request->n_exclude > PATH_EXCLUDES_MAX)
		return REFUSE(call, OUT_OF_RANGE, "%zu patterns to exclude are more than %d", request->n_exclude,
			      PATH_EXCLUDES_MAX);
	for (size_t i = 0; i < request->n_exclude; i++) {
		const ProtobufCBinaryData *pattern = &request->exclude[i];

		if (pattern->len == 0)
			return REFUSE(call, INVALID, "exclude[%zu] is empty", i);
		if (pattern->len > PATH_EXCLUDE_LENGTH_MAX)
			return REFUSE(call, OUT_OF_RANGE, "exclude[%zu] has %zu bytes, more than %d", i, pattern->len,
				      PATH_EXCLUDE_LENGTH_MAX);
		if (memchr(pattern->data, '\0', pattern->len))
			return REFUSE(call, INVALID, "exclude[%zu] has a NUL in it", i);
	}
	return true;
}

static bool check_request(struct call *call, const Evloop__WatchPathRequest *request) {
	if (!check_owner(call))
		return false;
	if (request->handle == 0)
		return REFUSE(call, INVALID, "the handle must be above 0");
	return check_path(call, &request->path) && check_exclude(call, request) &&
	       check_range(call, "settle_ns", request->settle_ns, 0) &&
	       check_range(call, "timeout_ns", request->timeout_ns, 0) && call_allows(call, QUOTA_PATHS, 0, 1);
}

/* As strings, in memory of the request.  Return: 0, -ENOMEM. */
static int make_spec(struct call *call, const Evloop__WatchPathRequest *request, struct path_spec *ret) {
	struct arena *arena = &call->rpc->arena;
	const char **exclude = arena_alloc(arena, (request->n_exclude + 1) * sizeof(*exclude));
	char *path = arena_copy(arena, request->path.data, request->path.len);

	if (!exclude || !path)
		return -ENOMEM;
	for (size_t i = 0; i < request->n_exclude; i++) {
		exclude[i] = arena_copy(arena, request->exclude[i].data, request->exclude[i].len);
		if (!exclude[i])
			return -ENOMEM;
	}
	*ret = (struct path_spec){
		.path = path,
		.recursive = request->recursive,
		.exclude = exclude,
		.n_exclude = request->n_exclude,
	};
	return 0;
}

static int refuse(struct call *call, uint64_t handle, int r) {
	switch (r) {
	case PATH_WATCH_E_HANDLE_EXISTS:
		call_refuse(call, EVLOOP__STATUS__STATUS_EXISTS, "handle %" PRIu64 " is in use", handle);
		return 0;
	case PATH_WATCH_E_STUCK:
		call_refuse(call, EVLOOP__STATUS__STATUS_INTERNAL,
			    "all processes that watch paths hang in file systems that do not answer");
		return 0;
	case PATH_WATCH_E_NOBODY:
		call_refuse(call, EVLOOP__STATUS__STATUS_UNSUPPORTED,
			    "evloop-paths, which watches paths, is not installed");
		return 0;
	default:
		return r;
	}
}

int rpc_watch_path(struct call *call, const void *data) {
	const Evloop__WatchPathRequest *request = data;
	Evloop__Watched reply = EVLOOP__WATCHED__INIT;
	struct path_watch *watch;
	struct path_spec spec;
	struct gate *gate;
	int r;

	if (!check_request(call, request))
		return 0;
	r = make_spec(call, request, &spec);
	if (r < 0)
		return r;
	if (!make_gate(call, request->gate, &gate, &r))
		return r;
	(void)loop_refresh(call->rpc->loop); /* the timeout counts from now */
	r = path_watch_new(&watch, &call->session->owner, request->handle, &spec, request->settle_ns,
			   request->timeout_ns);
	if (r != 0) {
		gate_free(gate);
		return refuse(call, request->handle, r);
	}
	reply.id = path_watch_id(watch);
	r = set_gate(call, gate, request->handle);
	if (r < 0)
		return r;
	call_reply(call, &reply.base);
	return 0;
}
