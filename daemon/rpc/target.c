/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns what a Target means.  Changes nothing. */

#include "daemon/rpc/target.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/core/tenant.h"

static unsigned count_fields(const Evloop__Target *target) {
	return (target->id != 0) + (target->name[0] != '\0') + (target->glob[0] != '\0');
}

bool target_check(struct call *call, const Evloop__Target *target) {
	if (!target || count_fields(target) != 1) {
		call_refuse(call, EVLOOP__STATUS__STATUS_INVALID, "exactly one of id, name and glob is to be given");
		return false;
	}
	if (strlen(target->glob) > NAME_LENGTH_MAX) {
		call_refuse(call, EVLOOP__STATUS__STATUS_INVALID, "the pattern has more than %d bytes",
			    NAME_LENGTH_MAX);
		return false;
	}
	return true;
}

struct timer *target_timer(struct call *call, const Evloop__Target *target) {
	struct tenant *tenant = call->session->owner.tenant;
	struct timer *timer;

	if (!target_check(call, target))
		return NULL;
	if (target->glob[0]) {
		call_refuse(call, EVLOOP__STATUS__STATUS_INVALID, "a pattern does not name one timer");
		return NULL;
	}
	timer = target->id ? tenant_find_id(tenant, target->id) : tenant_find_name(tenant, target->name);
	if (!timer && target->id)
		call_refuse(call, EVLOOP__STATUS__STATUS_NOT_FOUND, "there is no timer %" PRIu64, target->id);
	else if (!timer)
		call_refuse(call, EVLOOP__STATUS__STATUS_NOT_FOUND, "there is no timer named '%.*s'", NAME_LENGTH_MAX,
			    target->name);
	return timer;
}

bool target_matches(const Evloop__Target *target, const struct timer_info *info) {
	return info->name && fnmatch(target->glob, info->name, 0) == 0;
}
