/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns limiters on the client's side.  Where the daemon shares the memory of one, tokens are taken there, by the rules of
 * proto/shared.h, without asking; what cannot be decided there is asked for.  What may be called from any thread, and what waits without running callbacks, goes over
 * connections of its own: the user's is one thread's, and the events on it are his.
 */

#include "client/internal.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "proto/limits.h"
#include "proto/shared.h"

/* The memory of one daemon's limiter. */
struct memory {
	const struct shared_config *config;
	struct shared_state *state;
	int pid_fd; /* of the daemon */
	unsigned deaths; /* evl::deaths when it was made */
	_Atomic int64_t look_ns; /* boottime: when to see whether it lives; INT64_MIN: the next one gives no memory */
	struct memory *former; /* of a daemon before: another thread may be at it */
};

struct evl_limiter {
	struct evl *evl; /* stays allocated as long as a limiter points to it */
	bool permits;
	bool defined; /* by `limit`: a daemon that has lost it is told again */
	struct evl_limit limit;
	_Atomic(struct memory *) memory; /* NULL: each token is asked for */
	char name[];
};

/* ---- connections beside the user's ---- */

void side_init(struct side *side) {
	*side = (struct side){ .lock = PTHREAD_MUTEX_INITIALIZER };
}

void side_deinit(struct side *side) {
	side->asking = evl_close(side->asking);
	side->waiting = evl_close(side->waiting);
	(void)pthread_mutex_destroy(&side->lock);
}

/* One that works, made anew where the last one was lost.  Return: 0, −errno as evl_connect(). */
static int side_open(const struct evl *evl, struct evl **side) {
	if (!*evl->alive)
		return -ECHILD;
	if (*side && connection_check(*side) < 0)
		*side = evl_close(*side);
	if (*side)
		return 0;
	return evl_connect(side, evl->socket_path);
}

/* ---- messages ---- */

void grant_translate(const Evloop__Grant *grant, Evloop__ClaimState claim, struct evl_grant *ret) {
	*ret = (struct evl_grant){
		.size = sizeof(*ret),
		.allowed = grant->allowed,
		.removed = claim == EVLOOP__CLAIM_STATE__CLAIM_REMOVED,
		.remaining = grant->remaining,
		.limit = grant->limit,
		.retry_after_ns = grant->retry_after_ns,
		.reset_after_ns = grant->reset_after_ns,
		.now_ns = grant->now_ns,
		.denied_by = grant->denied_by,
	};
}

/* As far as the caller's structure goes; `ret` may be NULL.  Return: 1: allowed, 0: denied. */
static int give(const struct evl_grant *grant, struct evl_grant *ret) {
	if (ret) {
		uint32_t size = ret->size;

		memcpy(ret, grant, MIN(size, sizeof(*grant)));
		ret->size = size;
	}
	return grant->allowed;
}

/* The same of an answer. */
static int tell(const Evloop__Grant *grant, Evloop__ClaimState claim, struct evl_grant *ret) {
	struct evl_grant whole;

	grant_translate(grant, claim, &whole);
	return give(&whole, ret);
}

/* Return: 0, -EINVAL. */
static int set_key(const char *key, ProtobufCBinaryData *ret) {
	size_t size = key ? strlen(key) : 0;

	if (size > LIMITER_KEY_MAX)
		return -EINVAL;
	*ret = (ProtobufCBinaryData){ .data = (uint8_t *)(key ? key : ""), .len = size };
	return 0;
}

/* The same, with words. */
static int take_key(const struct evl_limiter *limiter, const char *key, ProtobufCBinaryData *ret) {
	int r = set_key(key, ret);

	return r < 0 ? error_set(limiter->evl, r, "a key of more than %d bytes", LIMITER_KEY_MAX) : 0;
}

int gate_fill(struct evl *evl, const char *limiter, const char *key, Evloop__Gate *gate, Evloop__Gate **ret) {
	int r = set_key(key, &gate->key);

	if (r < 0 || (key && !limiter))
		return error_set(evl, -EINVAL, "a limiter_key that is too long, or without a limiter");
	gate->limiter = (char *)(limiter ? limiter : "");
	*ret = limiter ? gate : NULL;
	return 0;
}

/* ---- opening ---- */

