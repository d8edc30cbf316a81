/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Attacks on a daemon that somebody else uses at the same time.  Each must get what PROTOCOL.md says, or be closed; the victim
 * must not notice; and when it is over, the daemon must have as many descriptors as before, and hardly more memory.
 *
 *     test-hostile [--target] [NAME]
 *
 * With --target (`make hostile`) what the victim sees is held against what is promised: for a daemon built for speed, and as
 * root, which makes all of it run before whatever else the machine has to do.
 */

#undef NDEBUG

#include <sched.h>
#include <string.h>

#include "tests/hostile/rig.h"

#define SETTLE_MS 5000 /* for what goes on a little behind the end of a session */
#define QUIET_MS 20 /* before each attack */
#define MEMORY_KIB 8192 /* what an attack may leave behind: the allocator's pools, mostly */
#define PEAK_KIB (512 * 1024) /* at any time: an eighth of MemoryMax= of the unit, for one uid */
#define TRIES 8 /* of which the best counts, for whoever else uses the machine only adds */
#define P99_NS (100 * MS) /* generous, for busy machines; the table has what it was */

/*
 * The target: less than 5 ms, and at most twice what it sees when nobody attacks, each as the best of some tries.  An attack is repeated
 * until so much is known.
 *
 * "When nobody attacks" is seen twice: before all attacks, with one processor busy, and by the same victim at the same time, with a second
 * daemon that nobody attacks and that runs before the first one.  And rounds of which most was lost because the machine stood still, as a
 * virtual one does at its host's will, are left out.  So what others add is not laid at the attacker's door; and a try in which that is
 * too much tells nothing about him, and is tried again.
 */
#define TARGET_NS (5 * MS)
#define TARGET_IDLE 2
#define TARGET_ROUNDS 800
#define TARGET_MS 3000
#define NOISE_NS (4 * MS / 10) /* with the quiet daemon: more than that, and the machine has too much else to do */
#define STOLEN_PERCENT 33 /* as much as may be left out */
#define NOISY_TRIES 16

struct seen {
	int64_t before, p99, worst; /* by the victim; before: when nothing was done to it */
	int64_t quiet; /* its p99 with the quiet daemon */
	unsigned stolen_percent; /* of its rounds, by the machine: these count for nothing */
	int64_t took;
	long memory_kib, peak_kib; /* more than before; the most at any time */
	int descriptors; /* more than before */
};

static bool target;
/* What the victim sees on this machine when nobody else is there, and one processor is busy; 0: it was too noisy to tell. */
static int64_t idle_ns;
static unsigned n_noisy; /* rows that tell nothing */

static unsigned wait_for_descriptors(const struct rig *rig, unsigned before) {
	unsigned n = 0;

	for (unsigned i = 0; i < SETTLE_MS / 10; i++) {
		n = rig_descriptors(rig);
		if (n == before)
			break;
		pause_ms(10);
	}
	return n;
}

/* Is it over?  One that takes a moment is over too early to say what the hundredth round was like. */
static bool is_enough(const struct rig *rig, size_t rounds, int64_t begin) {
	return !target || victim_rounds(rig) - rounds >= TARGET_ROUNDS || now_ns() - begin > TARGET_MS * MS;
}

/* Return: the daemon lives. */
static bool observe(struct rig *rig, const struct attack *attack, char *got, size_t size, struct seen *ret) {
	unsigned descriptors = rig_descriptors(rig), n;
	long memory = rig_memory_kib(rig);
	size_t rounds = victim_rounds(rig);
	int64_t begin;

	pause_ms(QUIET_MS);
	ret->before = victim_delay(rig, rounds, NULL);
	rounds = victim_rounds(rig);
	rig_forget_peak(rig);
	begin = now_ns();
	do {
		attack->run(rig, got, size);
		if (target)
			pause_ms(attack->rest_ms);
		if (!rig_is_alive(rig)) {
			rig_complain(rig, "%s: the daemon has ended", attack->name);
			return false;
		}
		n = wait_for_descriptors(rig, descriptors);
	} while (!is_enough(rig, rounds, begin));
	ret->p99 = victim_delay(rig, rounds, &ret->worst);
	ret->quiet = attack->own_daemon ? 0 : victim_quiet_delay(rig, rounds);
	ret->stolen_percent = victim_stolen_percent(rig, rounds);
	ret->descriptors = (int)n - (int)descriptors;
	ret->peak_kib = rig_peak_kib(rig);
	ret->memory_kib = rig_memory_kib(rig) - memory;
	ret->took = now_ns() - begin;
	return true;
}

