/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Which permits that processes hold outlive the daemon, should it die: those whose pidfds somebody keeps for the next one, for a pid may be
 * another process's by then.  From the age of SESSION_KEPT_AGE_NS on, as many as PERMITS_KEPT_MAX.
 */

#include "daemon/core/loop.h"
#include "daemon/peer/kept.h"
#include "daemon/rpc/holder.h"
#include "daemon/rpc/record.h"

struct holder_store {
	struct kept kept;
};

void holder_store_init(struct holder_store *store, struct loop *loop);

/* For holders: it has permits, and may be kept from now on, in its turn; and has none any more. */
void holder_store_offer(struct holder *holder);
void holder_store_withdraw(struct holder *holder);

/* When there is something to be kept, and do it. */
int64_t holder_store_next(const struct holder_store *store);
void holder_store_tick(struct holder_store *store, int64_t boottime_ns);

/* Write down what they hold.  Return: 0, −errno. */
int holder_store_save(const struct holder_store *store, FILE *file);

/* Is that its name?  Then its id is in *ret. */
bool holder_store_parse_name(const char *name, uint64_t *ret);

/* After the death of a daemon: this was written down, and its process holds it again, if it is among those and lives. */
void holder_store_load(struct holder_store *store, struct scheduler *scheduler, const Evloop__SavedClaim *saved,
		       struct kept_copy *copies, size_t n);

/* Those that are left belong to permits that were handed over, or to none. */
void holder_store_settle(struct holder_store *store, struct kept_copy *copies, size_t n);
