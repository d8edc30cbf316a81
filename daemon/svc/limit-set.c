/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns that the scheduler has just the limiters that configuration defines.  Who may use a limiter is asked elsewhere. */

#include "daemon/svc/limit-set.h"

#include "daemon/core/scheduler.h"
#include "daemon/core/tenant.h"
#include "daemon/svc/limit-file.h"
#include "daemon/svc/log.h"

static void remove_others(const struct config_set *set, struct tenant *tenant) {
	struct limiter *limiter;
	uint64_t after = 0;

	while ((limiter = limiter_next(tenant, after))) {
		after = limiter_id(limiter);
		if (!config_set_find(set, limiter_spec(limiter)->name))
			limiter_remove(limiter);
	}
}

static int apply(const struct limit_definition *limit, struct tenant *tenant) {
	const struct definition *definition = &limit->definition;
	enum limiter_change change;
	struct limiter *limiter;
	int r = limiter_set(tenant, &limit->spec, LIMITER_MODE_PUT, &limiter, &change);

	if (r == LIMITER_E_BUSY) {
		/* Nobody but the administrator has everybody wait for it. */
		r = limiter_go_on(limiter, SIZE_MAX);
		if (r == 0)
			r = limiter_set(tenant, &limit->spec, LIMITER_MODE_PUT, &limiter, &change);
	}
	if (r == LIMITER_E_KIND) {
		/* Another kind of thing under the old name: who waits for the old one waits in vain, and is told. */
		limiter_remove(limiter);
		r = limiter_set(tenant, &limit->spec, LIMITER_MODE_CREATE, &limiter, &change);
	}
	if (r == LIMITER_E_RANGE) {
		log_error("%s: what is taken of '%s' would be owed for more than 4.5 years: it stays as it was",
			  definition->path, definition->name);
		r = 0;
	}
	if (r == 0)
		limiter_set_access(limiter, &definition->access);
	return r;
}

int limit_set_apply(const struct config_set *set, struct scheduler *scheduler) {
	struct tenant *tenant;
	int r = scheduler_tenant(scheduler, TENANT_OF_ALL, &tenant);

	if (r < 0)
		return r;
	remove_others(set, tenant);
	for (size_t i = 0; i < set->n && r == 0; i++)
		r = apply(container_of(set->definitions[i], struct limit_definition, definition), tenant);
	tenant_unref(tenant);
	return r;
}
