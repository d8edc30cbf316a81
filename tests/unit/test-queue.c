/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The queue of deadlines against a search through all of them. */

#include "tests/unit/test.h"

#include "daemon/core/queue.h"

#define ITEMS 600

struct item {
	uint32_t place;
	bool queued;
	int64_t deadline;
	uint64_t seq;
};

static struct item items[ITEMS];

/* The queued item that should leave first, or NULL. */
static struct item *oracle_first(void) {
	struct item *first = NULL;

	for (size_t i = 0; i < ITEMS; i++) {
		struct item *item = &items[i];

		if (item->queued && (!first || item->deadline < first->deadline ||
				     (item->deadline == first->deadline && item->seq < first->seq)))
			first = item;
	}
	return first;
}

static void check_first(const struct queue *queue) {
	const struct queue_entry *first = queue_first(queue);
	const struct item *expected = oracle_first();

	assert_int_equal(!first, !expected);
	if (!first)
		return;
	assert_ptr_equal(first->place, &expected->place);
	assert_int_equal(first->deadline, expected->deadline);
}

/* Every item knows where it is. */
static void check_places(const struct queue *queue) {
	size_t n = 0;

	for (size_t i = 0; i < ITEMS; i++) {
		if (!items[i].queued)
			continue;
		assert_ptr_equal(queue->entries[items[i].place].place, &items[i].place);
		n++;
	}
	assert_int_equal(n, queue->used);
}

static void test_oracle(void **state) {
	struct random random = RANDOM_INIT;
	struct queue queue = QUEUE_INIT;
	uint64_t seq = 0;

	(void)state;
	for (size_t i = 0; i < ITEMS; i++)
		assert_int_equal(queue_reserve(&queue), 0);
	for (unsigned step = 0; step < 60000; step++) {
		struct item *item = &items[random_below(&random, ITEMS)];
		int64_t deadline = (int64_t)random_below(&random, step % 2 ? 50 : UINT64_C(1) << 62);

		if (item->queued && random_below(&random, 2)) {
			queue_remove(&queue, &item->place);
			item->queued = false;
		} else {
			item->deadline = deadline;
			item->seq = seq;
			if (item->queued)
				queue_update(&queue, &item->place, deadline, seq++);
			else
				queue_insert(&queue, &item->place, deadline, seq++);
			item->queued = true;
		}
		check_first(&queue);
		if (step % 100 == 0)
			check_places(&queue);
	}
	for (const struct queue_entry *first; (first = queue_first(&queue));) {
		struct item *item = container_of(first->place, struct item, place);

		check_first(&queue);
		queue_remove(&queue, &item->place);
		item->queued = false;
	}
	assert_null(oracle_first());
	queue_deinit(&queue);
}

static void test_equal_deadlines(void **state) {
	static struct item many[10000];
	struct queue queue = QUEUE_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		assert_int_equal(queue_reserve(&queue), 0);
		queue_insert(&queue, &many[i].place, 7, i);
	}
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		assert_ptr_equal(queue_first(&queue)->place, &many[i].place);
		queue_remove(&queue, &many[i].place);
	}
	queue_deinit(&queue);
}

static void test_rebuild(void **state) {
	struct random random = RANDOM_INIT;
	struct queue queue = QUEUE_INIT;
	int64_t last = INT64_MIN;

	(void)state;
	for (size_t i = 0; i < ITEMS; i++) {
		assert_int_equal(queue_reserve(&queue), 0);
		queue_insert(&queue, &items[i].place, (int64_t)i, i);
		items[i].queued = true;
	}
	for (size_t i = 0; i < queue.used; i++)
		queue.entries[i].deadline = (int64_t)random_below(&random, 1000);
	queue_rebuild(&queue);
	check_places(&queue);
	for (const struct queue_entry *first; (first = queue_first(&queue));) {
		assert_true(first->deadline >= last);
		last = first->deadline;
		container_of(first->place, struct item, place)->queued = false;
		queue_remove(&queue, first->place);
	}
	queue_deinit(&queue);
}

/* Reserved room is there without another allocation, and goes as the things it is for go. */
static void test_memory(void **state) {
	static struct item many[100000];
	struct queue queue = QUEUE_INIT;
	const void *entries;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		assert_int_equal(queue_reserve(&queue), 0);
	entries = queue.entries;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		queue_insert(&queue, &many[i].place, 0, i);
	assert_ptr_equal(queue.entries, entries);
	assert_true(queue.capacity < 2 * ARRAY_SIZE(many));
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		queue_remove(&queue, &many[i].place);
		queue_release(&queue);
		assert_true(queue.capacity <= 16 || queue.capacity <= 4 * queue.reserved);
	}
	assert_null(queue.entries);
	assert_int_equal(queue.capacity, 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_oracle),
		cmocka_unit_test(test_equal_deadlines),
		cmocka_unit_test(test_rebuild),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