static void fill_spec(const struct evl_limit *limit, Evloop__LimiterSpec *spec, Evloop__LimiterRule *rules,
		      Evloop__LimiterRule **pointers) {
	spec->kind =
		limit->concurrency > 0 ? EVLOOP__LIMITER_KIND__LIMITER_CONCURRENCY : EVLOOP__LIMITER_KIND__LIMITER_RATE;
	for (uint32_t i = 0; i < limit->n_rates; i++) {
		evloop__limiter_rule__init(&rules[i]);
		rules[i].tokens = limit->rates[i].tokens;
		rules[i].period_ns = limit->rates[i].period_ns;
		rules[i].burst = limit->rates[i].burst;
		pointers[i] = &rules[i];
	}
	spec->rules = pointers;
	spec->n_rules = limit->n_rates;
	spec->concurrency = limit->concurrency;
	spec->keyed = limit->keyed;
	spec->max_keys = limit->max_keys;
	spec->deny_when_full = limit->deny_when_full;
	spec->max_waiters = limit->max_waiters;
	spec->max_debt = limit->max_debt;
	spec->mode = limit->update ? EVLOOP__LIMITER_MODE__LIMITER_PUT : EVLOOP__LIMITER_MODE__LIMITER_CREATE;
}

static int define(struct evl *evl, const char *name, const struct evl_limit *limit) {
	Evloop__LimiterSpec spec = EVLOOP__LIMITER_SPEC__INIT;
	Evloop__LimiterRule rules[EVL_RATES_MAX], *pointers[EVL_RATES_MAX];

	if (limit->size < sizeof(*limit) || limit->n_rates > EVL_RATES_MAX)
		return error_set(evl, -EINVAL,
				 "evl_limit.size is %u, n_rates %u: begin with its initialiser, and with at most %d",
				 limit->size, limit->n_rates, EVL_RATES_MAX);
	fill_spec(limit, &spec, rules, pointers);
	spec.name = (char *)name;
	return call_sync(evl, EVLOOP__METHOD__METHOD_LIMITER_SET, &spec.base, NULL);
}

/* Return: 0, -ENOENT, … */
static int look(struct evl *evl, const char *name, bool *ret_permits) {
	Evloop__LimiterListRequest request = EVLOOP__LIMITER_LIST_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	const Evloop__LimiterListReply *list;
	ProtobufCMessage *reply;
	int r;

	target.name = (char *)name;
	request.target = &target;
	r = call_sync(evl, EVLOOP__METHOD__METHOD_LIMITER_LIST, &request.base, &reply);
	if (r < 0)
		return r;
	list = (const Evloop__LimiterListReply *)reply;
	if (list->n_limiters == 1 && list->limiters[0]->spec)
		*ret_permits = list->limiters[0]->spec->kind == EVLOOP__LIMITER_KIND__LIMITER_CONCURRENCY;
	else
		r = -EPROTO;
	protobuf_c_message_free_unpacked(reply, NULL);
	return r;
}

/* ---- shared memory ---- */

/* A page of that size that cannot shrink under our hands.  Return: NULL: it is none. */
static void *map(int fd, int protection) {
	struct stat st;
	void *page;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) < 0 || st.st_size < SHARED_SIZE)
		return NULL;
	page = mmap(NULL, SHARED_SIZE, protection, MAP_SHARED, fd, 0);
	return page == MAP_FAILED ? NULL : page;
}

static struct memory *memory_free(struct memory *memory) {
	while (memory) {
		struct memory *former = memory->former;

		if (memory->config)
			(void)munmap((void *)memory->config, SHARED_SIZE);
		if (memory->state)
			(void)munmap(memory->state, SHARED_SIZE);
		(void)close_fd(memory->pid_fd);
		free(memory);
		memory = former;
	}
	return NULL;
}

/* By descriptors that are taken over: the configuration, the state, and the daemon's process.  Return: NULL: it is no such memory, or there
 * is none. */
static struct memory *memory_new(const struct evl_limiter *limiter, int config_fd, int state_fd, int pid_fd) {
	struct memory *memory = malloc(sizeof(*memory));

