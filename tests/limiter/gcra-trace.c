/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Puts proto/gcra.c behind a pipe, for the oracle in test-gcra.py: one line of numbers in, one line out.
 * Knows nothing of what the right answer is.
 */

#undef NDEBUG
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/gcra.h"

static void print_decision(int r, const struct gcra_decision *d) {
	if (r != 0)
		printf("%d\n", r);
	else
		printf("0 %d %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64 "\n", d->allowed, d->tat, d->remaining,
		       d->retry_after_ns, d->reset_after_ns);
}

static void print_word(int r, uint64_t word) {
	if (r != 0)
		printf("%d\n", r);
	else
		printf("0 %" PRIu64 "\n", word);
}

static int run(const char *op, const uint64_t *a) {
	struct gcra_rule rule, other;
	struct gcra_decision decision = { 0 };
	uint64_t word = 0;
	int r;

	r = gcra_rule_init(&rule, a[0], (int64_t)a[1], a[2]);
	if (r != 0 || strcmp(op, "rule") == 0) {
		if (r != 0)
			printf("%d\n", r);
		else
			printf("0 %" PRIu64 " %" PRIu64 "\n", rule.interval, rule.tolerance);
		return 0;
	}
	if (strcmp(op, "decide") == 0) {
		r = gcra_decide(&rule, a[3], a[4], a[5], a[6], &decision);
		print_decision(r, &decision);
	} else if (strcmp(op, "available") == 0) {
		print_word(0, gcra_available(&rule, a[3], a[4], a[5], a[6]));
	} else if (strcmp(op, "refund") == 0) {
		print_word(0, gcra_refund(&rule, a[3], a[4], a[5]));
	} else if (strcmp(op, "charge") == 0) {
		r = gcra_charge(&rule, a[3], a[4], a[5], a[6], &word);
		print_word(r, word);
	} else if (strcmp(op, "convert") == 0) {
		r = gcra_rule_init(&other, a[5], (int64_t)a[6], a[7]);
		if (r == 0)
			r = gcra_convert(&rule, &other, a[3], a[4], &word);
		print_word(r, word);
	} else if (strcmp(op, "grant") == 0) {
		print_word(0, gcra_grant_time(&rule, a[3], a[4]));
	} else {
		return -1;
	}
	return 0;
}

int main(void) {
	char line[512], op[16];
	uint64_t a[8];

	while (fgets(line, sizeof(line), stdin)) {
		memset(a, 0, sizeof(a));
		assert(sscanf(line,
			      "%15s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
			      " %" SCNu64,
			      op, &a[0], &a[1], &a[2], &a[3], &a[4], &a[5], &a[6], &a[7]) >= 4);
		assert(run(op, a) == 0);
	}
	return 0;
}
