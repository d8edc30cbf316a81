/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the order in which a daemon tells its successor what it has, and the sessions among it.
 *
 *     here:    sessions, timers, followers, watches, subscriptions; then claims, gates and what is pending, which are noted but written
 *              last; then everybody leaves, and only then limiters are told, as nobody is in line any more
 *     there:   in the same order, so that whatever is named has been made before
 */

#include "daemon/rpc/handover-private.h"

#include <string.h>

#include "daemon/core/loop.h"
#include "daemon/core/scheduler.h"
#include "daemon/core/tenant.h"
#include "daemon/rpc/state.h"
#include "daemon/svc/log.h"
#include "proto/limits.h"

/* ---- telling ---- */

uint32_t saving_put(struct saving *saving, int fd) {
	int place = fd >= 0 ? saving->carrier->put(saving->carrier->userdata, fd) : 0;

	if (place >= 0)
		return (uint32_t)place;
	saving->n_lost++;
	return 0;
}

static void flush(struct saving *saving) {
	saving->carrier->flush(saving->carrier->userdata);
	while (saving->n_spent > 0)
		(void)close_fd(saving->spent[--saving->n_spent]);
}

void saving_close(struct saving *saving, int fd) {
	int *more = reallocarray(saving->spent, saving->n_spent + 1, sizeof(*more));

	if (more) {
		saving->spent = more;
		more[saving->n_spent++] = fd;
		return;
	}
	flush(saving);
	(void)close_fd(fd);
}

void saving_write(struct saving *saving, FILE *file, enum record record, const ProtobufCMessage *message) {
	if (record_write(file, record, message) < 0)
		saving->n_lost++;
}

uint64_t saving_session(const struct owner *owner) {
	if (owner == tenant_owner(owner->tenant))
		return 0;
	return container_of(owner, struct session, owner)->number;
}

/* Packets that its socket did not take; freed with free(3). */
static ProtobufCBinaryData *unsent_of(const struct session *session, size_t *ret_n) {
	const struct kept_packet *position = NULL;
	ProtobufCBinaryData *unsent = NULL, *more;
	const uint8_t *data;
	size_t size, n = 0;

	while ((size = outbox_next_kept(&session->outbox, &position, &data)) > 0) {
		more = reallocarray(unsent, n + 1, sizeof(*unsent));
		if (!more)
			break;
		unsent = more;
		unsent[n++] = (ProtobufCBinaryData){ .data = (uint8_t *)data, .len = size };
	}
	*ret_n = n;
	return unsent;
}

static void save_session(struct saving *saving, struct session *session) {
	Evloop__SavedSession saved = EVLOOP__SAVED_SESSION__INIT;
	_cleanup_free_ ProtobufCBinaryData *unsent = unsent_of(session, &saved.n_unsent);
	const struct packet *rest = session->rest;
	uint32_t rest_fds[PACKET_FDS_MAX];

	saved.socket_fd = saving_put(saving, session->fd);
	saved.id = session->id;
	saved.sequence = session->sequence;
	saved.client_name = session->client_name;
	saved.greeting = session->state == SESSION_GREETING;
	saved.resumes = session->resumes;
	saved.taken_over = session->taken_over;
	saved.unsent = unsent;
	if (rest) {
		saved.rest = (ProtobufCBinaryData){ .data = rest->data + rest->position,
						    .len = rest->size - rest->position };
		saved.rest_progress = session->frame_progress;
		saved.rest_fd = rest_fds;
		for (size_t i = rest->fd_position; i < rest->n_fds && saved.n_rest_fd < ARRAY_SIZE(rest_fds); i++)
			rest_fds[saved.n_rest_fd++] = saving_put(saving, rest->fds[i]);
	}
	saving_write(saving, saving->file, RECORD_SESSION, &saved.base);
}

static void save_sessions(struct saving *saving, struct session_list *list, uint64_t *number) {
	struct session *session;

	TAILQ_FOREACH(session, list, link) {
		session->number = ++*number;
		save_session(saving, session);
	}
}

static void save_source(struct saving *saving, const struct source *source) {
	switch ((enum source_kind)source->kind) {
	case SOURCE_TIMER: /* by their tenant, in its order */
		break;
	case SOURCE_ATTACHMENT:
		save_attachment(saving, source);
		break;
	case SOURCE_CLAIM: /* by its limiter */
		save_claim_over(saving, source);
		break;
	case SOURCE_SUBSCRIPTION:
		save_subscription(saving, source);
		break;
	case SOURCE_WATCH:
		save_watch(saving, source);
		break;
	case SOURCE_PATH:
		save_path(saving, source);
		break;
	}
	save_gate(saving, source);
}

static void save_pending(struct saving *saving, const struct owner *owner) {
	const struct source *source = NULL;

	while ((source = owner_next_pending(owner, source))) {
		Evloop__SavedPending saved = EVLOOP__SAVED_PENDING__INIT;

		/* What the others have pending comes of itself. */
		if (source->kind != SOURCE_TIMER && source->kind != SOURCE_ATTACHMENT)
			continue;
		saved.session = saving_session(owner);
		saved.handle = source->handle;
		saved.types = source->pending;
		saving_write(saving, saving->claims, RECORD_PENDING, &saved.base);
	}
}

