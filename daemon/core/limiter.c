/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the names of limiters, what they are defined as, and which cell a request means.
 *
 * Knows nothing of when something is granted (cell.c), of what becomes of who waits (claim.c), nor of how a limiter becomes another or goes
 * (limiter-change.c).
 */

#include "daemon/core/limiter.h"

#include <assert.h>
#include <search.h>
#include <string.h>

#include "daemon/core/limiter-private.h"
#include "daemon/core/scheduler-private.h"
#include "proto/limits.h"

#define HOLD_MAX_NS ((int64_t)(GCRA_TICKS_MAX / 4 / GCRA_TICKS_PER_NSEC)) /* 4.5 years, as far as buckets count */
#define CROWD 256 /* claims */
#define CELLS_PER_NEW_ONE                                                                                              \
	4 /* left by others, for each that is made: half of these steps are for cells that are to be freed */
#define KEYS_SWEPT 8 /* slots looked at for an idle one, each time a key finds the table full */

/* ---- definitions ---- */

int limiter_spec_check(struct limiter_spec *spec, unsigned *ret_rule) {
	spec->rules.n = spec->n_rates;
	for (unsigned i = 0; i < spec->n_rates; i++) {
		struct limiter_rate *rate = &spec->rates[i];
		int r;

		if (rate->burst == 0 && rate->tokens > 0 && rate->period_ns > 0)
			rate->burst = gcra_default_burst(rate->tokens, rate->period_ns);
		r = gcra_rule_init(&spec->rules.rule[i], rate->tokens, rate->period_ns, rate->burst);
		if (r != 0) {
			*ret_rule = i;
			return r;
		}
	}
	return 0;
}

uint64_t limiter_keys(const struct limiter_spec *spec) {
	return spec->keyed ? spec->max_keys : 0;
}

/* Do they decide alike, whatever they are written as? */
static bool is_alike(const struct limiter_spec *a, const struct limiter_spec *b) {
	if (a->kind != b->kind || a->concurrency != b->concurrency || a->keyed != b->keyed ||
	    limiter_keys(a) != limiter_keys(b) || a->deny_when_full != b->deny_when_full ||
	    a->max_waiters != b->max_waiters || a->rules.n != b->rules.n || a->rules.max_debt != b->rules.max_debt)
		return false;
	for (unsigned i = 0; i < a->rules.n; i++)
		if (a->rules.rule[i].interval != b->rules.rule[i].interval ||
		    a->rules.rule[i].burst != b->rules.rule[i].burst)
			return false;
	return true;
}

/* ---- names ---- */

static int name_compare(const void *a, const void *b) {
	return strcmp(a, b);
}

struct limiter *limiter_find(struct tenant *tenant, const char *name) {
	char *const *found = tfind(name, &tenant->limiter_names, name_compare);

	return found ? container_of(*found, struct limiter, name) : NULL;
}

struct limiter *limiter_next(struct tenant *tenant, uint64_t after) {
	return after < UINT64_MAX ? map_find_from(&tenant->limiters, after + 1) : NULL;
}

static const void *cell_key(const void *thing, size_t *ret_size) {
	const struct cell *cell = thing;

	*ret_size = cell->key_size;
	return cell->key;
}

static int limiter_new(struct limiter **ret, struct tenant *tenant, const struct limiter_spec *spec) {
	struct scheduler *scheduler = tenant->scheduler;
	size_t size = strlen(spec->name) + 1;
	struct limiter *limiter = calloc(1, sizeof(*limiter) + size);
	char **place;
	int r;

	if (!limiter)
		return -ENOMEM;
	memcpy(limiter->name, spec->name, size);
	limiter->tenant = tenant;
	limiter->spec = *spec;
	limiter->spec.name = limiter->name;
	limiter->id = scheduler->next_id;
	limiter->created_realtime_ns = scheduler->now.ns[TIMER_CLOCK_REALTIME];
	/* Whoever comes later did not need it before. */
	if (scheduler->now.ns[TIMER_CLOCK_BOOTTIME] < scheduler->drained_ns + LIMITERS_SETTLE_NS)
		limiter->drained_ns = scheduler->drained_ns;
	map_init(&limiter->claims, &scheduler->maps);
	TAILQ_INIT(&limiter->unfit);
	r = keys_init(&limiter->cells, cell_key);
	if (r == 0)
		r = map_insert(&tenant->limiters, limiter->id, limiter);
	if (r < 0) {
		free(limiter);
		return r;
	}
	place = tsearch(limiter->name, &tenant->limiter_names, name_compare);
	if (!place) {
		(void)map_remove(&tenant->limiters, limiter->id);
		free(limiter);
		return -ENOMEM;
	}
	scheduler->next_id++;
	tenant_charge(tenant, limiters, 1);
	scheduler->n_limiters++;
	tenant_charge(tenant, keys, limiter_keys(spec));
	limiter_changed(limiter);
	*ret = limiter;
	return 0;
}