/* Was the machine left to us, or does it not matter? */
static bool is_telling(const struct seen *seen) {
	if (!target)
		return true;
	return seen->stolen_percent <= STOLEN_PERCENT &&
	       (seen->quiet <= NOISE_NS || seen->p99 <= TARGET_IDLE * idle_ns);
}

/* How long may the victim wait? */
static int64_t allowed_ns(const struct seen *seen) {
	int64_t allowed = TARGET_IDLE * MAX(idle_ns, seen->quiet);

	if (!target)
		return P99_NS;
	return is_telling(seen) ? MIN(TARGET_NS, allowed) : allowed;
}

static bool is_fair(const struct rig *rig, const struct attack *attack, const struct seen *seen) {
	if (attack->own_daemon || (attack->own_uid_waits && rig->victim_uid == 0))
		return true;
	return seen->p99 <= allowed_ns(seen);
}

/* Of two tries of an attack the one that says more, or the better one. */
static bool is_better(const struct seen *a, const struct seen *b) {
	if (is_telling(a) != is_telling(b))
		return is_telling(a);
	return (double)a->p99 / (double)allowed_ns(a) < (double)b->p99 / (double)allowed_ns(b);
}

/* Return: how the row is called: "ok", "slow" (more than that, for a reason), "noisy" (nobody knows) or "FAILED". */
static const char *judge(struct rig *rig, const struct attack *attack, const struct seen *seen) {
	long allowed = attack->memory_kib ? attack->memory_kib : MEMORY_KIB;
	unsigned failures = rig->failures;
	bool fair = is_fair(rig, attack, seen), noisy = !is_telling(seen);

	if (seen->descriptors != 0)
		rig_complain(rig, "%s: %+d descriptors", attack->name, seen->descriptors);
	if (seen->memory_kib > allowed)
		rig_complain(rig, "%s: %ld KiB of memory stay", attack->name, seen->memory_kib);
	if (seen->peak_kib > PEAK_KIB)
		rig_complain(rig, "%s: %ld KiB of memory at once", attack->name, seen->peak_kib);
	if (!fair && !(target && attack->slow))
		rig_complain(rig, "%s: the victim waits", attack->name);
	if (rig->failures != failures)
		return "FAILED";
	n_noisy += fair && noisy;
	return !fair ? "slow" : noisy ? "noisy" : "ok";
}

static void print_header(void) {
	printf("%-6s  %-28s  %-63s  %6s  %6s  %6s  %6s  %4s  %6s  %6s  %3s  %5s\n", "", "attack",
	       "what the attacker got", "before", "quiet", "p99 ms", "worst", "out%", "KiB", "peak", "fds", "s");
}

static void print_row(const struct attack *attack, const char *verdict, const char *got, const struct seen *seen) {
	printf("%-6s  %-28s  %-63s", verdict, attack->name, got);
	if (attack->own_daemon)
		printf("  %6s  %6s  %6s  %6s  %4s  %6s  %6s  %3s", "-", "-", "-", "-", "-", "-", "-", "-");
	else
		printf("  %6.2f  %6.2f  %6.2f  %6.2f  %4u  %+6ld  %6ld  %+3d", (double)seen->before / 1e6,
		       (double)seen->quiet / 1e6, (double)seen->p99 / 1e6, (double)seen->worst / 1e6,
		       seen->stolen_percent, seen->memory_kib, seen->peak_kib, seen->descriptors);
	printf("  %5.2f\n", (double)seen->took / 1e9);
	if (strcmp(verdict, "slow") == 0)
		printf("        %s\n", attack->slow);
	fflush(stdout);
}

/* The best of some tries, but for what stays behind: that of all of them. */
static void attack_run(struct rig *rig, const struct attack *attack) {
	struct seen seen, one = { 0 };
	unsigned failures = rig->failures, telling = 0;
	const char *verdict;
	char got[80] = "";

	for (unsigned i = 0;
	     i == 0 || (i < NOISY_TRIES && telling < TRIES && !(is_telling(&seen) && is_fair(rig, attack, &seen)));
	     i++) {
		long memory_kib = one.memory_kib, peak_kib = one.peak_kib;
		int n_descriptors = one.descriptors;

		if (!observe(rig, attack, got, sizeof(got), &one))
			return;
		one.memory_kib += memory_kib;
		one.descriptors += n_descriptors;
		one.peak_kib = MAX(one.peak_kib, peak_kib);
		telling += is_telling(&one);
		if (i == 0 || is_better(&one, &seen))
			seen = one;
	}
	seen.memory_kib = one.memory_kib;
	seen.peak_kib = one.peak_kib;
	seen.descriptors = one.descriptors;
	verdict = judge(rig, attack, &seen);
	print_row(attack, rig->failures == failures ? verdict : "FAILED", got, &seen);
}

