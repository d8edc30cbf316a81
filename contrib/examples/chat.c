/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chat NAME [ROOM]: everybody of this user who is in the same room hears what the others type.  There is no server to be written. */

#include <evloop.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct chat {
	struct evl *evl;
	const char *name;
	char topic[100], line[1024], farewell[100];
	size_t length; /* of the line, as far as it has been typed */
};

static void say(struct chat *chat, const char *text) {
	(void)evl_emit_async(chat->evl, chat->topic, text, strlen(text));
}

/* What anybody says, oneself too. */
static void heard(struct evl_source *source, const struct evl_event *event, void *userdata) {
	struct chat *chat = userdata;

	(void)source;
	if (event->gap_first)
		printf("(%d lines were lost)\n", (int)(event->gap_last - event->gap_first + 1));
	printf("%s\n", (const char *)event->data);
	if (strcmp(event->data, chat->farewell) == 0)
		evl_stop(chat->evl);
}

static void say_line(struct chat *chat) {
	char text[sizeof(chat->line) + 100];

	snprintf(text, sizeof(text), "%s: %.*s", chat->name, (int)chat->length, chat->line);
	say(chat, text);
	chat->length = 0;
}

/* Standard input concerns nobody else, so the library watches it by itself. */
static void typed(struct evl_source *source, const struct evl_event *event, void *userdata) {
	struct chat *chat = userdata;
	char data[512];
	ssize_t n = event->revents & EVL_READABLE ? read(STDIN_FILENO, data, sizeof(data)) : 0;

	for (ssize_t i = 0; i < n; i++) {
		if (data[i] == '\n' || chat->length == sizeof(chat->line))
			say_line(chat);
		if (data[i] != '\n')
			chat->line[chat->length++] = data[i];
	}
	if (n <= 0) {
		if (chat->length > 0)
			say_line(chat);
		evl_cancel(source);
		say(chat, chat->farewell);
	}
}

int main(int argc, char **argv) {
	struct chat chat = { .name = argc > 1 ? argv[1] : "somebody" };
	char greeting[100];
	int r = evl_connect_with(&chat.evl, NULL, EVL_CONNECT_AUTOSTART);

	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(chat.topic, sizeof(chat.topic), "chat/%s", argc > 2 ? argv[2] : "lobby");
	snprintf(greeting, sizeof(greeting), "%s has come", chat.name);
	snprintf(chat.farewell, sizeof(chat.farewell), "%s has left", chat.name);
	if (r >= 0)
		r = evl_subscribe(chat.evl, NULL, chat.topic, heard, &chat);
	if (r >= 0)
		r = evl_add_local(chat.evl, NULL, STDIN_FILENO, EVL_READABLE, typed, &chat);
	if (r >= 0) {
		say(&chat, greeting);
		r = evl_run(chat.evl);
	}
	if (r < 0)
		fprintf(stderr, "chat: %s: %s\n", strerror(-r),
			chat.evl ? evl_error_message(chat.evl) : "see 'evloop ping'");
	evl_close(chat.evl);
	return r < 0;
}
