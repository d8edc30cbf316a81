/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the files of the handover share; nobody else includes this. */

#include "daemon/core/progress.h"
#include "daemon/rpc/convert.h"
#include "daemon/rpc/handover.h"
#include "daemon/rpc/record.h"

/* What is being told. */
struct saving {
	struct rpc *rpc;
	FILE *file;
	FILE *claims; /* they come behind the limiters, which are told when nobody is in line any more */
	const struct carrier *carrier;
	unsigned n_lost; /* that could not go along */
	int *spent; /* descriptors that are closed when they have gone */
	size_t n_spent;
};

/* Return: the place of the descriptor; 0: it does not go along. */
uint32_t saving_put(struct saving *saving, int fd);

/* The descriptor is nobody's any more, and closed when it has gone. */
void saving_close(struct saving *saving, int fd);

/* Write a record; what fails is counted. */
void saving_write(struct saving *saving, FILE *file, enum record record, const ProtobufCMessage *message);

/* The number of the session that is this owner; 0: it is the tenant's. */
uint64_t saving_session(const struct owner *owner);

/* What is being taken over. */
struct loading {
	struct rpc *rpc;
	struct sessions *sessions;
	int *fds;
	size_t n_fds;
	struct session **by_number; /* the first is number 1 */
	size_t n_sessions;
	struct tenant **tenants; /* that are held meanwhile */
	size_t n_tenants;
	unsigned n_lost; /* that made no sense */
};

/* The caller's from now on; −1: there is none at that place. */
int loading_take(struct loading *loading, uint32_t place);

/* Who owns what is of that session, or, for 0, of that uid, whose tenant is made if need be.  NULL: there is none. */
struct owner *loading_owner(struct loading *loading, uint64_t session, uint64_t uid);

/* Log what could not be taken over. */
void loading_lost(struct loading *loading, const char *what, uint64_t id, int error);

void saved_fire(const struct fire_record *fire, Evloop__SavedFire *ret);
void load_fire(const Evloop__SavedFire *saved, struct fire_record *ret); /* NULL: nothing */
void load_run(const Evloop__RunInfo *saved, struct run_info *ret); /* NULL: nothing */

/* ---- handover-timer.c ---- */
void save_timers(struct saving *saving, const struct tenant *tenant);
void save_attachment(struct saving *saving, const struct source *source);
void load_timer(struct loading *loading, const Evloop__SavedTimer *saved);
void load_attachment(struct loading *loading, const Evloop__SavedAttachment *saved);

/* ---- handover-watch.c ---- */
void save_watch(struct saving *saving, const struct source *source);
void save_path(struct saving *saving, const struct source *source);
void save_subscription(struct saving *saving, const struct source *source);
void save_mail(struct saving *saving, const struct owner *owner);
/* Of one that has a gate, which must be there before. */
void save_gated_mail(struct saving *saving, const struct source *source);
void load_watch(struct loading *loading, const Evloop__SavedWatch *saved);
void load_path(struct loading *loading, const Evloop__SavedPath *saved);
void load_subscription(struct loading *loading, const Evloop__SavedSubscription *saved);
void load_mail(struct loading *loading, const Evloop__SavedMail *saved);

/* ---- handover-limiter.c ---- */
void save_claims(struct saving *saving, struct tenant *tenant);
/* One that has no limiter any more. */
void save_claim_over(struct saving *saving, const struct source *source);
void load_claim(struct loading *loading, const Evloop__SavedClaim *saved);
void save_gate(struct saving *saving, const struct source *source);
void load_gate(struct loading *loading, const Evloop__SavedGate *saved);
/* All limiters, to which nobody has a claim any more. */
int save_limiters(struct saving *saving);
void load_limiter_progress(struct loading *loading, struct limiter *limiter, const Evloop__SavedLimiter *saved);
