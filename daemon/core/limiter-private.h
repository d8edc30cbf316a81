/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Limiters, their cells and claims from within core/; nobody else includes this. */

#include "daemon/core/claim.h"
#include "daemon/core/keys.h"
#include "daemon/core/limiter.h"
#include "daemon/core/permits.h"
#include "daemon/core/shared-memory.h"
#include "daemon/core/source-private.h"

LIST_HEAD(claim_list, claim);
TAILQ_HEAD(claim_queue, claim);

/* What grants: a bucket, or a number of permits, for one key or for all.  There may be millions, so it is small. */
struct cell {
	struct limiter *limiter;
	union {
		struct bucket
			bucket; /* RATE; its words are `word` where there is one rule, allocated where there are more */
		struct permits *permits; /* CONCURRENCY */
	};
	_Atomic uint64_t word;
	struct claim_list claims; /* who waits here, and who holds permits of it */
	uint32_t place; /* in scheduler::cells, by when it is to be looked at; CELL_NOT_QUEUED: it is not there */
	uint8_t generation; /* limiter::generation: it obeys limiter::spec; else limiter::former */
	uint8_t key_size;
	uint8_t key[];
};

#define CELL_NOT_QUEUED UINT32_MAX

/* What cells obey that have not been looked at since there is another definition. */
struct former {
	struct limiter_spec spec;
	int64_t until_ns; /* boottime */
};

struct limiter {
	struct tenant *tenant;
	uint64_t id;
	struct limiter_spec spec;
	struct access access; /* of TENANT_OF_ALL */
	struct cell *common; /* of all, or, with keys, of those that find the table full; NULL: none yet */
	struct keys cells; /* keyed */
	struct shared_memory *memory; /* where the word of `common` is, for clients to take from; NULL: it is not */
	uint64_t allowed, denied, waiting, held;
	uint64_t gates;
	uint64_t repaired; /* how often somebody has spoilt shared memory; it is not shared again */
	struct map claims; /* by id */
	int64_t created_realtime_ns;
	int64_t drained_ns; /* boottime: a cell that is made, and a rule that is new, begins as if all had been taken then; 0: full */
	uint32_t mark; /* in scheduler::marks */
	uint8_t generation; /* of `spec` */
	bool removed; /* it has no name any more, only claims and cells, and its tenant by a reference */
	struct former *former; /* of cells of another generation; NULL: all are of this one, and nobody is unfit */
	size_t n_former; /* cells of another generation */
	size_t position; /* in `cells`, of who renews or frees them */
	uint64_t next_claim, claims_until; /* of `claims`, those whose cells come first: ids from, and below */
	struct claim_queue unfit; /* for whom that was too much; each hears of it in his turn */
	TAILQ_ENTRY(limiter)
	unfinished; /* scheduler::unfinished or ::awaited, where it has a former definition or is removed */
	bool awaited; /* it is in that list */
	char name[];
};

struct claim {
	struct source source;
	struct cell *cell; /* NULL: over, or its limiter is gone */
	LIST_ENTRY(claim) link; /* cell::claims, while `cell` */
	union {
		struct waiter waiter; /* RATE */
		struct permit_waiter permit_waiter; /* CONCURRENCY */
	};
	uint64_t cost;
	enum claim_state state;
	int64_t since_ns, latest_ns;
	uint32_t place; /* in scheduler::patience, by `latest_ns` */
	bool timed; /* it is there */
	bool permits; /* of a limiter of kind CONCURRENCY */
	bool unfit; /* WAITING, but in no line any more: in limiter::unfit */
	TAILQ_ENTRY(claim) unfit_link;
	struct claim_binding *binding; /* NULL: its owner holds it */
	struct gate *gate; /* whose it is: that is told, and no event comes of it; NULL: none */
	struct grant grant; /* GRANTED says it */
};

static inline struct claim *claim_of(struct source *source) {
	return container_of(source, struct claim, source);
}

/* Nobody finds it any more, and it counts for nothing. */
void limiter_unlist(struct limiter *limiter);

/* All cells, in an order that stays the same while none comes or goes.  *position is 0 at first.  Return: NULL: no more. */
struct cell *limiter_next_cell(const struct limiter *limiter, size_t *position);

/* The cell of that key, made if need be.  Return: 0; LIMITER_E_DENIED: no room for the key; LIMITER_E_KEY, -ENOMEM. */
int limiter_get_cell(struct limiter *limiter, struct limiter_key key, struct cell **ret);
/* The one that has no key.  Return: 0, -ENOMEM. */
int limiter_get_common(struct limiter *limiter, struct cell **ret);

/* So many steps of what limiters have left for later; those for which there is no memory wait until there may be some. */
void limiters_go_on(struct scheduler *scheduler, size_t n);
/* When there is more to do for it, in ns of boottime; INT64_MAX: there is not. */
int64_t limiters_next(const struct scheduler *scheduler);
/* All of that of one tenant, which ends. */
void limiters_finish(struct tenant *tenant);

/* Obey that definition.  Return: as limiter_set(). */
int limiter_change(struct limiter *limiter, const struct limiter_spec *spec);

