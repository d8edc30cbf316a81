/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the requests that watch descriptors and processes, and the acknowledgements of all that is watched.  Everything is checked
 * here before the core hears of it; a descriptor that is not taken stays in its packet, for the session to get rid of.
 */

#include "daemon/rpc/dispatch.h"

#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>

#include "daemon/core/loop.h"
#include "daemon/core/process.h"
#include "daemon/core/tenant.h"
#include "daemon/core/watch.h"
#include "daemon/rpc/check.h"
#include "daemon/rpc/descriptor.h"
#include "daemon/rpc/gate.h"

#define DESCRIPTORS_RESERVED 64 /* that the daemon may open, and does not watch */
#define ACKS_UNLOOKED 16 /* between two looks at the clock, for each may be a call of the kernel */
#define READINESS_ASKED (EVLOOP__READINESS__READINESS_READABLE | EVLOOP__READINESS__READINESS_WRITABLE)

/* Those who connect need some, too; the numbers of descriptors are given from below. */
static bool check_reserve(struct call *call) {
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || (rlim_t)call->fds[0] + DESCRIPTORS_RESERVED < limit.rlim_cur)
		return true;
	return REFUSE(call, QUOTA,
		      "the daemon may have %llu descriptors open (LimitNOFILE=), and the last %d are for sessions",
		      (unsigned long long)limit.rlim_cur, DESCRIPTORS_RESERVED);
}

/* What both requests have. */
static bool check_watch(struct call *call, uint64_t handle, int64_t timeout_ns) {
	if (handle == 0)
		return REFUSE(call, INVALID, "the handle must be above 0");
	if (call->frame->n_fds != 1)
		return REFUSE(call, INVALID,
			      "the descriptor is missing: it comes in the same packet, claimed by the frame");
	return check_range(call, "timeout_ns", timeout_ns, 0) && call_allows(call, QUOTA_DESCRIPTORS, 0, 1) &&
	       check_reserve(call);
}

/* What the descriptor is, or that it is not watched. */
static bool check_descriptor(struct call *call, struct descriptor *ret) {
	descriptor_look(ret, call->fds[0]);
	if (ret->kind == DESCRIPTOR_OTHER)
		return REFUSE(call, INVALID,
			      "the descriptor is %s; watched are pipes, sockets, terminals, pidfds, eventfds, timerfds "
			      "and inotify",
			      ret->what);
	if (ret->kind == DESCRIPTOR_SOCKET && descriptor_is_of_session(call->fds[0], call->session->fd))
		return REFUSE(call, INVALID, "the descriptor is a session with this daemon, which would hold itself");
	return true;
}

static int refuse(struct call *call, uint64_t handle, int r) {
	switch (r) {
	case WATCH_E_HANDLE_EXISTS:
		call_refuse(call, EVLOOP__STATUS__STATUS_EXISTS, "handle %" PRIu64 " is in use", handle);
		return 0;
	case -EPERM:
		call_refuse(call, EVLOOP__STATUS__STATUS_INVALID,
			    "the descriptor is of a kind that cannot be waited for");
		return 0;
	case -EINVAL:
		/* path_limits of the kernel's fs/eventpoll.c */
		call_refuse(call, EVLOOP__STATUS__STATUS_QUOTA,
			    "what is behind the descriptor is watched as often as the kernel lets it, 500 times");
		return 0;
	case -ENOSPC:
		call_refuse(call, EVLOOP__STATUS__STATUS_QUOTA,
			    "the daemon watches as many descriptors as the kernel lets it (fs.epoll.max_user_watches)");
		return 0;
	default:
		return r;
	}
}

/* Watch the descriptor of the call, and say so. */
static int start(struct call *call, enum descriptor_kind kind, struct watch_spec *spec, const Evloop__Gate *wish) {
	Evloop__Watched reply = EVLOOP__WATCHED__INIT;
	struct watch *watch;
	struct gate *gate;
	int r;

	if (!make_gate(call, wish, &gate, &r))
		return r;
	spec->closes_at_once = descriptor_closes_at_once(kind, call->session->uid == call->rpc->uid);
	(void)loop_refresh(call->rpc->loop); /* the timeout counts from now */
	r = watch_new(&watch, loop_poller(call->rpc->loop), &call->session->owner, spec, call->fds[0]);
	if (r != 0) {
		gate_free(gate);
		return refuse(call, spec->handle, r);
	}
	call->fds[0] = -1;
	reply.id = watch_id(watch);
	r = set_gate(call, gate, spec->handle);
	if (r < 0)
		return r;
	call_reply(call, &reply.base);
	return 0;
}

int rpc_watch_fd(struct call *call, const void *data) {
	const Evloop__WatchFdRequest *request = data;
	struct watch_spec spec = { .handle = request->handle, .timeout_ns = request->timeout_ns };
	struct descriptor descriptor;

	if (request->events == 0 || request->events & ~(uint32_t)READINESS_ASKED) {
		call_refuse(call, EVLOOP__STATUS__STATUS_INVALID, "events is %" PRIu32 ", not %d, %d or %d",
			    request->events, EVLOOP__READINESS__READINESS_READABLE,
			    EVLOOP__READINESS__READINESS_WRITABLE, READINESS_ASKED);
		return 0;
	}
	if (!check_watch(call, request->handle, request->timeout_ns) || !check_descriptor(call, &descriptor))
		return 0;
	if (request->events & EVLOOP__READINESS__READINESS_READABLE)
		spec.readiness |= READINESS_READABLE;
	if (request->events & EVLOOP__READINESS__READINESS_WRITABLE)
		spec.readiness |= READINESS_WRITABLE;
	return start(call, descriptor.kind, &spec, request->gate);
}

int rpc_watch_pid(struct call *call, const void *data) {
	const Evloop__WatchPidRequest *request = data;
	struct watch_spec spec = { .handle = request->handle, .timeout_ns = request->timeout_ns, .is_process = true };
	struct descriptor descriptor;

	if (!check_watch(call, request->handle, request->timeout_ns))
		return 0;
	descriptor_look(&descriptor, call->fds[0]);
	if (descriptor.kind != DESCRIPTOR_PIDFD) {
		call_refuse(call, EVLOOP__STATUS__STATUS_INVALID, "the descriptor is no pidfd");
		return 0;
	}
	spec.pid = MAX(process_of(call->fds[0]), 0);
	return start(call, descriptor.kind, &spec, NULL);
}

int rpc_ack(struct call *call, const void *data) {
	static const Evloop__AckReply reply = EVLOOP__ACK_REPLY__INIT;
	const Evloop__AckRequest *request = data;
	size_t *progress = &call->session->frame_progress;

	if (request->n_handles > ACK_HANDLES_MAX) {
		call_refuse(call, EVLOOP__STATUS__STATUS_OUT_OF_RANGE, "an Ack of %zu handles, more than %d",
			    request->n_handles, ACK_HANDLES_MAX);
		return 0;
	}
	if (call->session->owner.timeouts > 0)
		(void)loop_refresh(call->rpc->loop);
	for (size_t i = *progress; i < request->n_handles; i++) {
		if (i > *progress && i % ACKS_UNLOOKED == 0 && !session_has_time(call->session, 0)) {
			*progress = i;
			call->again = true;
			return 0;
		}
		owner_ack(&call->session->owner, request->handles[i]);
	}
	call_reply(call, &reply.base);
	return 0;
}
