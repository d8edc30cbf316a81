/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Attacks on a daemon that somebody else uses at the same time.  Each must get what PROTOCOL.md says, or be closed; the victim
 * must not notice; and when it is over, the daemon must have as many descriptors as before, and hardly more memory.
 */

#undef NDEBUG

#include <string.h>

#include "tests/hostile/rig.h"

#define SETTLE_MS 5000 /* for what goes on a little behind the end of a session */
#define QUIET_MS 20 /* before each attack */
#define MEMORY_KIB 8192 /* what an attack may leave behind: the allocator's pools, mostly */
#define P99_NS (100 * MS) /* generous, for busy machines; the table has what it was */

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

static void attack_run(struct rig *rig, const struct attack *attack) {
	unsigned descriptors = rig_descriptors(rig), failures = rig->failures;
	long memory = rig_memory_kib(rig), allowed = attack->memory_kib ? attack->memory_kib : MEMORY_KIB;
	size_t rounds = victim_rounds(rig);
	int64_t begin, before, p99, worst;
	char got[80] = "";

	/* What the victim sees when nothing is done to it. */
	pause_ms(QUIET_MS);
	before = victim_delay(rig, rounds, NULL);
	rounds = victim_rounds(rig);
	begin = now_ns();
	attack->run(rig, got, sizeof(got));
	if (!rig_is_alive(rig)) {
		rig_complain(rig, "%s: the daemon has ended", attack->name);
		return;
	}
	p99 = victim_delay(rig, rounds, &worst);
	if (wait_for_descriptors(rig, descriptors) != descriptors)
		rig_complain(rig, "%s: %u descriptors became %u", attack->name, descriptors, rig_descriptors(rig));
	memory = rig_memory_kib(rig) - memory;
	if (memory > allowed)
		rig_complain(rig, "%s: %ld KiB of memory stay", attack->name, memory);
	if (p99 > P99_NS && !(attack->own_uid_waits && rig->victim_uid == 0))
		rig_complain(rig, "%s: the victim waits", attack->name);
	printf("%-6s  %-26s  %-63s  %6.2f  %6.2f  %6.2f  %+6ld  %+3d  %5.2f\n",
	       rig->failures == failures ? "ok" : "FAILED", attack->name, got, (double)before / 1e6, (double)p99 / 1e6,
	       (double)worst / 1e6, memory, (int)rig_descriptors(rig) - (int)descriptors,
	       (double)(now_ns() - begin) / 1e9);
	fflush(stdout);
}

int main(int argc, char **argv) {
	static const struct attack *const groups[] = {
		attacks_on_packets,  attacks_by_descriptors, attacks_by_watches, attacks_by_topics,
		attacks_by_limiters, attacks_by_requests,    attacks_by_death,   attacks_by_floods,
	};
	const char *const options[] = { "--limit", "sessions=400", NULL };
	uid_t victim_uid = geteuid() == 0 ? VICTIM_UID : 0;
	struct rig rig;
	int64_t begin = now_ns();
	unsigned n = 0;

	rig_start(&rig, options);
	victim_start(&rig, victim_uid);
	printf("the victim is %s\n", victim_uid ? "another uid" : "the same uid: run as root for another one");
	printf("%-6s  %-26s  %-63s  %6s  %6s  %6s  %6s  %3s  %5s\n", "", "attack", "what the attacker got", "before",
	       "p99 ms", "worst", "KiB", "fds", "s");
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		for (const struct attack *attack = groups[i]; attack->name; attack++) {
			/* By name, for whoever looks into one of them. */
			if (argc > 1 && !strstr(attack->name, argv[1]))
				continue;
			attack_run(&rig, attack);
			n++;
		}
	rig_stop(&rig);
	printf("%u attacks, %u failures, %.1f s\n", n, rig.failures, (double)(now_ns() - begin) / 1e9);
	return rig.failures > 0 || n == 0;
}
