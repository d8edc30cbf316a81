/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verb bridge: the daemon for any language that can read and write lines.
 *
 * Who does not read is waited for, here, in write(2): nothing is read meanwhile, neither lines nor packets, so nothing gathers.
 */

#include <poll.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/pidfd.h>

#include "client/cli/bridge.h"
#include "client/cli/daemon.h"
#include "client/cli/descriptor.h"
#include "client/cli/error.h"

#define OUTPUT_SIZE 65536 /* bytes of answers and events that are written at once, at most */

enum {
	OPTION_SHELL = 1,
};

/* What has been read and is no whole line yet. */
struct lines {
	char *data; /* of BRIDGE_LINE_MAX + 1 bytes */
	size_t size;
	bool skipping; /* the rest of a line that is too long */
};

static int open_process(pid_t pid) {
	int r = pidfd_open(pid, 0);

	return r < 0 ? -errno : r;
}

/* What has come, and no more.  A loss is seen by the loop. */
static void dispatch(struct bridge *bridge) {
	if (evl_dispatch(bridge->evl, 0) < 0)
		bridge->lost = true;
}

/* What is no source's is the end of the connection, which is seen by the loop. */
static void on_error(struct evl *evl _unused_, struct evl_source *source, int error, const char *message,
		     void *userdata _unused_) {
	if (source)
		bridge_ended_with_error(evl_source_userdata(source), error, message);
}

static const struct bridge_ops daemon_ops = {
	.call = evl_call_with_fd,
	.error = evl_call_error,
	.handle = evl_call_handle,
	.drop = evl_call_drop,
	.deadline = evl_call_deadline,
	.take_descriptor = descriptor_take,
	.open_process = open_process,
	.dispatch = dispatch,
};

/* ---- lines ---- */

/* Handle the whole lines of what has been read, and keep the rest. */
static void handle_lines(struct bridge *bridge, struct lines *lines) {
	char *begin = lines->data, *end = lines->data + lines->size, *newline;

	while (!bridge->lost && (newline = memchr(begin, '\n', (size_t)(end - begin)))) {
		if (!lines->skipping)
			bridge_line(bridge, begin, (size_t)(newline - begin));
		lines->skipping = false;
		begin = newline + 1;
	}
	lines->size = (size_t)(end - begin);
	memmove(lines->data, begin, lines->size);
	if (lines->size > BRIDGE_LINE_MAX) {
		if (!lines->skipping)
			bridge_line_too_long(bridge);
		lines->skipping = true;
	}
	if (lines->skipping)
		lines->size = 0;
}

/* Return: false: there is no more. */
static bool read_lines(struct bridge *bridge, struct lines *lines) {
	ssize_t n = read(STDIN_FILENO, lines->data + lines->size, BRIDGE_LINE_MAX + 1 - lines->size);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	lines->size += (size_t)n;
	handle_lines(bridge, lines);
	if (n == 0 && lines->size > 0)
		bridge_line(bridge, lines->data, lines->size);
	return n > 0;
}

/* ---- what is written ---- */

static int write_error; /* of standard output; 0: none */

/* All of it, also to a pipe that somebody else has made non-blocking.  As cookie_write_function_t. */
static ssize_t write_all(void *cookie _unused_, const char *data, size_t size) {
	struct pollfd fd = { .fd = STDOUT_FILENO, .events = POLLOUT };
	size_t done = 0;

	while (done < size) {
		ssize_t n = write(STDOUT_FILENO, data + done, size - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			(void)poll(&fd, 1, -1);
		else if (errno != EINTR) {
			write_error = errno; /* which stdio may tell only later */
			return 0;
		}
	}
	return (ssize_t)size;
}

/* Return: false, after a complaint: it could not be written. */
static bool flush(struct bridge *bridge) {
	if (fflush(bridge->out) == 0 && !ferror(bridge->out))
		return true;
	/* Who has read it has gone, and expects no more to be said than where SIGPIPE had ended us. */
	if (write_error != EPIPE)
		complain("write error: %s", strerror(write_error ? write_error : errno));
	/* Said once; what is left would only fail again. */
	__fpurge(bridge->out);
	return false;
}

/* ---- the loop ---- */

static int complain_lost(struct bridge *bridge) {
	/* What had come before the loss. */
	while (evl_dispatch(bridge->evl, 0) > 0)
		;
	bridge_disconnected(bridge);
	(void)flush(bridge);
	complain("bridge: the daemon has gone");
	return EX_UNAVAILABLE;
}

/* Return: the exit status. */
static int run_loop(struct bridge *bridge, struct lines *lines) {
	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				{ .fd = evl_fd(bridge->evl), .events = POLLIN } };
	bool more = true;

	while (more && !bridge->lost) {
		if (!flush(bridge))
			return 1;
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (fds[1].revents)
			dispatch(bridge);
		if (fds[0].revents && !bridge->lost)
			more = read_lines(bridge, lines);
	}
	if (bridge->lost)
		return complain_lost(bridge);
	return flush(bridge) ? 0 : 1;
}