	if (memory) {
		*memory = (struct memory){
			.config = map(config_fd, PROT_READ),
			.state = map(state_fd, PROT_READ | PROT_WRITE),
			.pid_fd = pid_fd,
			.deaths = atomic_load(&limiter->evl->deaths),
			.look_ns = 0, /* it may be dead already */
		};
		if (!memory->config || !memory->state || !shared_is_valid(memory->config))
			memory = memory_free(memory);
	} else {
		(void)close_fd(pid_fd);
	}
	(void)close_fd(config_fd);
	(void)close_fd(state_fd);
	return memory;
}

/* One that says nothing of its process is of our own namespace, as far as anybody knows. */
static int find_process(const struct evl *evl, int pid_fd) {
	return pid_fd >= 0 ? pid_fd : (int)syscall(SYS_pidfd_open, (pid_t)evl->hello->daemon_pid, 0);
}

/*
 * Take by ourselves, if that is possible; it is no error where it is not.  `evl` is whom to ask.  From the memory of a daemon whose death
 * cannot be seen nothing is taken.  Return: is there new memory?
 */
static bool share(struct evl_limiter *limiter, struct evl *evl) {
	Evloop__LimiterShareRequest request = EVLOOP__LIMITER_SHARE_REQUEST__INIT;
	struct memory *memory = NULL, *former = atomic_load(&limiter->memory);
	ProtobufCMessage *reply;
	int fds[3];

	/* The clock there is not ours. */
	if (limiter->permits || evl->relative)
		return false;
	request.name = limiter->name;
	request.with_process = true;
	if (call_sync_for_fds(evl, EVLOOP__METHOD__METHOD_LIMITER_SHARE, &request.base, &reply, fds, ARRAY_SIZE(fds)) <
	    0)
		return false;
	protobuf_c_message_free_unpacked(reply, NULL);
	if (fds[0] >= 0 && fds[1] >= 0)
		fds[2] = find_process(evl, fds[2]);
	if (fds[0] >= 0 && fds[1] >= 0 && fds[2] >= 0)
		memory = memory_new(limiter, TAKE_FD(fds[0]), TAKE_FD(fds[1]), TAKE_FD(fds[2]));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		(void)close_fd(fds[i]);
	if (!memory)
		return false;
	memory->former = former;
	atomic_store(&limiter->memory, memory);
	return true;
}

/* With the next daemon.  Return: 0; −errno: there is none, or it does not answer. */
static int share_with_next(struct evl_limiter *limiter, struct memory *memory) {
	struct side *side = &limiter->evl->side;
	int r;

	side->asking = evl_close(side->asking); /* it leads to the one that has ended */
	r = side_open(limiter->evl, &side->asking);
	if (r < 0)
		return r;
	if (limiter->defined)
		(void)define(side->asking, limiter->name, &limiter->limit);
	if (!share(limiter, side->asking))
		atomic_store(&memory->look_ns, INT64_MIN);
	return 0;
}

/*
 * The daemon of the memory has ended.  The next one may have lost the limiter, and has memory of its own, so that nothing may be taken from
 * this one any more.  Only where nobody listens there is no next one, and those who have the memory go on to share it.
 * Return: the memory to take from; NULL: none, and who has to ask waits for whoever asks now.
 */
static struct memory *share_anew(struct evl_limiter *limiter, struct memory *memory, int64_t now_ns) {
	struct side *side = &limiter->evl->side;
	int r = 0;

	/* It can lead to no next one. */
	if (limiter->evl->closed || !*limiter->evl->alive || pthread_mutex_trylock(&side->lock) != 0)
		return NULL;
	if (memory == atomic_load(&limiter->memory))
		r = share_with_next(limiter, memory);
	if (r == -ENOTCONN)
		atomic_store(&memory->look_ns, now_ns + SHARED_LOOK_NS);
	(void)pthread_mutex_unlock(&side->lock);
	if (r < 0)
		return r == -ENOTCONN ? memory : NULL;
	memory = atomic_load(&limiter->memory);
	return atomic_load(&memory->look_ns) == INT64_MIN ? NULL : memory;
}

/*
 * One that is killed cannot mark its memory.  Its connections tell of it, where another one has them now; but who takes from memory
 * may not look at a connection for a long time, so its process is looked at.
 */
static bool is_dead(const struct evl_limiter *limiter, const struct memory *memory) {
	struct pollfd fd = { .fd = memory->pid_fd, .events = POLLIN };

	return memory->deaths != atomic_load(&limiter->evl->deaths) || poll(&fd, 1, 0) == 1;
}

