/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the victim: somebody who uses the daemon while it is under attack, and takes the time. */

#undef NDEBUG

#include <assert.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/hostile/rig.h"

#define ROUNDS_MAX 65536
#define DELAY_NS (1 * MS)

/* From when to when the victim waited, once. */
struct wait {
	int64_t begin, end;
};

struct round {
	struct wait timer, ping;
};

/* Shared by both processes. */
struct victim {
	atomic_bool stop;
	atomic_size_t n;
	char wrong[128]; /* "": nothing */
	struct round rounds[ROUNDS_MAX], quiet_rounds[ROUNDS_MAX];
};

/* A timer, how late its event is; and a ping, how long it takes. */
static const char *round_trip(struct peer *peer, uint64_t handle, struct round *ret) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	int64_t deadline = now_ns() + DELAY_NS, seen;
	const Evloop__Event *event;
	struct frame frame;

	spec.handle = handle;
	spec.deadline_ns = deadline;
	peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_ARM, &spec);
	peer_flush(peer);
	if (!peer_next(peer, &frame, ANSWER_TIMEOUT_MS))
		return peer->ended ? "the session was ended" : "no event came";
	seen = now_ns();
	if (frame.method != EVLOOP__METHOD__METHOD_EVENT)
		return "the timer was refused";
	event = peer_unpack(peer, &evloop__event__descriptor, &frame);
	if (!event || event->handle != handle || event->fires != 1)
		return "another event came";
	if (event->fired_ns < deadline || seen < deadline)
		return "the timer was early";
	if (!peer_call(peer, EVLOOP__METHOD__METHOD_PING, NULL))
		return "a ping was not answered";
	*ret = (struct round){ .timer = { deadline, seen }, .ping = { seen, now_ns() } };
	return NULL;
}

static void be_victim(struct rig *rig, uid_t uid) {
	struct victim *victim = rig->victim;
	struct peer *peer, *quiet;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	rig_run_before(getpid(), 2, rig_processor(1));
	if (uid != 0)
		assert(setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0);
	peer = peer_open_as(rig, VICTIM_NAME);
	quiet = rig->quiet ? peer_open_as(rig->quiet, VICTIM_NAME) : NULL;
	for (size_t n = 0; peer && !victim->stop; n++) {
		const char *wrong = round_trip(peer, n + 1, &victim->rounds[n % ROUNDS_MAX]);

		if (!wrong && quiet)
			wrong = round_trip(quiet, n + 1, &victim->quiet_rounds[n % ROUNDS_MAX]);
		if (wrong) {
			snprintf(victim->wrong, sizeof(victim->wrong), "%s, in round %zu", wrong, n + 1);
			break;
		}
		victim->n++;
	}
	if (!peer || (rig->quiet && !quiet))
		strcpy(victim->wrong, "it could not connect");
	peer_close(quiet);
	peer_close(peer);
	_exit(0);
}

void victim_start(struct rig *rig, uid_t uid) {
	rig->victim = mmap(NULL, sizeof(*rig->victim), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert(rig->victim != MAP_FAILED);
	rig->victim_uid = uid;
	fflush(stdout);
	rig->victim_pid = fork();
	assert(rig->victim_pid >= 0);
	if (rig->victim_pid == 0)
		be_victim(rig, uid);
	(void)victim_delay(rig, 0, NULL);
}

void victim_stop(struct rig *rig) {
	if (!rig->victim)
		return;
	rig->victim->stop = true;
	(void)waitpid(rig->victim_pid, NULL, 0);
	if (rig->victim->wrong[0])
		rig_complain(rig, "the victim: %s", rig->victim->wrong);
	(void)munmap(rig->victim, sizeof(*rig->victim));
	rig->victim = NULL;
}

size_t victim_rounds(const struct rig *rig) {
	return rig->victim ? rig->victim->n : 0;
}

static int compare(const void *a, const void *b) {
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* How long it took, but where the machine stood still for the better part.  0: it did. */
static int64_t delay_of(const struct rig *rig, const struct wait *wait) {
	int64_t delay = wait->end - wait->begin;

	return witness_stolen_ns(rig->witness, wait->begin, wait->end) > delay / 2 ? 0 : delay;
}

/* The longer of both.  0: nobody knows. */
static int64_t delay_of_round(const struct rig *rig, const struct round *round) {
	int64_t timer = delay_of(rig, &round->timer), ping = delay_of(rig, &round->ping);

	return MAX(timer, ping);
}

/* Of the rounds since that one, of which there are some.  0: all of them were stolen. */
static int64_t percentile(const struct rig *rig, const struct round *rounds, size_t since, int64_t *ret_worst_ns) {
	size_t n_rounds = MIN(rig->victim->n - since, (size_t)ROUNDS_MAX), n = 0;
	int64_t *sorted, p99;

	sorted = malloc((n_rounds + 1) * sizeof(*sorted));
	assert(sorted);
	sorted[0] = 0;
	for (size_t i = 0; i < n_rounds; i++) {
		int64_t delay = delay_of_round(rig, &rounds[(since + i) % ROUNDS_MAX]);

		if (delay > 0)
			sorted[n++] = delay;
	}
	n = MAX(n, 1U);
	qsort(sorted, n, sizeof(*sorted), compare);
	p99 = sorted[n - 1 - n / 100];
	if (ret_worst_ns)
		*ret_worst_ns = sorted[n - 1];
	free(sorted);
	return p99;
}

int64_t victim_delay(struct rig *rig, size_t since, int64_t *ret_worst_ns) {
	struct victim *victim = rig->victim;
	size_t until;

	if (ret_worst_ns)
		*ret_worst_ns = 0;
	if (!victim)
		return 0;
	/* The round that it is in may be the worst. */
	until = victim->n + 2;
	for (unsigned i = 0; victim->n < until && !victim->wrong[0] && i < 3000; i++)
		pause_ms(10);
	if (victim->n == since) {
		rig_complain(rig, "the victim: %s", victim->wrong[0] ? victim->wrong : "it waits for ever");
		return INT64_MAX;
	}
	return percentile(rig, victim->rounds, since, ret_worst_ns);
}

int64_t victim_quiet_delay(const struct rig *rig, size_t since) {
	const struct victim *victim = rig->victim;

	if (!victim || !rig->quiet || victim->n == since)
		return 0;
	return percentile(rig, victim->quiet_rounds, since, NULL);
}

unsigned victim_stolen_percent(const struct rig *rig, size_t since) {
	const struct victim *victim = rig->victim;
	size_t n = victim ? MIN(victim->n - since, (size_t)ROUNDS_MAX) : 0, n_stolen = 0;

	for (size_t i = 0; i < n; i++)
		n_stolen += delay_of_round(rig, &victim->rounds[(since + i) % ROUNDS_MAX]) == 0;
	return n > 0 ? (unsigned)(100 * n_stolen / n) : 0;
}
