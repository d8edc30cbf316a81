/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns that the scheduler has just the topics that configuration defines.  Who may use a topic is asked elsewhere. */

#include "daemon/svc/topic-set.h"

#include "daemon/core/topic.h"

static void remove_others(const struct config_set *set, struct scheduler *scheduler) {
	struct topic *topic, *next;

	for (topic = topic_next(scheduler, NULL); topic; topic = next) {
		next = topic_next(scheduler, topic);
		if (!config_set_find(set, topic_name(topic)))
			topic_undefine(topic);
	}
}

int topic_set_apply(const struct config_set *set, struct scheduler *scheduler) {
	int r = 0;

	remove_others(set, scheduler);
	for (size_t i = 0; i < set->n && r == 0; i++)
		r = topic_define(scheduler, set->definitions[i]->name, &set->definitions[i]->access);
	return r;
}
