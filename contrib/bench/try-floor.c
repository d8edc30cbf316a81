/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: try-floor COUNT [PROCESSES]
 *
 * What a decision in shared memory costs at least: a reading of the clock and one compare-and-swap, by so many processes at one word.
 */

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "contrib/bench/measure.h"

static void work(_Atomic uint64_t *word, size_t count) {
	for (size_t i = 0; i < count; i++) {
		struct timespec now;
		uint64_t before, after;

		clock_gettime(CLOCK_BOOTTIME, &now);
		do {
			before = atomic_load_explicit(word, memory_order_acquire);
			after = before + (uint64_t)now.tv_nsec;
		} while (!atomic_compare_exchange_strong(word, &before, after));
	}
}

int main(int argc, char **argv) {
	size_t count = measure_operand(argc, argv, 1), processes = argc > 2 ? measure_operand(argc, argv, 2) : 1;
	_Atomic uint64_t *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int64_t start;

	if (word == MAP_FAILED)
		measure_fail("mmap", -errno);
	start = measure_now();
	for (size_t p = 0; p < processes; p++)
		if (measure_syscall("fork", fork()) == 0) {
			work(word, count);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	measure_print("cost", (double)(measure_now() - start) / (double)(count * processes), "ns");
}