void limiter_unlist(struct limiter *limiter) {
	struct tenant *tenant = limiter->tenant;

	(void)tdelete(limiter->name, &tenant->limiter_names, name_compare);
	(void)map_remove(&tenant->limiters, limiter->id);
	tenant_charge(tenant, limiters, -1);
	tenant->scheduler->n_limiters--;
	tenant_charge(tenant, keys, -limiter_keys(&limiter->spec));
}

struct cell *limiter_next_cell(const struct limiter *limiter, size_t *position) {
	struct cell *cell;
	size_t slot;

	if (*position == 0) {
		*position = 1;
		if (limiter->common)
			return limiter->common;
	}
	slot = *position - 1;
	cell = keys_next(&limiter->cells, &slot);
	*position = slot + 1;
	return cell;
}

int limiter_set(struct tenant *tenant, const struct limiter_spec *spec, enum limiter_mode mode, struct limiter **ret,
		enum limiter_change *ret_change) {
	struct limiter *limiter = limiter_find(tenant, spec->name);

	*ret = limiter;
	*ret_change = LIMITER_CHANGE_NONE;
	if (!limiter) {
		if (mode == LIMITER_MODE_UPDATE)
			return -ENOENT;
		*ret_change = LIMITER_CHANGE_CREATED;
		return limiter_new(ret, tenant, spec);
	}
	if (is_alike(&limiter->spec, spec))
		return 0;
	if (mode == LIMITER_MODE_CREATE)
		return LIMITER_E_EXISTS;
	*ret_change = LIMITER_CHANGE_UPDATED;
	return limiter_change(limiter, spec);
}

uint64_t limiter_id(const struct limiter *limiter) {
	return limiter->id;
}

const struct limiter_spec *limiter_spec(const struct limiter *limiter) {
	return &limiter->spec;
}

bool limiter_is_alike(const struct limiter *limiter, const struct limiter_spec *spec) {
	return is_alike(&limiter->spec, spec);
}

void limiter_set_access(struct limiter *limiter, const struct access *access) {
	limiter->access = *access;
}

const struct access *limiter_access(const struct limiter *limiter) {
	return limiter->tenant->uid == TENANT_OF_ALL ? &limiter->access : NULL;
}

void limiter_describe(const struct limiter *limiter, struct limiter_info *ret) {
	*ret = (struct limiter_info){
		.allowed = limiter->allowed,
		.denied = limiter->denied,
		.keys = limiter->cells.used,
		.waiting = limiter->waiting,
		.held = limiter->held,
		.created_realtime_ns = limiter->created_realtime_ns,
		.repaired = limiter->repaired,
	};
	if (limiter->memory) {
		const struct shared_state *state = limiter->memory->state;

		ret->shared = true;
		ret->allowed += atomic_load(&state->allowed);
		ret->denied += atomic_load(&state->denied);
	}
}

bool limiter_is_crowded(const struct limiter *limiter) {
	return limiter->waiting >= CROWD;
}

struct claim *limiter_next_claim(struct limiter *limiter, uint64_t after) {
	struct claim *claim;

	do {
		claim = after < UINT64_MAX ? map_find_from(&limiter->claims, after + 1) : NULL;
		if (claim)
			after = claim->source.id;
	} while (claim && claim->state == CLAIM_IDLE);
	return claim;
}

/* ---- cells ---- */