/* Has the daemon of the memory ended?  Return: the memory to take from; NULL: there is none. */
static struct memory *look_after(struct evl_limiter *limiter, struct memory *memory, int64_t now_ns) {
	if (atomic_load_explicit(&memory->look_ns, memory_order_relaxed) == INT64_MIN)
		return NULL;
	if (is_dead(limiter, memory))
		return share_anew(limiter, memory, now_ns);
	/* Not before: other threads must not take it for one that lives. */
	atomic_store_explicit(&memory->look_ns, now_ns + SHARED_LOOK_NS, memory_order_relaxed);
	return memory;
}

/* In the words of the daemon, which would say the same. */
static int refuse_cost(const struct evl_limiter *limiter, uint64_t cost, uint64_t burst) {
	if (error_begin_threadsafe(limiter->evl))
		(void)error_set(limiter->evl, -E2BIG,
				"%llu is more than the limiter '%s' could ever grant: a burst of %llu",
				(unsigned long long)cost, limiter->name, (unsigned long long)burst);
	return -E2BIG;
}

/* Return: 1, 0; −E2BIG; -EAGAIN: it has to be asked for. */
static int try_in_memory(struct evl_limiter *limiter, uint64_t cost, struct evl_grant *ret) {
	struct memory *memory = atomic_load_explicit(&limiter->memory, memory_order_acquire);
	struct gcra_decision decision;
	struct evl_grant whole;
	uint64_t limit;
	int64_t now_ns;

	if (!memory)
		return -EAGAIN;
	now_ns = clock_ns(CLOCK_BOOTTIME);
	if (now_ns >= atomic_load_explicit(&memory->look_ns, memory_order_relaxed)) {
		memory = look_after(limiter, memory, now_ns);
		if (!memory)
			return -EAGAIN;
	}
	switch (shared_try(memory->config, memory->state, now_ns, cost, &decision, &limit)) {
	case 0:
		break;
	case SHARED_E_COST:
		return refuse_cost(limiter, cost, limit);
	default:
		return -EAGAIN;
	}
	if (!ret)
		return decision.allowed;
	whole = (struct evl_grant){
		.size = sizeof(whole),
		.allowed = decision.allowed,
		.remaining = decision.remaining,
		.limit = limit,
		.retry_after_ns = decision.retry_after_ns,
		.reset_after_ns = decision.reset_after_ns,
		.now_ns = now_ns,
	};
	return give(&whole, ret);
}

int evl_limiter_open(struct evl *evl, struct evl_limiter **ret, const char *name, const struct evl_limit *limit) {
	struct evl_limiter *limiter;
	bool permits = limit && limit->concurrency > 0;
	int r = error_begin(evl, 0);

	if (!name || !name[0])
		return error_set(evl, -EINVAL, "no name");
	r = limit ? define(evl, name, limit) : look(evl, name, &permits);
	if (r < 0)
		return r;
	limiter = malloc(sizeof(*limiter) + strlen(name) + 1);
	if (!limiter)
		return -ENOMEM;
	*limiter = (struct evl_limiter){ .evl = evl, .permits = permits, .defined = limit };
	if (limit)
		limiter->limit = *limit;
	strcpy(limiter->name, name);
	share(limiter, evl);
	/* The limiter is there: whatever that has met, the next call tells it. */
	(void)error_set(evl, 0, NULL);
	evl->loss_returned = false;
	evl->n_sources++;
	*ret = limiter;
	return 0;
}

struct evl_limiter *evl_limiter_close(struct evl_limiter *limiter) {
	struct evl *evl;

	if (!limiter)
		return NULL;
	evl = limiter->evl;
	memory_free(atomic_load(&limiter->memory));
	free(limiter);
	connection_drop_source(evl);
	return NULL;
}

/* ---- asking ---- */

static int tell_and_free(ProtobufCMessage *reply, struct evl_grant *ret) {
	int r = tell((const Evloop__Grant *)reply, EVLOOP__CLAIM_STATE__CLAIM_GRANTED, ret);

	protobuf_c_message_free_unpacked(reply, NULL);
	return r;
}