static void save_sources(struct saving *saving, struct session_list *list,
			 void (*save)(struct saving *, struct owner *)) {
	struct session *session;

	TAILQ_FOREACH(session, list, link)
	save(saving, &session->owner);
}

static void save_what_it_owns(struct saving *saving, struct owner *owner) {
	const struct source *source;

	for (source = owner_next(owner, 0); source; source = owner_next(owner, source->handle))
		save_source(saving, source);
	save_mail(saving, owner);
}

static void save_what_it_waits_for(struct saving *saving, struct owner *owner) {
	const struct source *source;

	save_pending(saving, owner);
	for (source = owner_next(owner, 0); source; source = owner_next(owner, source->handle))
		save_gated_mail(saving, source);
}

static void for_each_tenant(struct saving *saving, void (*save)(struct saving *, struct tenant *)) {
	struct scheduler *scheduler = saving->rpc->scheduler;
	struct tenant *tenant;

	for (tenant = scheduler_next_tenant(scheduler, 0); tenant;
	     tenant = scheduler_next_tenant(scheduler, (uint64_t)tenant_uid(tenant) + 1))
		save(saving, tenant);
}

static void save_timers_of(struct saving *saving, struct tenant *tenant) {
	save_timers(saving, tenant);
}

/* Everything but the limiters, to whom somebody may have a claim. */
static void save_all(struct saving *saving, struct sessions *sessions) {
	uint64_t number = 0;

	save_sessions(saving, &sessions->greeting, &number);
	save_sessions(saving, &sessions->all, &number);
	for_each_tenant(saving, save_timers_of);
	save_sources(saving, &sessions->all, save_what_it_owns);
	for_each_tenant(saving, save_claims);
	save_sources(saving, &sessions->all, save_what_it_waits_for);
}

/* Permits that are bound to processes are nobody's session's. */
static void end_claims(struct saving *saving _unused_, struct tenant *tenant) {
	struct limiter *limiter;
	struct claim *claim;

	for (limiter = limiter_next(tenant, 0); limiter; limiter = limiter_next(tenant, limiter_id(limiter)))
		while ((claim = limiter_next_claim(limiter, 0)))
			(void)claim_end(claim);
}

int handover_save(struct rpc *rpc, struct sessions *sessions, FILE *file, const struct carrier *carrier) {
	_cleanup_free_ char *claims = NULL;
	size_t claims_size = 0;
	struct saving saving = { .rpc = rpc, .file = file, .carrier = carrier };
	int r;

	saving.claims = open_memstream(&claims, &claims_size);
	if (!saving.claims)
		return -ENOMEM;
	sessions_end_failed(sessions);
	scheduler_finish(rpc->scheduler);
	r = state_begin(rpc->scheduler, file);
	if (r == 0) {
		save_all(&saving, sessions);
		flush(&saving);
		sessions_release(sessions);
		for_each_tenant(&saving, end_claims);
		r = save_limiters(&saving);
		flush(&saving);
	}
	free(saving.spent);
	if (fclose(saving.claims) != 0 && r == 0)
		r = -ENOMEM;
	if (r == 0 && claims_size > 0 && fwrite(claims, claims_size, 1, file) != 1)
		r = -EIO;
	if (saving.n_lost > 0)
		log_warning("%u things could not be handed over", saving.n_lost);
	return r;
}

/* ---- taking over ---- */

int loading_take(struct loading *loading, uint32_t place) {
	return place > 0 && place <= loading->n_fds ? TAKE_FD(loading->fds[place - 1]) : -1;
}

/* Tenants that are named stay to the end of the taking over, whether they have got anything yet or not.  The reference is taken over. */
static int hold_tenant(struct loading *loading, struct tenant *tenant) {
	struct tenant **more;

	for (size_t i = 0; i < loading->n_tenants; i++)
		if (loading->tenants[i] == tenant) {
			tenant_unref(tenant);
			return 0;
		}
	more = reallocarray(loading->tenants, loading->n_tenants + 1, sizeof(struct tenant *));
	if (!more) {
		tenant_unref(tenant);
		return -ENOMEM;
	}
	loading->tenants = more;
	more[loading->n_tenants++] = tenant;
	return 0;
}

struct owner *loading_owner(struct loading *loading, uint64_t session, uint64_t uid) {
	struct tenant *tenant;

	if (session > 0) {
		struct session *found = session <= loading->n_sessions ? loading->by_number[session - 1] : NULL;

		return found ? &found->owner : NULL;
	}
	if (uid > UINT32_MAX || scheduler_tenant(loading->rpc->scheduler, (uid_t)uid, &tenant) < 0)
		return NULL;
	return hold_tenant(loading, tenant) == 0 ? tenant_owner(tenant) : NULL;
}

