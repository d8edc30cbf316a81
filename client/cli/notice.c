/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns what is said of an event.  Where it comes from and who hears of it is not known here. */

#include "client/cli/notice.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/event.h"
#include "client/cli/json.h"
#include "client/cli/text.h"

/* No variable may be longer than 128 KiB; a command wants to know so much only if it is little. */
#define PATHS_SIZE_MAX 65536

struct notice *notice_new(struct watched *watched, const Evloop__Event *event) {
	size_t size = evloop__event__get_packed_size(event);
	_cleanup_free_ uint8_t *packed = malloc(size + 1);
	struct notice *notice = calloc(1, sizeof(*notice));

	if (!packed || !notice)
		return notice_free(notice);
	notice->watched = watched;
	notice->lost = event->gap ? event->gap->count : 0;
	notice->event = evloop__event__unpack(NULL, evloop__event__pack(event, packed), packed);
	return notice->event ? notice : notice_free(notice);
}

struct notice *notice_free(struct notice *notice) {
	if (!notice)
		return NULL;
	if (notice->event)
		evloop__event__free_unpacked(notice->event, NULL);
	free(notice);
	return NULL;
}

bool notice_is_before(const struct notice *notice, int64_t boottime_ns) {
	return notice->event->fired_ns != 0 && notice->event->fired_ns <= boottime_ns;
}

char *notice_path(const struct watched *watched, const Evloop__PathChange *change) {
	const char *operand = watched->operand;
	size_t n = strlen(operand);
	char *path = malloc(n + change->path.len + 2);

	if (!path)
		return NULL;
	memcpy(path, operand, n);
	if (change->path.len > 0 && path[n - 1] != '/')
		path[n++] = '/';
	if (change->path.len > 0)
		memcpy(path + n, change->path.data, change->path.len);
	path[n + change->path.len] = '\0';
	return path;
}

/* ---- lines ---- */

static void print_path(const char *path) {
	_cleanup_free_ char *text = text_path(path);

	/* Without memory it is said as it is. */
	puts(text ? text : path);
}

static void print_changes(const struct notice *notice) {
	const Evloop__Event *event = notice->event;
	char words[FLAGS_MAX];

	for (size_t i = 0; i < event->n_changes; i++) {
		const Evloop__PathChange *change = event->changes[i];
		_cleanup_free_ char *path = notice_path(notice->watched, change);

		printf("%s ", text_flags(&evloop__change__descriptor, change->changes, words));
		print_path(path ? path : notice->watched->operand);
	}
	if (event->rescan) {
		fputs("rescan ", stdout);
		print_path(notice->watched->operand);
	}
}

static const char *status_text(const Evloop__Event *event, char buffer[16]) {
	if (!event->status_known)
		return "unknown";
	(void)snprintf(buffer, 16, "%d", event->status);
	return buffer;
}

static void print_lines(const struct notice *notice) {
	const Evloop__Event *event = notice->event;
	char words[FLAGS_MAX], status[16];

	switch (notice->watched->kind) {
	case WATCHED_FD:
		printf("fd=%d %s\n", notice->watched->fd,
		       text_flags(&evloop__readiness__descriptor, event->readiness, words));
		return;
	case WATCHED_PID:
		printf("pid=%s ended status=%s\n", notice->watched->operand, status_text(event, status));
		return;
	case WATCHED_PATH:
		print_changes(notice);
		return;
	case WATCHED_TOPIC:
		(void)fwrite(event->data.data, 1, event->data.len, stdout);
		putchar('\n');
		return;
	}
}