/* Send a request that is answered by a Grant, and wait for it. */
static int ask(struct evl *evl, Evloop__Method method, const ProtobufCMessage *request, struct evl_grant *ret) {
	ProtobufCMessage *reply;
	int r = call_sync(evl, method, request, &reply);

	return r < 0 ? r : tell_and_free(reply, ret);
}

/* `has_words`: its words are for the user's connection, too. */
static int ask_beside(struct evl *evl, const Evloop__LimiterRequest *request, bool has_words, struct evl_grant *ret) {
	struct side *side = &evl->side;
	ProtobufCMessage *reply;
	int r;

	(void)pthread_mutex_lock(&side->lock);
	r = side_open(evl, &side->asking);
	if (r >= 0) {
		r = evl_call_to_take(side->asking, EVLOOP__METHOD__METHOD_LIMITER_TRY, &request->base, -1, &reply);
		if (r < 0 && has_words)
			(void)error_set(evl, r, "%s", side->asking->message);
	}
	if (r >= 0)
		r = tell_and_free(reply, ret);
	(void)pthread_mutex_unlock(&side->lock);
	return r;
}

int evl_limiter_try(struct evl_limiter *limiter, const char *key, uint64_t cost, struct evl_grant *ret) {
	Evloop__LimiterRequest request = EVLOOP__LIMITER_REQUEST__INIT;
	struct evl *evl = limiter->evl;
	bool has_words;
	int r = -EAGAIN;

	if (!key)
		r = try_in_memory(limiter, cost, ret);
	if (r != -EAGAIN)
		return r;
	has_words = error_begin_threadsafe(evl);
	r = has_words ? take_key(limiter, key, &request.key) : set_key(key, &request.key);
	if (r < 0)
		return r;
	if (evl->closed)
		return -ENOTCONN;
	if (!*evl->alive)
		return -ECHILD;
	request.name = limiter->name;
	request.cost = cost;
	return ask_beside(evl, &request, has_words, ret);
}

/* A call of the connection's thread begins that will wait.  Return: 0, −errno with its words. */
static int begin_with_key(struct evl_limiter *limiter, const char *key, ProtobufCBinaryData *ret) {
	error_begin(limiter->evl, 0);
	return take_key(limiter, key, ret);
}

static int ask_simply(struct evl_limiter *limiter, Evloop__Method method, const char *key, uint64_t cost,
		      struct evl_grant *ret) {
	Evloop__LimiterRequest request = EVLOOP__LIMITER_REQUEST__INIT;
	int r = begin_with_key(limiter, key, &request.key);

	if (r < 0)
		return r;
	request.name = limiter->name;
	request.cost = cost;
	return ask(limiter->evl, method, &request.base, ret);
}

int evl_limiter_peek(struct evl_limiter *limiter, const char *key, uint64_t cost, struct evl_grant *ret) {
	return ask_simply(limiter, EVLOOP__METHOD__METHOD_LIMITER_PEEK, key, cost, ret);
}

int evl_limiter_refund(struct evl_limiter *limiter, const char *key, uint64_t cost, struct evl_grant *ret) {
	return ask_simply(limiter, EVLOOP__METHOD__METHOD_LIMITER_REFUND, key, cost, ret);
}

int evl_limiter_charge(struct evl_limiter *limiter, const char *key, uint64_t cost, struct evl_grant *ret) {
	return ask_simply(limiter, EVLOOP__METHOD__METHOD_LIMITER_CHARGE, key, cost, ret);
}

int evl_limiter_reset(struct evl_limiter *limiter, const char *key, struct evl_grant *ret) {
	return ask_simply(limiter, EVLOOP__METHOD__METHOD_LIMITER_RESET, key, 0, ret);
}

int evl_limiter_hold(struct evl_limiter *limiter, const char *key, int64_t duration_ns, struct evl_grant *ret) {
	Evloop__LimiterHoldRequest request = EVLOOP__LIMITER_HOLD_REQUEST__INIT;
	int r = begin_with_key(limiter, key, &request.key);

	if (r < 0)
		return r;
	request.name = limiter->name;
	request.duration_ns = duration_ns;
	return ask(limiter->evl, EVLOOP__METHOD__METHOD_LIMITER_HOLD, &request.base, ret);
}

/* ---- waiting ---- */