void loading_lost(struct loading *loading, const char *what, uint64_t id, int error) {
	if (loading->n_lost++ < 10)
		log_warning("could not take over %s %llu: %s", what, (unsigned long long)id,
			    error < 0 ? strerror(-error) : "it does not fit in");
}

static void adopt_rest(struct loading *loading, struct session *session, const Evloop__SavedSession *saved) {
	int fds[PACKET_FDS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < saved->n_rest_fd && n < ARRAY_SIZE(fds); i++)
		fds[n++] = loading_take(loading, saved->rest_fd[i]);
	session->frame_progress = saved->rest_progress;
	if (session_adopt_rest(session, saved->rest.data, saved->rest.len, fds, n) < 0)
		loading_lost(loading, "requests of session", saved->id, -ENOMEM);
}

/* Its number is counted in any case. */
static void load_session(struct loading *loading, const Evloop__SavedSession *saved) {
	struct session **more = reallocarray(loading->by_number, loading->n_sessions + 1, sizeof(struct session *));
	int fd = loading_take(loading, saved->socket_fd);
	struct session *session = NULL;

	if (!more) {
		(void)close_fd(fd);
		return;
	}
	loading->by_number = more;
	if (fd >= 0)
		session = sessions_adopt(loading->sessions, fd,
					 &(struct session_past){
						 .id = saved->id,
						 .sequence = saved->sequence,
						 .greeting = saved->greeting,
						 .resumes = saved->resumes,
						 .taken_over = saved->taken_over,
						 .client_name = saved->client_name,
					 });
	more[loading->n_sessions++] = session;
	if (!session) {
		loading_lost(loading, "session", saved->id, -ENOTCONN);
		return;
	}
	for (size_t i = 0; i < saved->n_unsent; i++)
		if (session_adopt_unsent(session, saved->unsent[i].data, saved->unsent[i].len) < 0)
			loading_lost(loading, "answers to session", saved->id, -ENOMEM);
	if (saved->rest.len > 0)
		adopt_rest(loading, session, saved);
}

static void load_pending(struct loading *loading, const Evloop__SavedPending *saved) {
	struct owner *owner = loading_owner(loading, saved->session, 0);

	if (owner && saved->session > 0)
		owner_restore_pending(owner, saved->handle, saved->types);
}

static void load_record(struct loading *loading, enum record record, const ProtobufCMessage *message) {
	switch (record) {
	case RECORD_CLOCK: /* by state_loader_take() */
	case RECORD_LIMITER:
	case RECORD_BUCKET:
		break;
	case RECORD_SESSION:
		load_session(loading, (const Evloop__SavedSession *)message);
		break;
	case RECORD_TIMER:
		load_timer(loading, (const Evloop__SavedTimer *)message);
		break;
	case RECORD_ATTACHMENT:
		load_attachment(loading, (const Evloop__SavedAttachment *)message);
		break;
	case RECORD_CLAIM:
		load_claim(loading, (const Evloop__SavedClaim *)message);
		break;
	case RECORD_WATCH:
		load_watch(loading, (const Evloop__SavedWatch *)message);
		break;
	case RECORD_PATH:
		load_path(loading, (const Evloop__SavedPath *)message);
		break;
	case RECORD_SUBSCRIPTION:
		load_subscription(loading, (const Evloop__SavedSubscription *)message);
		break;
	case RECORD_PENDING:
		load_pending(loading, (const Evloop__SavedPending *)message);
		break;
	case RECORD_MAIL:
		load_mail(loading, (const Evloop__SavedMail *)message);
		break;
	case RECORD_GATE:
		load_gate(loading, (const Evloop__SavedGate *)message);
		break;
	}
}

static int load_all(struct loading *loading, FILE *file) {
	struct state_loader limiters = { .scheduler = loading->rpc->scheduler, .same_boot = true };
	ProtobufCMessage *message;
	enum record record;
	int r = 0;

	while (r == 0 && (message = record_read(file, &record))) {
		if (!state_loader_take(&limiters, record, message, &r))
			load_record(loading, record, message);
		else if (record == RECORD_LIMITER && r == 0 && limiters.limiter)
			load_limiter_progress(loading, limiters.limiter, (const Evloop__SavedLimiter *)message);
		protobuf_c_message_free_unpacked(message, NULL);
	}
	return r;
}

int handover_load(struct rpc *rpc, struct sessions *sessions, FILE *file, int *fds, size_t n_fds) {
	struct loading loading = { .rpc = rpc, .sessions = sessions, .fds = fds, .n_fds = n_fds };
	int r;

	if (!state_is_known(file))
		return -EPROTO;
	(void)loop_refresh(rpc->loop);
	r = load_all(&loading, file);
	if (loading.n_lost > 10)
		log_warning("could not take over %u things in all", loading.n_lost);
	while (loading.n_tenants > 0)
		tenant_unref(loading.tenants[--loading.n_tenants]);
	free(loading.tenants);
	free(loading.by_number);
	return r < 0 ? r : (int)sessions->n;
}