/* A name that a shell can assign to begins so. */
static bool is_prefix(const char *text) {
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

	return text[0] && !strchr("0123456789", text[0]) && text[strspn(text, letters)] == '\0';
}

static int parse(struct invocation *inv, struct bridge *bridge) {
	static const struct option options[] = {
		{ "shell", optional_argument, NULL, OPTION_SHELL },
		OPTIONS_COMMON,
	};
	int option;

	while ((option = options_next(inv, "", options)) > 0) {
		bridge->shell = true;
		bridge->prefix = optarg;
		if (optarg && !is_prefix(optarg))
			return complain_usage(inv, "--shell '%s' is not how a variable's name can begin", optarg);
	}
	if (option < 0)
		return -1;
	return inv->argc > 1 ? complain_extra(inv, inv->argv[1]) : 0;
}

/* Return: the exit status. */
static int run_connected(struct bridge *bridge) {
	struct lines lines = { .data = malloc(BRIDGE_LINE_MAX + 1) };
	int r = EX_OSERR;

	bridge->out = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = write_all });
	/* Whether something was done must not stay open: the daemon's answer is waited for as long as it is there. */
	(void)evl_set_timeout(bridge->evl, -1);
	evl_set_error_handler(bridge->evl, on_error, NULL);
	if (lines.data && bridge->out && evl_fd(bridge->evl) >= 0) {
		(void)setvbuf(bridge->out, NULL, _IOFBF, OUTPUT_SIZE);
		r = run_loop(bridge, &lines);
	} else {
		complain("bridge: %s", strerror(ENOMEM));
	}
	bridge_sources_free(bridge);
	if (bridge->out)
		(void)fclose(bridge->out);
	free(lines.data);
	return r;
}

static int run(struct invocation *inv) {
	struct bridge bridge = { .ops = &daemon_ops };
	int r = parse(inv, &bridge);

	if (r != 0)
		return r < 0 ? inv->status : r;
	r = daemon_connect(inv, &bridge.evl);
	if (r == 0)
		r = run_connected(&bridge);
	evl_close(bridge.evl);
	return r;
}

const struct verb verb_bridge = {
	.name = "bridge",
	.summary = "calls and events as lines of JSON, for any language",
	.usage = "[--shell[=PREFIX]]",
	.help = "Reads calls from standard input, one JSON object a line, and writes answers\n"
		"and events to standard output, until its input ends.  The verbs are the calls,\n"
		"the names of evloop.proto the keys:\n"
		"\n"
		"  {\"id\":7,\"call\":\"after\",\"delay_ns\":5000000000}\n"
		"  {\"id\":7,\"ok\":true,\"source\":42,...}\n"
		"  {\"source\":42,\"request\":7,\"event\":\"fired\",\"fires\":1,...}\n"
		"  {\"id\":8,\"call\":\"cancel\",\"request\":7}\n"
		"\n"
		"All of it is in evloop-bridge(1); for bash there is evloop.bash, too.\n"
		"\n"
		"  --shell[=PREFIX]     write each line as assignments that a shell can eval:\n"
		"                       source=42 event=fired; PREFIX stands before each\n",
	.run = run,
};