int64_t limiter_idle_at(const struct limiter *limiter) {
	int64_t idle_at = limiter->common ? cell_idle_at(limiter->common) : 0;
	const struct cell *cell;
	size_t position = 0;

	if (limiter->former)
		return INT64_MAX; /* for a moment */
	while (idle_at < INT64_MAX && (cell = keys_next(&limiter->cells, &position)))
		idle_at = MAX(idle_at, cell_idle_at(cell));
	return idle_at;
}

static bool is_idle(void *thing) {
	return cell_renew(thing) == 0 && cell_idle_at(thing) <= cell_now(thing);
}

/* Forget a cell that would be the same if it were made again; a few are looked at.  Return: there is room for one more. */
static bool make_room(struct limiter *limiter) {
	void *idle;

	if (limiter->cells.used < limiter->spec.max_keys)
		return true;
	if (!keys_sweep(&limiter->cells, KEYS_SWEPT, is_idle, &idle))
		return false;
	keys_remove(&limiter->cells, ((struct cell *)idle)->key, ((struct cell *)idle)->key_size);
	cell_free(idle);
	return limiter->cells.used < limiter->spec.max_keys;
}

int limiter_get_common(struct limiter *limiter, struct cell **ret) {
	if (!limiter->common)
		limiter->common = cell_new(limiter, (struct limiter_key){ 0 });
	*ret = limiter->common;
	return *ret ? 0 : -ENOMEM;
}

int limiter_get_cell(struct limiter *limiter, struct limiter_key key, struct cell **ret) {
	struct cell *cell;
	int r;

	if (limiter->spec.keyed != (key.size > 0))
		return LIMITER_E_KEY;
	if (key.size == 0)
		return limiter_get_common(limiter, ret);
	*ret = keys_find(&limiter->cells, key.data, key.size);
	if (*ret)
		return cell_renew(*ret);
	/* Faster than they come, so that no more memory is in use than there may be keys. */
	limiters_go_on(limiter->tenant->scheduler, CELLS_PER_NEW_ONE);
	if (!make_room(limiter))
		return limiter->spec.deny_when_full ? LIMITER_E_DENIED : limiter_get_common(limiter, ret);
	cell = cell_new(limiter, key);
	if (!cell)
		return -ENOMEM;
	r = keys_add(&limiter->cells, cell);
	if (r < 0) {
		cell_free(cell);
		return r;
	}
	*ret = cell;
	return 0;
}

/* Nobody can know when a key will be forgotten. */
static void deny_key(const struct limiter *limiter, struct grant *grant) {
	*grant = (struct grant){ .now_ns = limiter->tenant->scheduler->now.ns[TIMER_CLOCK_BOOTTIME] };
	if (limiter->spec.rules.n > 0)
		grant->retry_after_ns = gcra_nsec(limiter->spec.rules.rule[0].interval);
}

/* The same with what is due handed out.  *ret_cell NULL: `grant`, unless NULL, has the answer already, a denial. */
static int open_cell(struct limiter *limiter, struct limiter_key key, struct cell **ret, struct grant *grant) {
	int r = limiter_get_cell(limiter, key, ret);

	if (r == LIMITER_E_DENIED) {
		*ret = NULL;
		if (grant)
			deny_key(limiter, grant);
		return 0;
	}
	if (r == 0)
		(void)cell_settle(*ret);
	return r;
}

const struct shared_memory *limiter_share(struct limiter *limiter) {
	struct cell *cell;

	return limiter_get_cell(limiter, (struct limiter_key){ 0 }, &cell) == 0 ? cell_share(cell) : NULL;
}

/* ---- verbs ---- */

static int of_bucket(int r) {
	switch (r) {
	case BUCKET_E_COST:
		return LIMITER_E_COST;
	case BUCKET_E_RANGE:
		return LIMITER_E_RANGE;
	default:
		return r;
	}
}

static void describe_permits(const struct cell *cell, struct grant *grant) {
	int64_t now_ns = cell_now(cell);

	*grant = (struct grant){
		.remaining = permits_available(cell->permits, now_ns),
		.limit = cell->permits->max,
		.now_ns = now_ns,
		.retry_after_ns = MAX(cell->permits->hold_until_ns - now_ns, 0),
	};
}

