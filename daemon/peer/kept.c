/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns what is offered and what is kept, and how it is called: a prefix and an id in hexadecimal, for all names together have to fit into
 * one environment variable.  Must not know what the descriptors are, nor how many of them are worth it.
 */

#include "daemon/peer/kept.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/limits.h"

static const char *name_of(const struct kept *kept, uint64_t id, char name[static KEPT_NAME_ROOM]) {
	(void)snprintf(name, KEPT_NAME_ROOM, "%s%" PRIx64, kept->prefix, id);
	return name;
}

bool kept_parse_name(const char *name, const char *prefix, uint64_t *ret) {
	const char *digits = name + strlen(prefix);
	uint64_t id;
	char *end;

	if (strncmp(name, prefix, strlen(prefix)) != 0 || *digits == '\0' ||
	    digits[strspn(digits, "0123456789abcdef")] != '\0')
		return false;
	errno = 0;
	id = strtoull(digits, &end, 16);
	if (errno != 0 || id == 0)
		return false;
	*ret = id;
	return true;
}

void kept_init(struct kept *kept, struct loop *loop, const char *prefix) {
	*kept = (struct kept){ .loop = loop, .prefix = prefix };
	TAILQ_INIT(&kept->offered);
	TAILQ_INIT(&kept->stored);
}

void kept_offer(struct kept *kept, struct kept_entry *entry, uint64_t id) {
	if (!kept->keeper || entry->state != KEPT_NOT_OFFERED)
		return;
	entry->state = KEPT_OFFERED;
	entry->id = id;
	entry->offered_ns = loop_now(kept->loop)->ns[TIMER_CLOCK_BOOTTIME];
	TAILQ_INSERT_TAIL(&kept->offered, entry, link);
}

int64_t kept_next(const struct kept *kept) {
	const struct kept_entry *oldest = TAILQ_FIRST(&kept->offered);

	if (!oldest || !kept->keeper)
		return INT64_MAX;
	return MAX(oldest->offered_ns + SESSION_KEPT_AGE_NS, kept->keeper->next(kept->keeper->userdata));
}

void kept_leave(struct kept *kept, struct kept_entry *entry) {
	if (entry->state == KEPT_OFFERED) {
		TAILQ_REMOVE(&kept->offered, entry, link);
	} else if (entry->state == KEPT_STORED) {
		TAILQ_REMOVE(&kept->stored, entry, link);
		kept->n_stored--;
	}
	entry->state = KEPT_NOT_OFFERED;
}

void kept_set_stored(struct kept *kept, struct kept_entry *entry, uint64_t id) {
	kept_leave(kept, entry);
	entry->state = KEPT_STORED;
	entry->id = id;
	TAILQ_INSERT_TAIL(&kept->stored, entry, link);
	kept->n_stored++;
}

bool kept_store(struct kept *kept, struct kept_entry *entry, int fd) {
	char name[KEPT_NAME_ROOM];

	kept_leave(kept, entry);
	if (kept->keeper->keep(kept->keeper->userdata, name_of(kept, entry->id, name), fd) < 0)
		return false;
	kept_set_stored(kept, entry, entry->id);
	return true;
}

void kept_forget(const struct kept *kept, uint64_t id) {
	char name[KEPT_NAME_ROOM];

	if (kept->keeper)
		kept->keeper->forget(kept->keeper->userdata, name_of(kept, id, name));
}

void kept_withdraw(struct kept *kept, struct kept_entry *entry) {
	if (entry->state == KEPT_STORED)
		kept_forget(kept, entry->id);
	kept_leave(kept, entry);
}
