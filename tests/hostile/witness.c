/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the witnesses: a process on each processor that matters, before everybody else there, that sleeps for a moment, again and again.
 * Where one wakes late, the host of a virtual machine had taken its processor away; or the kernel did not let go of it, which it may have
 * done for the daemon: how long that is busy in single system calls is not seen by this.  Knows nothing of daemons.
 */

#undef NDEBUG

#include "tests/hostile/rig.h"

#include <assert.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#define NAP_NS (MS / 8)
#define TICK_NS (MS / 32)
#define LATE_NS (MS / 10) /* a virtual processor takes some 50 us to wake when all is well */
#define N_TICKS (2 * 1024 * 1024) /* a minute: longer than any attack is looked at */
#define N_WITNESSES 2 /* where the daemon and the victim run */

/* Shared by all of them: ticks of the clock, each in its place, that were stolen from one of the processors. */
struct witness {
	atomic_int_least64_t stolen[N_TICKS];
	pid_t pids[N_WITNESSES];
};

static void be_witness(struct witness *witness, int processor) {
	int64_t due = now_ns();

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	rig_run_before(getpid(), 3, processor);
	for (;;) {
		struct timespec ts;
		int64_t now;

		due += NAP_NS;
		ts = (struct timespec){ .tv_sec = due / NSEC_PER_SEC, .tv_nsec = due % NSEC_PER_SEC };
		(void)clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &ts, NULL);
		now = now_ns();
		if (now - due < LATE_NS)
			continue;
		for (int64_t tick = due / TICK_NS + 1; tick < now / TICK_NS; tick++)
			witness->stolen[tick % N_TICKS] = tick;
		due = now;
	}
}

struct witness *witness_start(void) {
	struct witness *witness;

	if (sched_getscheduler(0) != SCHED_RR)
		return NULL;
	witness = mmap(NULL, sizeof(*witness), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert(witness != MAP_FAILED);
	fflush(stdout);
	for (unsigned i = 0; i < N_WITNESSES; i++) {
		pid_t pid = fork();

		assert(pid >= 0);
		if (pid == 0)
			be_witness(witness, rig_processor(i));
		witness->pids[i] = pid;
	}
	return witness;
}

struct witness *witness_stop(struct witness *witness) {
	if (!witness)
		return NULL;
	for (unsigned i = 0; i < N_WITNESSES; i++) {
		(void)kill(witness->pids[i], SIGKILL);
		(void)waitpid(witness->pids[i], NULL, 0);
	}
	(void)munmap(witness, sizeof(*witness));
	return NULL;
}

int64_t witness_stolen_ns(const struct witness *witness, int64_t begin, int64_t end) {
	int64_t stolen = 0;

	if (!witness || end - begin >= N_TICKS * TICK_NS)
		return 0;
	for (int64_t tick = begin / TICK_NS; tick <= end / TICK_NS; tick++)
		if (witness->stolen[tick % N_TICKS] == tick)
			stolen += MIN(end, (tick + 1) * TICK_NS) - MAX(begin, tick * TICK_NS);
	return stolen;
}