static void count(struct limiter *limiter, const struct grant *grant, uint64_t cost) {
	if (grant->allowed)
		limiter_taken(limiter, cost);
	else
		limiter->denied++;
}

/* Of permits nothing is taken without a claim: who would give it back? */
static int open_bucket(struct limiter *limiter, struct limiter_key key, struct cell **ret, struct grant *grant) {
	if (limiter->spec.kind != LIMITER_KIND_RATE)
		return LIMITER_E_KIND;
	return open_cell(limiter, key, ret, grant);
}

int limiter_try(struct limiter *limiter, struct limiter_key key, uint64_t cost, struct grant *ret) {
	struct cell *cell;
	int r = open_bucket(limiter, key, &cell, ret);

	if (r == 0 && cell)
		r = of_bucket(bucket_try(&cell->bucket, cell_rules(cell), cell_now(cell), cost, ret));
	if (r == 0 && cost > 0)
		count(limiter, ret, cost);
	return r;
}

int limiter_explain(struct limiter *limiter, struct limiter_key key, uint64_t cost, struct limiter_bucket *ret_bucket,
		    struct grant *ret) {
	struct cell *cell;
	int r = open_cell(limiter, key, &cell, ret);

	*ret_bucket = (struct limiter_bucket){ .key = key };
	if (r != 0 || !cell)
		return r;
	if (!cell_is_permits(cell)) {
		ret_bucket->n = limiter->spec.rules.n;
		ret_bucket->hold_until_ns = cell->bucket.hold_until_ns;
		return of_bucket(
			bucket_peek(&cell->bucket, cell_rules(cell), cell_now(cell), cost, ret_bucket->words, ret));
	}
	ret_bucket->hold_until_ns = cell->permits->hold_until_ns;
	if (cost > limiter->spec.concurrency)
		return LIMITER_E_COST;
	describe_permits(cell, ret);
	ret->allowed = ret->remaining >= MAX(cost, (uint64_t)1);
	return 0;
}

int limiter_peek(struct limiter *limiter, struct limiter_key key, uint64_t cost, struct grant *ret) {
	struct limiter_bucket bucket;

	return limiter_explain(limiter, key, cost, &bucket, ret);
}

int limiter_take_up_to(struct limiter *limiter, struct limiter_key key, uint64_t cost, uint64_t *ret_taken,
		       struct grant *ret) {
	struct cell *cell;
	int r = open_bucket(limiter, key, &cell, ret);

	*ret_taken = 0;
	if (r == 0 && cell)
		r = of_bucket(bucket_take_up_to(&cell->bucket, cell_rules(cell), cell_now(cell), cost, ret_taken, ret));
	if (r == 0 && *ret_taken > 0)
		limiter_taken(limiter, *ret_taken);
	return r;
}

bool limiter_look_ahead(struct limiter *limiter, struct limiter_key key, size_t n) {
	struct cell *cell;

	if (open_bucket(limiter, key, &cell, NULL) != 0 || !cell)
		return true; /* as the verb will find out, too */
	return bucket_look_ahead(&cell->bucket, cell_rules(cell), cell_now(cell), n);
}

int limiter_refund(struct limiter *limiter, struct limiter_key key, uint64_t cost) {
	struct cell *cell;
	int r = open_bucket(limiter, key, &cell, NULL);

	if (r != 0 || !cell)
		return r;
	bucket_refund(&cell->bucket, cell_rules(cell), cell_now(cell), cost);
	limiter_changed(limiter);
	(void)cell_settle(cell);
	return 0;
}

int limiter_charge(struct limiter *limiter, struct limiter_key key, uint64_t cost) {
	struct cell *cell;
	int r = open_bucket(limiter, key, &cell, NULL);

	if (r != 0 || !cell)
		return r;
	r = of_bucket(bucket_charge(&cell->bucket, cell_rules(cell), cell_now(cell), cost));
	if (r != 0)
		return r;
	limiter_taken(limiter, cost);
	cell_expire(cell);
	return 0;
}

int limiter_hold(struct limiter *limiter, struct limiter_key key, int64_t duration_ns) {
	struct cell *cell;
	int64_t until_ns;
	int r = open_cell(limiter, key, &cell, NULL);

	if (r != 0 || !cell)
		return r;
	until_ns = cell_now(cell) + MIN(duration_ns, HOLD_MAX_NS);
	cell_hold(cell, until_ns);
	limiter_changed(limiter);
	cell_expire(cell);
	return 0;
}