/* It has become another, or has more to grant; and: so much was taken from it, which outlives this process. */
void limiter_changed(struct limiter *limiter);
void limiter_taken(struct limiter *limiter, uint64_t cost);

/* From when on all its cells are idle; INT64_MAX: it cannot be known. */
int64_t limiter_idle_at(const struct limiter *limiter);

/* The cell that tokens are taken from for that key, ready for waiting without further memory.  Return: 0, LIMITER_E_KIND, _KEY, _COST, _DENIED: no room for the key; -ENOMEM. */
int limiter_find_cell(struct limiter *limiter, struct limiter_key key, uint64_t cost, struct cell **ret);

/* Of a claim that is idle: take its tokens, or join the line.  Return: 0, LIMITER_E_QUEUED; LIMITER_E_COST, _RANGE: that cannot be. */
int limiter_ask(struct claim *claim);

/* ---- cell.c ---- */

#define NO_MEMORY_NS (100 * NSEC_PER_MSEC) /* until it is tried again to have a cell obey another definition */

/* Where the memory of cells comes from: scheduler::cell_pools. */
void cell_pools_init(struct pool *pools);
void cell_pools_deinit(struct pool *pools);

/* Return: NULL: no memory. */
struct cell *cell_new(struct limiter *limiter, struct limiter_key key);
/* That one is told that the limiter is gone, if it waits; what it holds is forgotten. */
void cell_drop_claim(struct cell *cell, struct claim *claim);
/* It has no claims. */
void cell_free(struct cell *cell);

/* Out of whatever line it is in. */
void cell_leave_line(struct cell *cell, struct claim *claim);

bool cell_is_permits(const struct cell *cell);
/* What its bucket obeys. */
const struct bucket_rules *cell_rules(const struct cell *cell);
int64_t cell_now(const struct cell *cell);

/* Hand out what is due, if it is not too much for one turn, and find when to look again.  After every change, and when the time has come.
 * Return: how many have got an answer. */
size_t cell_settle(struct cell *cell);
/* The same, where grants may have moved away: first those leave for whom they come too late. */
void cell_expire(struct cell *cell);

/*
 * Could it obey the other definition at that time?  Then nothing is in the way of cell_change(); *ret is for that, and free(3)d where it is
 * not called.  Return: 0, LIMITER_E_RANGE, -ENOMEM.
 */
int cell_prepare(struct cell *cell, const struct limiter_spec *to, int64_t now_ns, void **ret);
/* Obey limiter::spec in place of limiter::former, whose last time that is.  Those for whom that is too much are in
 * limiter::unfit then; what is due is for cell_settle(). */
void cell_change(struct cell *cell, int64_t now_ns, void *prepared);
/* The same, if it does not yet, and it is due.  Return: 0, -ENOMEM. */
int cell_renew(struct cell *cell);

/* What a bucket is made of, without what its line has in it, and without what nobody honest can have written into shared memory. */
void cell_read_bucket(const struct cell *cell, struct limiter_bucket *ret);
/* The same as if all had been taken now, of one that there is no memory to renew. */
void cell_read_empty(const struct cell *cell, struct limiter_bucket *ret);

/* Nothing is granted before; and: it is full again.  For buckets and permits. */
void cell_hold(struct cell *cell, int64_t until_ns);
void cell_reset(struct cell *cell);

/* Let clients take by themselves.  Return: the memory, NULL: not from this one, or there is no room for it. */
const struct shared_memory *cell_share(struct cell *cell);
/* Another process goes on with the memory: let go of it without a word, its descriptors are the caller's; and, there, take it over.
 * Return: 0, LIMITER_E_KIND. */
void cell_release_memory(struct cell *cell, int *ret_config_fd, int *ret_state_fd);
int cell_adopt_memory(struct cell *cell, struct shared_memory *memory);
/* Ask for each token again, from now on.  What clients have counted is added to the limiter. */
void cell_unshare(struct cell *cell);

/* From when on a new one would be the same; INT64_MAX: it cannot be known. */
int64_t cell_idle_at(const struct cell *cell);

/* ---- claim.c ---- */

/* In line, at the end, or holding; it knows its cell already.  Return: 0, SOURCE_E_HANDLE_EXISTS, -ENOMEM. */
int claim_new(struct claim **ret, struct cell *cell, struct owner *owner, uint64_t handle, uint64_t cost,
	      int64_t max_wait_ns);
void claim_free(struct claim *claim);

/* It waits from now on; permits: at most until latest_ns. */
void claim_wait(struct claim *claim);
/* It holds permits from now on, and nobody is to be told. */
void claim_hold(struct claim *claim);
/* It was granted, or not, without ever having been in line, and its owner is to be told by an event all the same. */
void claim_tell(struct claim *claim, bool granted, const struct grant *grant);
/* It was granted, and is out of the line. */
void claim_granted(struct claim *claim, const struct grant *grant);
/* It was not, and is out of the line. */
void claim_failed(struct claim *claim, enum claim_state state);
/* It has waited long enough.  Return: how many have got an answer by that. */
size_t claim_expire(struct claim *claim);
/* Leave the line, or give back what nobody has taken notice of, or the permits.  Idle afterwards, in no state to be told of. */
void claim_give_back(struct claim *claim);
