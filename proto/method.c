/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the table of methods, indexed by number, with holes.  tests/unit/test-method.c holds it against the service of evloop.proto. */

#include "proto/method.h"

#include "proto/evloop.pb-c.h"

#define CALL(number_, name_, input_, output_)                                                                          \
	[EVLOOP__METHOD__METHOD_##number_] = { .number = EVLOOP__METHOD__METHOD_##number_,                             \
					       .name = name_,                                                          \
					       .input = &evloop__##input_##__descriptor,                               \
					       .output = &evloop__##output_##__descriptor }
/* One that may carry a descriptor. */
#define CALL_WITH_FD(number_, name_, input_, output_)                                                                  \
	[EVLOOP__METHOD__METHOD_##number_] = { .number = EVLOOP__METHOD__METHOD_##number_,                             \
					       .name = name_,                                                          \
					       .input = &evloop__##input_##__descriptor,                               \
					       .output = &evloop__##output_##__descriptor,                             \
					       .max_fds = 1 }
#define EVENT(number_, name_, output_)                                                                                 \
	[EVLOOP__METHOD__METHOD_##number_] = { .number = EVLOOP__METHOD__METHOD_##number_,                             \
					       .name = name_,                                                          \
					       .output = &evloop__##output_##__descriptor }

static const struct method table[] = {
	CALL(HELLO, "Hello", hello_request, hello_reply),
	CALL(PING, "Ping", ping_request, ping_reply),
	CALL(TIME, "Time", time_request, time_reply),
	CALL(QUOTA, "Quota", quota_request, quota_reply),
	CALL(RELOAD, "Reload", reload_request, reload_reply),
	CALL(ARM, "Arm", timer_spec, armed),
	CALL(CANCEL_HANDLE, "CancelHandle", handle_request, cancel_reply),
	CALL(RESTART_HANDLE, "RestartHandle", restart_request, armed),
	CALL(IDENTIFY, "Identify", handle_request, armed),
	CALL(ATTACH, "Attach", attach_request, timer_info),
	CALL_WITH_FD(WATCH_FD, "WatchFd", watch_fd_request, watched),
	CALL_WITH_FD(WATCH_PID, "WatchPid", watch_pid_request, watched),
	CALL(WATCH_PATH, "WatchPath", watch_path_request, watched),
	CALL(SUBSCRIBE, "Subscribe", subscribe_request, watched),
	CALL(EMIT, "Emit", emit_request, emit_reply),
	CALL(ACK, "Ack", ack_request, ack_reply),
	CALL(LIST, "List", list_request, list_reply),
	CALL(CANCEL, "Cancel", manage_request, manage_reply),
	CALL(PAUSE, "Pause", manage_request, manage_reply),
	CALL(RESUME, "Resume", manage_request, manage_reply),
	CALL(TRIGGER, "Trigger", manage_request, manage_reply),
	CALL(POKE, "Poke", manage_request, manage_reply),
	CALL(KILL, "Kill", manage_request, manage_reply),
	CALL(LOG, "Log", log_request, log_reply),
	CALL(LIMITER_SET, "LimiterSet", limiter_spec, limiter_set_reply),
	CALL(LIMITER_TRY, "LimiterTry", limiter_request, grant),
	CALL(LIMITER_PEEK, "LimiterPeek", limiter_request, grant),
	CALL(LIMITER_TAKE_UP_TO, "LimiterTakeUpTo", limiter_request, grant),
	CALL_WITH_FD(LIMITER_WAIT, "LimiterWait", limiter_wait_request, grant),
	CALL(LIMITER_REFUND, "LimiterRefund", limiter_request, grant),
	CALL(LIMITER_CHARGE, "LimiterCharge", limiter_request, grant),
	CALL(LIMITER_HOLD, "LimiterHold", limiter_hold_request, grant),
	CALL(LIMITER_RESET, "LimiterReset", limiter_request, grant),
	CALL(LIMITER_MULTI, "LimiterMulti", limiter_multi_request, limiter_multi_reply),
	CALL(LIMITER_LIST, "LimiterList", limiter_list_request, limiter_list_reply),
	CALL(LIMITER_CLAIMS, "LimiterClaims", limiter_claims_request, limiter_claims_reply),
	CALL(LIMITER_REMOVE, "LimiterRemove", limiter_remove_request, limiter_remove_reply),
	CALL(LIMITER_SHARE, "LimiterShare", limiter_share_request, limiter_share_reply),
	EVENT(EVENT, "Event", event),
	EVENT(REFUSED, "Refused", error),
	EVENT(TAKEN_OVER, "TakenOver", taken_over),
};

const struct method *method_find(uint16_t number) {
	return number < ARRAY_SIZE(table) && table[number].name ? &table[number] : NULL;
}

const struct method *method_all(size_t *ret_n) {
	*ret_n = ARRAY_SIZE(table);
	return table;
}