static int fill_wait(const struct evl_limiter *limiter, const char *key, uint64_t cost, int64_t max_wait_ns,
		     Evloop__LimiterWaitRequest *ret) {
	if (max_wait_ns < -1 || max_wait_ns > TIME_NS_MAX || cost == 0)
		return error_set(limiter->evl, -EINVAL,
				 "max_wait_ns is %lld, cost %llu: no time, or nothing to wait for",
				 (long long)max_wait_ns, (unsigned long long)cost);
	ret->name = (char *)limiter->name;
	ret->cost = cost;
	ret->max_wait_ns = max_wait_ns;
	return take_key(limiter, key, &ret->key);
}

struct wait {
	struct evl_grant *ret;
	int result;
	bool over;
};

static void waited(struct evl *evl _unused_, const Evloop__Event *event, void *userdata) {
	struct wait *wait = userdata;

	if (event->type != EVLOOP__EVENT_TYPE__EVENT_GRANTED || !event->grant)
		return;
	wait->result = tell(event->grant, event->claim, wait->ret);
	if (event->claim == EVLOOP__CLAIM_STATE__CLAIM_REMOVED)
		wait->result = -ENOENT;
	wait->over = true;
}

/* In line by now, if need be; and again with the next daemon, as what has a handle is. */
static int wait_in_line(struct evl *side, const Evloop__LimiterWaitRequest *request, struct wait *wait) {
	ProtobufCMessage *reply;
	bool queued;
	int r = evl_call_to_take(side, EVLOOP__METHOD__METHOD_LIMITER_WAIT, &request->base, -1, &reply);

	if (r < 0)
		return r;
	queued = ((const Evloop__Grant *)reply)->queued;
	r = tell_and_free(reply, wait->ret);
	if (!queued)
		return r;
	while (!wait->over) {
		r = evl_dispatch(side, -1);
		if (r < 0)
			return r;
	}
	return wait->result;
}

int evl_limiter_wait(struct evl_limiter *limiter, const char *key, uint64_t cost, int64_t max_wait_ns,
		     struct evl_grant *ret) {
	Evloop__LimiterWaitRequest request = EVLOOP__LIMITER_WAIT_REQUEST__INIT;
	struct wait wait = { .ret = ret };
	struct evl *evl = limiter->evl;
	struct side *side = &evl->side;
	int r;

	error_begin(evl, 0);
	r = fill_wait(limiter, key, cost, max_wait_ns, &request);
	if (r < 0)
		return r;
	if (limiter->permits) /* who would give them back? */
		return error_set(evl, -EINVAL, "'%s' gives permits, for evl_limiter_acquire()", limiter->name);
	if (evl->closed)
		return -ENOTCONN;
	r = side_open(evl, &side->waiting);
	if (r >= 0)
		r = evl_call_handle(side->waiting, &request.handle, waited, &wait);
	if (r < 0)
		return r;
	r = wait_in_line(side->waiting, &request, &wait);
	if (r < 0)
		(void)error_set(evl, r, "%s", side->waiting->message);
	evl_call_drop(side->waiting, request.handle);
	return r;
}

int evl_limiter_acquire(struct evl_limiter *limiter, struct evl_source **ret, const char *key, uint64_t cost,
			int64_t max_wait_ns, evl_callback callback, void *userdata) {
	Evloop__LimiterWaitRequest request = EVLOOP__LIMITER_WAIT_REQUEST__INIT;
	struct evl_source *source;
	int r = connection_begin(limiter->evl);

	if (r >= 0)
		r = callback ? fill_wait(limiter, key, cost, max_wait_ns, &request)
			     : error_set(limiter->evl, -EINVAL, "no callback");
	if (r >= 0)
		r = source_new(limiter->evl, SOURCE_CLAIM, callback, userdata, &source);
	if (r < 0)
		return r;
	request.handle = source->handle;
	return arming_begin(source, ret, EVLOOP__METHOD__METHOD_LIMITER_WAIT, &request.base, -1);
}

int evl_limiter_release(struct evl_source *source) {
	if (source->kind != SOURCE_CLAIM) {
		error_begin(source->evl, 0);
		return error_set(source->evl, -EINVAL, "not of evl_limiter_acquire()");
	}
	return evl_cancel(source);
}
