/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the one queue of what the core wants to be reminded of.  Knows nothing of what that is. */

#include "daemon/core/reminder.h"

#include "daemon/core/scheduler-private.h"

int reminder_init(struct reminder *reminder, struct scheduler *scheduler, void (*due)(struct reminder *reminder)) {
	*reminder = (struct reminder){ .scheduler = scheduler, .due = due };
	return queue_reserve(&scheduler->reminders);
}

void reminder_deinit(struct reminder *reminder) {
	reminder_clear(reminder);
	queue_release(&reminder->scheduler->reminders);
}

void reminder_set(struct reminder *reminder, int64_t boottime_ns) {
	struct scheduler *scheduler = reminder->scheduler;

	if (reminder->is_set)
		queue_update(&scheduler->reminders, &reminder->place, boottime_ns, scheduler->next_seq++);
	else
		queue_insert(&scheduler->reminders, &reminder->place, boottime_ns, scheduler->next_seq++);
	reminder->is_set = true;
}

void reminder_clear(struct reminder *reminder) {
	if (reminder->is_set)
		queue_remove(&reminder->scheduler->reminders, &reminder->place);
	reminder->is_set = false;
}

int64_t reminder_time(const struct reminder *reminder) {
	return reminder->is_set ? reminder->scheduler->reminders.entries[reminder->place].deadline : 0;
}

void reminders_dispatch(struct scheduler *scheduler, int64_t boottime_ns) {
	const struct queue_entry *first;

	while ((first = queue_first(&scheduler->reminders)) && first->deadline <= boottime_ns) {
		struct reminder *reminder = container_of(first->place, struct reminder, place);

		reminder_clear(reminder);
		reminder->due(reminder);
	}
}
