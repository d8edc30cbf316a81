/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns which fields of an event belong to its type.  Knows nothing of how a value looks. */

#include "client/cli/event.h"

#include <stdio.h>
#include <string.h>

#include "client/cli/json.h"
#include "proto/base.h"

/* Of every event; words, as in those below. */
#define FIELDS_OF_ALL " type handle id name "
#define FIELDS_OF_FIRED " generation fire_seq fires missed first_scheduled_ns scheduled_ns fired_ns lateness_ns more "

/* NULL: what the type has is not known, and all of it is shown. */
static const char *fields_of(Evloop__EventType type) {
	static const char *const fields[] = {
		[EVLOOP__EVENT_TYPE__EVENT_FIRED] = FIELDS_OF_FIRED,
		[EVLOOP__EVENT_TYPE__EVENT_OUTPUT] = " output_end ",
		[EVLOOP__EVENT_TYPE__EVENT_EXITED] = " run ",
		[EVLOOP__EVENT_TYPE__EVENT_ENDED] = " run end ",
		[EVLOOP__EVENT_TYPE__EVENT_GRANTED] = " claim grant more ",
		[EVLOOP__EVENT_TYPE__EVENT_READY] = " fire_seq fires fired_ns readiness more ",
		[EVLOOP__EVENT_TYPE__EVENT_PROCESS] = " fired_ns pid status_known status ",
		[EVLOOP__EVENT_TYPE__EVENT_CHANGED] = " fire_seq fires fired_ns changes rescan error more ",
		[EVLOOP__EVENT_TYPE__EVENT_MESSAGE] = " fire_seq fires fired_ns data gap more ",
		[EVLOOP__EVENT_TYPE__EVENT_TIMEOUT] = " fired_ns more ",
	};

	return (size_t)type < ARRAY_SIZE(fields) ? fields[type] : NULL;
}

static bool has(const char *fields, const char *name) {
	char word[64];

	snprintf(word, sizeof(word), " %s ", name);
	return strstr(fields, word) != NULL;
}

json_t *event_json(const Evloop__Event *event) {
	const ProtobufCMessageDescriptor *descriptor = event->base.descriptor;
	const char *fields = fields_of(event->type);
	Evloop__Event whole = *event;
	json_t *object;

	if (whole.generation == 0)
		whole.generation = 1;
	if (whole.first_scheduled_ns == 0)
		whole.first_scheduled_ns = whole.scheduled_ns;
	object = json_of_message(&whole.base);
	for (unsigned i = 0; object && fields && i < descriptor->n_fields; i++) {
		const char *name = descriptor->fields[i].name;

		if (!has(FIELDS_OF_ALL, name) && !has(fields, name))
			(void)json_object_del(object, name);
	}
	return object;
}

Evloop__Event event_of_process(const Evloop__Event *event, int pid) {
	Evloop__Event whole = *event;

	if (whole.type == EVLOOP__EVENT_TYPE__EVENT_PROCESS && pid > 0)
		whole.pid = pid;
	return whole;
}

bool event_print_json(const Evloop__Event *event) {
	return json_print(event_json(event));
}

bool event_is_gap(const Evloop__Event *event) {
	return event->type == EVLOOP__EVENT_TYPE__EVENT_MESSAGE && event->gap && event->fires == 0 && event->more;
}