/* The event as it came, and which of the operands it is about. */
static json_t *to_json(const struct notice *notice) {
	const Evloop__Event event = event_of_process(notice->event, notice->watched->pid);
	const char *operand = notice->watched->operand;
	json_t *object = event_json(&event);

	if (object && json_object_set_new(object, "operand", json_of_bytes(operand, strlen(operand))) < 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

bool notice_print(const struct notice *notice, bool json) {
	if (json)
		return json_print(to_json(notice));
	print_lines(notice);
	return text_flush();
}

/* ---- the environment ---- */

static const char *const names[] = { "EVLOOP_CHANGES", "EVLOOP_DATA",    "EVLOOP_FD",     "EVLOOP_FIRES",
				     "EVLOOP_LOST",    "EVLOOP_PATH",    "EVLOOP_PATHS",  "EVLOOP_PID",
				     "EVLOOP_RESCAN",  "EVLOOP_REVENTS", "EVLOOP_STATUS", "EVLOOP_TOPIC" };

static int set(const char *name, const char *value) {
	return setenv(name, value, 1) < 0 ? -ENOMEM : 0;
}

static int set_number(const char *name, uint64_t value) {
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, value);
	return set(name, text);
}

/* What is known of all paths together. */
struct paths {
	char *lines;
	size_t size;
	char *first;
	uint32_t changes;
	bool rescan;
};

static bool add_path(struct paths *paths, FILE *lines, const struct watched *watched,
		     const Evloop__PathChange *change) {
	char *path = notice_path(watched, change);

	if (!path)
		return false;
	paths->changes |= change->changes;
	(void)fflush(lines);
	if (paths->size + strlen(path) < PATHS_SIZE_MAX)
		fprintf(lines, "%s%s", paths->size > 0 ? "\n" : "", path);
	else
		paths->rescan = true;
	if (paths->first)
		free(path);
	else
		paths->first = path;
	return true;
}

static bool add_paths(struct paths *paths, FILE *lines, const struct notice *notice) {
	static const Evloop__PathChange itself = EVLOOP__PATH_CHANGE__INIT;
	const Evloop__Event *event = notice->event;

	for (size_t i = 0; i < event->n_changes; i++)
		if (!add_path(paths, lines, notice->watched, event->changes[i]))
			return false;
	paths->rescan |= event->rescan;
	return !event->rescan || add_path(paths, lines, notice->watched, &itself);
}

static int export_paths(const struct notice_list *list) {
	struct paths paths = {};
	const struct notice *notice;
	char words[FLAGS_MAX];
	FILE *lines = open_memstream(&paths.lines, &paths.size);
	int r = lines ? 0 : -ENOMEM;

	if (!lines)
		return r;
	STAILQ_FOREACH(notice, list, link)
	if (r == 0 && !add_paths(&paths, lines, notice))
		r = -ENOMEM;
	if (fclose(lines) != 0)
		r = -ENOMEM;
	if (r == 0)
		r = set("EVLOOP_PATHS", paths.lines);
	if (r == 0 && paths.first)
		r = set("EVLOOP_PATH", paths.first);
	if (r == 0)
		r = set("EVLOOP_CHANGES", text_flags(&evloop__change__descriptor, paths.changes, words));
	if (r == 0 && paths.rescan)
		r = set("EVLOOP_RESCAN", "1");
	free(paths.lines);
	free(paths.first);
	return r;
}

static int export_fd(const struct notice *notice) {
	char words[FLAGS_MAX];
	int r = set_number("EVLOOP_FD", (uint64_t)notice->watched->fd);

	return r < 0 ? r
		     : set("EVLOOP_REVENTS",
			   text_flags(&evloop__readiness__descriptor, notice->event->readiness, words));
}

static int export_pid(const struct notice *notice) {
	char status[16];
	int r = set("EVLOOP_PID", notice->watched->operand);

	return r < 0 ? r : set("EVLOOP_STATUS", status_text(notice->event, status));
}

/* A variable can hold no NUL, and what is no text is of no use in one; the data come on standard input, too. */
static int export_data(const ProtobufCBinaryData *data) {
	_cleanup_free_ char *text = NULL;
	json_t *string = json_stringn((const char *)data->data, data->len);
	bool is_text = string && !memchr(data->data, '\0', data->len);

	json_decref(string);
	if (!is_text)
		return 0;
	text = strndup((const char *)data->data, data->len);
	return text ? set("EVLOOP_DATA", text) : -ENOMEM;
}

static int export_topic(const struct notice *notice) {
	static const ProtobufCBinaryData nothing = { .data = (uint8_t *)"" };
	const ProtobufCBinaryData *data = notice->event->data.len > 0 ? &notice->event->data : &nothing;
	int r = set("EVLOOP_TOPIC", notice->watched->operand);

	if (r == 0)
		r = set_number("EVLOOP_LOST", notice->lost);
	return r < 0 ? r : export_data(data);
}

int notice_export(const struct notice_list *list) {
	const struct notice *first = STAILQ_FIRST(list), *notice;
	uint64_t fires = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)unsetenv(names[i]);
	/* --now: nothing has happened yet. */
	if (!first)
		return 0;
	STAILQ_FOREACH(notice, list, link)
	fires += MAX(notice->event->fires, UINT64_C(1));
	if (set_number("EVLOOP_FIRES", fires) < 0)
		return -ENOMEM;
	switch (first->watched->kind) {
	case WATCHED_FD:
		return export_fd(first);
	case WATCHED_PID:
		return export_pid(first);
	case WATCHED_PATH:
		return export_paths(list);
	case WATCHED_TOPIC:
		return export_topic(first);
	}
	return 0;
}