int limiter_reset(struct limiter *limiter, struct limiter_key key) {
	struct cell *cell;
	int r = open_cell(limiter, key, &cell, NULL);

	if (r != 0 || !cell)
		return r;
	cell_reset(cell);
	limiter_changed(limiter);
	(void)cell_settle(cell);
	return 0;
}

/*
 * Take from all, as all have said a moment ago that they would allow.  One may have changed its mind: clients take from memory
 * meanwhile, and the last room for a key may be gone to one of the others.  Then what was taken is given back.
 * Return: n, or which of them denied.
 */
static size_t take_together(struct limiter_item *items, size_t n) {
	size_t i = 0, denied;

	while (i < n && limiter_try(items[i].limiter, items[i].key, items[i].cost, &items[i].grant) == 0 &&
	       items[i].grant.allowed)
		i++;
	denied = i;
	if (denied == n)
		return n;
	items[denied].grant.allowed = false;
	while (i-- > 0) {
		items[i].limiter->allowed -= items[i].cost;
		(void)limiter_refund(items[i].limiter, items[i].key, items[i].cost);
		(void)limiter_peek(items[i].limiter, items[i].key, 0, &items[i].grant);
	}
	return denied;
}

int limiter_try_all(struct limiter_item *items, size_t n, bool *ret_allowed, size_t *ret_item) {
	size_t denied = n;
	int64_t longest = -1;
	struct cell *cell;
	int r;

	for (size_t i = 0; i < n; i++) {
		struct limiter_item *item = &items[i];

		*ret_item = i;
		r = open_bucket(item->limiter, item->key, &cell, &item->grant);
		if (r == 0 && cell)
			r = of_bucket(bucket_peek(&cell->bucket, cell_rules(cell), cell_now(cell), item->cost, NULL,
						  &item->grant));
		if (r != 0)
			return r;
		if (!item->grant.allowed && item->grant.retry_after_ns > longest) {
			longest = item->grant.retry_after_ns;
			denied = i;
		}
	}
	if (denied < n)
		items[denied].limiter->denied++;
	else
		denied = take_together(items, n);
	*ret_allowed = denied == n;
	if (denied < n)
		*ret_item = denied;
	return 0;
}

/* Take permits, or join the line for them. */
static int wait_for_permits(struct cell *cell, struct claim *claim, struct grant *ret) {
	int r = permits_wait(cell->permits, cell_now(cell), &claim->permit_waiter);

	describe_permits(cell, ret);
	switch (r) {
	case 0:
		ret->allowed = true;
		ret->retry_after_ns = 0;
		claim_hold(claim);
		return 0;
	case PERMITS_E_QUEUED:
		if (claim->latest_ns > cell_now(cell)) {
			claim_wait(claim);
			return LIMITER_E_QUEUED;
		}
		permits_leave(cell->permits, &claim->permit_waiter);
		return LIMITER_E_DENIED;
	default:
		return LIMITER_E_COST;
	}
}

static int wait_for_tokens(struct cell *cell, struct claim *claim, struct grant *ret) {
	int r = bucket_wait(&cell->bucket, cell_rules(cell), cell_now(cell), &claim->waiter, ret);

	switch (r) {
	case BUCKET_E_QUEUED:
		claim_wait(claim);
		return LIMITER_E_QUEUED;
	case BUCKET_E_DENIED:
		return LIMITER_E_DENIED;
	default:
		return of_bucket(r);
	}
}

/* Tokens that are there need no claim.  Return: 0: taken, LIMITER_E_DENIED: nothing has changed, or what is wrong. */
static int take_at_once(struct cell *cell, struct owner *owner, uint64_t handle, uint64_t cost, struct grant *ret) {
	int r;

	if (owner_find(owner, handle))
		return LIMITER_E_HANDLE_EXISTS;
	r = of_bucket(bucket_try(&cell->bucket, cell_rules(cell), cell_now(cell), cost, ret));
	return r == 0 && !ret->allowed ? LIMITER_E_DENIED : r;
}

