/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verb log: what jobs have written, as it came, and with -f what they go on to write. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/daemon.h"
#include "client/cli/error.h"
#include "client/cli/json.h"
#include "client/cli/text.h"

/* One timer whose output is shown. */
struct stream {
	uint64_t id;
	char *name; /* "": none */
	uint64_t offset; /* printed so far */
	bool has_news; /* there may be more than that */
	bool over; /* nothing will follow what is there now */
};

struct logging {
	const struct invocation *inv;
	bool follow;
	struct evl *evl;
	struct stream **streams;
	size_t n;
	const struct stream *shown; /* the last one that was printed */
	int status; /* of what went with its daemon; 0 */
};

static void on_event(struct evl *evl _unused_, const Evloop__Event *event, void *userdata) {
	struct stream *stream = userdata;

	stream->has_news = true;
	if (event->type == EVLOOP__EVENT_TYPE__EVENT_ENDED)
		stream->over = true;
}

/* The next daemon knows no such job.  The others are followed all the same; the end of the connection ends all, and not here. */
static void on_error(struct evl *evl _unused_, struct evl_source *source, int error, const char *message,
		     void *userdata) {
	struct logging *logging = userdata;
	struct stream *stream = source ? evl_source_userdata(source) : NULL;
	char id[24];

	if (!stream || stream->over)
		return;
	(void)snprintf(id, sizeof(id), "%" PRIu64, stream->id);
	logging->status = complain_gone(stream->name[0] ? stream->name : id, error, message);
	stream->over = true;
}

static void print_title(struct logging *logging, const struct stream *stream) {
	/* As head and tail have it: only where several could be mixed up. */
	if (logging->n > 1 && logging->shown != stream)
		printf("%s==> %" PRIu64 " %s <==\n", logging->shown ? "\n" : "", stream->id, text_name(stream->name));
	logging->shown = stream;
}

static bool print_page(struct logging *logging, struct stream *stream, const Evloop__LogReply *page) {
	if (page->offset > stream->offset)
		complain("%" PRIu64 ": %" PRIu64 " bytes before this are not kept any more", stream->id,
			 page->offset - stream->offset);
	stream->offset = page->offset + page->data.len;
	if (page->data.len == 0)
		return true;
	if (logging->inv->json) {
		json_t *object = json_of_message(&page->base);

		(void)json_object_set_new(object, "id", json_integer((json_int_t)stream->id));
		return json_print(object);
	}
	print_title(logging, stream);
	(void)fwrite(page->data.data, 1, page->data.len, stdout);
	return text_flush();
}

/* Print what there is.  Return: 0, or the exit status. */
static int print_news(struct logging *logging, struct stream *stream) {
	bool more = true;

	stream->has_news = false;
	while (more) {
		Evloop__LogRequest request = EVLOOP__LOG_REQUEST__INIT;
		Evloop__Target target = EVLOOP__TARGET__INIT;
		_cleanup_message_ ProtobufCMessage *reply = NULL;
		const Evloop__LogReply *page;
		int r;

		target.id = stream->id;
		request.target = &target;
		request.offset = stream->offset;
		r = evl_call(logging->evl, EVLOOP__METHOD__METHOD_LOG, &request.base, &reply);
		if (r < 0)
			return complain_call(logging->evl, r, text_name(stream->name));
		page = (const Evloop__LogReply *)reply;
		if (!print_page(logging, stream, page))
			return 1;
		more = page->more && page->data.len > 0;
	}
	return 0;
}

static int attach(struct logging *logging, struct stream *stream) {
	Evloop__AttachRequest request = EVLOOP__ATTACH_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	int r = evl_call_handle(logging->evl, &request.handle, on_event, stream);

	target.id = stream->id;
	request.target = &target;
	request.output = true;
	if (r == 0)
		r = evl_call(logging->evl, EVLOOP__METHOD__METHOD_ATTACH, &request.base, NULL);
	return r < 0 ? complain_call(logging->evl, r, text_name(stream->name)) : 0;
}

static int add(const Evloop__TimerInfo *info, void *userdata) {
	struct logging *logging = userdata;
	struct stream **streams = reallocarray(logging->streams, logging->n + 1, sizeof(struct stream *));
	struct stream *stream = calloc(1, sizeof(*stream));

	if (streams)
		logging->streams = streams;
	if (!streams || !stream) {
		free(stream);
		return complain_call(logging->evl, -ENOMEM, NULL);
	}
	streams[logging->n++] = stream;
	stream->id = info->id;
	stream->has_news = true;
	stream->name = strdup(info->name);
	if (!stream->name)
		return complain_call(logging->evl, -ENOMEM, NULL);
	if (info->n_argv == 0) {
		complain("%" PRIu64 " %s: has no command and so no output", info->id, text_name(info->name));
		return EX_DATAERR;
	}
	return 0;
}

static bool is_over(const struct logging *logging) {
	for (size_t i = 0; i < logging->n; i++)
		if (!logging->streams[i]->over)
			return false;
	return true;
}

static int print_all(struct logging *logging) {
	int r = 0;

	for (size_t i = 0; r == 0 && i < logging->n; i++)
		if (logging->streams[i]->has_news)
			r = print_news(logging, logging->streams[i]);
	return r;
}

static int follow(struct logging *logging) {
	int r = 0;

	for (size_t i = 0; r == 0 && i < logging->n; i++)
		r = attach(logging, logging->streams[i]);
	evl_set_error_handler(logging->evl, on_error, logging);
	while (r == 0) {
		r = print_all(logging);
		if (r == 0 && is_over(logging))
			return logging->status;
		if (r != 0)
			return r;
		r = evl_dispatch(logging->evl, -1);
		if (r < 0)
			return complain_call(logging->evl, r, NULL);
		r = 0;
	}
	return r;
}

static int run_logging(struct logging *logging) {
	Evloop__ListRequest request = EVLOOP__LIST_REQUEST__INIT;
	int status, r;

	status = daemon_connect(logging->inv, &logging->evl);
	if (status != 0)
		return status;
	/* All are found before anything is printed, so that titles are right from the first on. */
	request.finished = request.anonymous = true;
	status = daemon_list_operands(logging->inv, logging->evl, &request, add, logging);
	if (status != 0 && status != EX_NOINPUT)
		return status;
	r = logging->follow ? follow(logging) : print_all(logging);
	return status != 0 ? status : r;
}

static int run(struct invocation *inv) {
	static const struct option options[] = { { "follow", no_argument, NULL, 'f' }, OPTIONS_COMMON };
	struct logging logging = { .inv = inv };
	int option, r;

	while ((option = options_next(inv, "f", options)) > 0)
		logging.follow = true;
	if (option < 0)
		return inv->status;
	if (inv->argc < 2)
		return complain_usage(inv, "no id or name; see 'evloop log --help'");
	r = run_logging(&logging);
	evl_close(logging.evl);
	for (size_t i = 0; i < logging.n; i++) {
		free(logging.streams[i]->name);
		free(logging.streams[i]);
	}
	free(logging.streams);
	return r;
}

const struct verb verb_log = {
	.name = "log",
	.summary = "show what jobs have written",
	.usage = "[-f] ID|NAME|'GLOB*'...",
	.help = "Prints standard output and standard error of the command as they came, of all\n"
		"its runs as far as they are kept (64 KiB a timer).\n"
		"\n"
		"  -f, --follow         go on until the job is over\n",
	.run = run,
};