/* One that wants a daemon of its own gets one. */
static void attack_begin(struct rig *shared, const struct attack *attack) {
	struct rig rig;

	if (!attack->options) {
		attack_run(shared, attack);
		return;
	}
	rig_start(&rig, attack->options);
	rig.quiet = shared->quiet;
	rig.witness = shared->witness;
	victim_start(&rig, shared->victim_uid);
	attack_run(&rig, attack);
	rig_stop(&rig);
	shared->failures += rig.failures;
}

/* Somebody who keeps a processor busy and asks for nothing: with whom an attacker cannot be blamed for more. */
static void burn(struct rig *rig, char *got, size_t size) {
	int64_t until = now_ns() + (target ? NSEC_PER_SEC : 10 * MS);

	CHECK(rig, true);
	while (now_ns() < until)
		;
	snprintf(got, size, "nothing: it only keeps a processor busy");
}

static void find_idle(struct rig *rig) {
	static const struct attack none = { .name = "none", .run = burn };
	struct seen seen, one;
	unsigned telling = 0;
	char got[80];

	for (unsigned i = 0; i == 0 || (target && i < NOISY_TRIES && telling < TRIES); i++) {
		if (!observe(rig, &none, got, sizeof(got), &one))
			return;
		telling += is_telling(&one);
		if (i == 0 || (is_telling(&one) && (!is_telling(&seen) || one.p99 < seen.p99)))
			seen = one;
	}
	if (is_telling(&seen))
		idle_ns = seen.p99;
	print_row(&none, is_telling(&seen) ? "ok" : "noisy", got, &seen);
}

/* All processes that are started from here, too.  Return: it is so. */
static bool run_before_others(void) {
	const struct sched_param first = { .sched_priority = 1 };

	return sched_setscheduler(0, SCHED_RR, &first) == 0;
}

int main(int argc, char **argv) {
	static const struct attack *const groups[] = {
		attacks_on_packets,  attacks_by_descriptors, attacks_by_watches, attacks_by_topics,
		attacks_by_limiters, attacks_by_requests,    attacks_by_death,   attacks_by_floods,
	};
	const char *const options[] = { "--limit", "sessions=400", NULL };
	uid_t victim_uid = geteuid() == 0 ? VICTIM_UID : 0;
	const char *name = argc > 1 ? argv[argc - 1] : "";
	struct witness *witness = NULL;
	struct rig rig, quiet;
	int64_t begin = now_ns();
	unsigned n = 0;

	target = argc > 1 && strcmp(argv[1], "--target") == 0;
	if (target && argc == 2)
		name = "";
	if (target && !run_before_others())
		printf("whatever else the machine does counts, too: only root can run before it\n");
	rig_start(&rig, options);
	if (target) {
		rig_start(&quiet, NULL);
		rig_run_before(quiet.daemon, 2, rig_processor(1));
		rig.quiet = &quiet;
		rig.witness = witness = witness_start();
	}
	victim_start(&rig, victim_uid);
	printf("the victim is %s\n", victim_uid ? "another uid" : "the same uid: run as root for another one");
	print_header();
	find_idle(&rig);
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		for (const struct attack *attack = groups[i]; attack->name; attack++) {
			/* By name, for whoever looks into one of them. */
			if (!strstr(attack->name, name))
				continue;
			attack_begin(&rig, attack);
			n++;
		}
	rig_stop(&rig);
	if (target) {
		witness_stop(witness);
		rig_stop(&quiet);
		rig.failures += quiet.failures;
	}
	if (n == 0)
		fprintf(stderr, "there is no attack with '%s' in its name\n", name);
	if (n_noisy > 0)
		printf("%u rows tell nothing: the machine had too much else to do\n", n_noisy);
	printf("%u attacks, %u failures, %.1f s\n", n, rig.failures, (double)(now_ns() - begin) / 1e9);
	return rig.failures > 0 || n == 0;
}