int limiter_wait(struct limiter *limiter, struct owner *owner, uint64_t handle, struct limiter_key key, uint64_t cost,
		 int64_t max_wait_ns, bool tell, struct claim **ret_claim, struct grant *ret) {
	struct claim *claim;
	struct cell *cell;
	int r = open_cell(limiter, key, &cell, ret);

	if (r != 0)
		return r;
	if (!cell)
		return LIMITER_E_DENIED;
	if (max_wait_ns != 0 && limiter->waiting >= limiter->spec.max_waiters)
		return LIMITER_E_CROWDED;
	if (!tell && !cell_is_permits(cell)) {
		r = take_at_once(cell, owner, handle, cost, ret);
		if (r == 0 || (r == LIMITER_E_DENIED && max_wait_ns == 0))
			count(limiter, ret, cost);
		if (r != LIMITER_E_DENIED || max_wait_ns == 0)
			return r;
	}
	r = claim_new(&claim, cell, owner, handle, cost, max_wait_ns);
	if (r != 0)
		return r == SOURCE_E_HANDLE_EXISTS ? LIMITER_E_HANDLE_EXISTS : r;
	claim->state = CLAIM_REMOVED; /* neither in line nor holding, until one of these says so */
	r = cell_is_permits(cell) ? wait_for_permits(cell, claim, ret) : wait_for_tokens(cell, claim, ret);
	if (r == 0 || r == LIMITER_E_DENIED)
		count(limiter, ret, cost);
	if (tell && (r == 0 || r == LIMITER_E_DENIED)) {
		claim_tell(claim, r == 0, ret);
	} else if (claim->state != CLAIM_WAITING && claim->state != CLAIM_HELD) {
		claim_free(claim);
		return r;
	}
	*ret_claim = claim;
	(void)cell_settle(cell);
	return r;
}

int limiter_hold_again(struct limiter *limiter, struct owner *owner, uint64_t handle, struct limiter_key key,
		       uint64_t cost, struct claim **ret) {
	struct cell *cell;
	int r = open_cell(limiter, key, &cell, NULL);

	if (r != 0)
		return r;
	if (!cell)
		return LIMITER_E_DENIED;
	if (!cell_is_permits(cell))
		return LIMITER_E_KIND;
	r = claim_new(ret, cell, owner, handle, cost, -1);
	if (r != 0)
		return r == SOURCE_E_HANDLE_EXISTS ? LIMITER_E_HANDLE_EXISTS : r;
	permits_retake(cell->permits, cost);
	claim_hold(*ret);
	return 0;
}

/* ---- gates ---- */

int limiter_find_cell(struct limiter *limiter, struct limiter_key key, uint64_t cost, struct cell **ret) {
	int r;

	if (limiter->spec.kind != LIMITER_KIND_RATE)
		return LIMITER_E_KIND;
	r = limiter_get_cell(limiter, key, ret);
	if (r == 0)
		r = bucket_make_line(&(*ret)->bucket);
	if (r != 0)
		return r;
	return bucket_fits(cell_rules(*ret), cost) ? 0 : LIMITER_E_COST;
}

/* Whatever there is to take.  Return: as limiter_ask(). */
static int join_line(struct cell *cell, struct claim *claim) {
	int r = bucket_join(&cell->bucket, cell_rules(cell), cell_now(cell), &claim->waiter);

	if (r != 0)
		return of_bucket(r);
	claim_wait(claim);
	return LIMITER_E_QUEUED;
}

int limiter_ask(struct claim *claim) {
	struct cell *cell = claim->cell;
	struct grant grant;
	int r;

	(void)cell_settle(cell);
	claim->since_ns = cell_now(cell);
	/* Where there is no memory for what the cell should obey by now, nothing more is granted by what it obeys.  Behind others it
	 * takes a walk along their line to know for how long, and a gate need not know. */
	if (cell_renew(cell) != 0 || bucket_has_line(&cell->bucket))
		r = join_line(cell, claim);
	else
		r = wait_for_tokens(cell, claim, &grant);
	if (r == 0) {
		claim->state = CLAIM_GRANTED;
		count(cell->limiter, &grant, claim->cost);
	}
	(void)cell_settle(cell);
	return r;
}
