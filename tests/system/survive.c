/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Programs that use the library, a thousand of them in one, while somebody kills their daemon: what each has armed must go on, and what
 * it may have lost must be told.
 *
 *     survive SOCKET SESSIONS
 *
 * Each session has a timer that repeats, one that is armed anew each time, a pipe that is watched, a subscription, and every fourth
 * holds a permit.  Writes READY when all is armed, goes on until SIGTERM, waits for what is still to come, prints what there was, and
 * fails where anything was wrong.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#include "client/evloop.h"
#include "proto/base.h"

#define TOPICS 10
#define PERIOD_NS (250 * NSEC_PER_MSEC) /* of the timer that repeats; not the same in all sessions */
#define ONCE_NS (100 * NSEC_PER_MSEC)
#define STEP_NS (20 * NSEC_PER_MSEC) /* between two looks at what is to be written and emitted */
#define DRAIN_NS (10 * NSEC_PER_SEC)

struct session {
	size_t number;
	struct evl *evl;
	struct evl_source *subscription;
	int64_t period_ns, last_ns; /* of the repeating timer; the nominal time of the last one */
	int64_t once_due_ns; /* 0: it is not armed */
	int pipe[2];
	uint64_t written, read;
	uint64_t message; /* the number of the last */
	bool gap; /* it was told since that messages may be lost */
	bool holds;
};

static struct session *sessions;
static size_t n_sessions, n_wrong;
static struct evl *emitter;
static uint64_t emitted[TOPICS], n_ticks, n_once, n_messages, n_gaps, n_jumps, n_bytes, n_asked, n_unanswered;
static int64_t longest_ns;
static volatile sig_atomic_t ending;

static int64_t now_ns(void) {
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

static void wrong(const struct session *session, const char *format, ...) _printf_(2, 3);

static void wrong(const struct session *session, const char *format, ...) {
	va_list args;

	if (n_wrong++ >= 20)
		return;
	fprintf(stderr, "session %zu: ", session ? session->number : 0);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static void die(const char *what, int error) {
	fprintf(stderr, "survive: %s: %s\n", what, strerror(-error));
	exit(2);
}

static void check(const char *what, int r) {
	if (r < 0)
		die(what, r);
}

/* ---- what comes ---- */

static void on_tick(struct evl_source *source _unused_, const struct evl_event *event, void *userdata) {
	struct session *session = userdata;
	int64_t expected = session->last_ns + (int64_t)event->fires * session->period_ns;

	if (session->last_ns > 0 && event->scheduled_ns != expected)
		wrong(session, "%llu ticks up to %lld, not %lld: lost or told twice", (unsigned long long)event->fires,
		      (long long)event->scheduled_ns, (long long)expected);
	session->last_ns = event->scheduled_ns;
	n_ticks += event->fires;
}

static void arm_once(struct session *session);

static void on_once(struct evl_source *source _unused_, const struct evl_event *event _unused_, void *userdata) {
	struct session *session = userdata;
	int64_t late = now_ns() - session->once_due_ns;

	if (session->once_due_ns == 0)
		wrong(session, "a timer fired twice");
	else if (late < 0)
		wrong(session, "a timer fired %lld ns early", -(long long)late);
	longest_ns = MAX(longest_ns, late);
	session->once_due_ns = 0;
	n_once++;
	if (!ending)
		arm_once(session);
}

static void arm_once(struct session *session) {
	int64_t delay = ONCE_NS + (int64_t)(session->number % 64) * NSEC_PER_MSEC;

	session->once_due_ns = now_ns() + delay;
	check("call_later", evl_call_later(session->evl, NULL, delay, on_once, session));
}

static void on_readable(struct evl_source *source _unused_, const struct evl_event *event _unused_, void *userdata) {
	struct session *session = userdata;
	char bytes[64];
	ssize_t n;

	while ((n = read(session->pipe[0], bytes, sizeof(bytes))) > 0) {
		session->read += (uint64_t)n;
		n_bytes += (uint64_t)n;
	}
}

static void on_message(struct evl_source *source _unused_, const struct evl_event *event, void *userdata) {
	struct session *session = userdata;
	uint64_t number;

	if (event->len != sizeof(number))
		return;
	memcpy(&number, event->data, sizeof(number));
	if (session->message > 0 && number != session->message + 1) {
		n_jumps++;
		if (number <= session->message)
			wrong(session, "message %llu after %llu", (unsigned long long)number,
			      (unsigned long long)session->message);
		else if (!session->gap && event->gap_first == 0)
			wrong(session, "message %llu after %llu, and nobody has said that any are lost",
			      (unsigned long long)number, (unsigned long long)session->message);
	}
	session->message = number;
	session->gap = false;
	n_messages++;
}

static void on_grant(struct evl_source *source _unused_, const struct evl_event *event, void *userdata) {
	struct session *session = userdata;

	if (session->holds || !event->grant->allowed)
		wrong(session, session->holds ? "a permit was granted twice" : "a permit was not granted");
	session->holds = true;
}

static void on_error(struct evl *evl _unused_, struct evl_source *source, int error, const char *message,
		     void *userdata) {
	struct session *session = userdata;

	if (error == -ENOBUFS && session && source == session->subscription) {
		session->gap = true;
		n_gaps++;
		return;
	}
	wrong(session, "%s: %s", strerror(-error), message);
}

/* ---- what is done ---- */

static void arm_all(struct session *session, const char *socket_path, int epoll) {
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = session };
	char topic[32];

	check("connect", evl_connect(&session->evl, socket_path));
	evl_set_error_handler(session->evl, on_error, session);
	session->period_ns = PERIOD_NS + (int64_t)(session->number % 97) * NSEC_PER_MSEC;
	check("call_every", evl_call_every(session->evl, NULL, session->period_ns, on_tick, session));
	arm_once(session);
	if (pipe2(session->pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		die("pipe", -errno);
	check("add_reader", evl_add_reader(session->evl, NULL, session->pipe[0], on_readable, session));
	(void)snprintf(topic, sizeof(topic), "survive-%zu", session->number % TOPICS);
	check("subscribe", evl_subscribe(session->evl, &session->subscription, topic, on_message, session));
	if (session->number % 4 == 0) {
		struct evl_limit limit = EVL_CONCURRENCY(n_sessions);
		struct evl_limiter *limiter;

		check("limiter", evl_limiter_open(session->evl, &limiter, "survive-places", &limit));
		check("acquire", evl_limiter_acquire(limiter, NULL, NULL, 1, -1, on_grant, session));
		(void)evl_limiter_close(limiter);
	}
	check("roundtrip", evl_roundtrip(session->evl));
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, evl_fd(session->evl), &event) < 0)
		die("epoll", -errno);
}

/* A few of each, in turn: nobody waits long. */
static void step(void) {
	static size_t next, next_topic;
	static const char byte = 'x';
	char topic[32];

	for (size_t i = 0; i < 1 + n_sessions / 20; i++) {
		struct session *session = &sessions[next++ % n_sessions];

		if (write(session->pipe[1], &byte, 1) == 1)
			session->written++;
	}
	(void)snprintf(topic, sizeof(topic), "survive-%zu", next_topic);
	emitted[next_topic]++;
	(void)evl_emit_async(emitter, topic, &emitted[next_topic], sizeof(emitted[0]));
	next_topic = (next_topic + 1) % TOPICS;
}

/* Somebody asks and waits, now and again: the daemon may die before it answers, and then says so. */
static void ask(void) {
	static size_t next;
	struct session *session = &sessions[next++ % n_sessions];
	int r = evl_roundtrip(session->evl);

	n_asked++;
	if (r == -EOWNERDEAD)
		n_unanswered++;
	else if (r < 0)
		wrong(session, "a request: %s", strerror(-r));
}

static void dispatch(struct session *session) {
	int r;

	do
		r = evl_dispatch(session->evl, 0);
	while (r > 0);
	if (r < 0) {
		fprintf(stderr, "session %zu: the end of the connection: %s\n", session->number,
			evl_error_message(session->evl));
		die("dispatch", r);
	}
}

static bool is_done(void) {
	for (size_t i = 0; i < n_sessions; i++)
		if (sessions[i].read != sessions[i].written || sessions[i].once_due_ns != 0)
			return false;
	return true;
}

static void run(int epoll) {
	int64_t next_ns = now_ns(), end_ns = INT64_MAX;
	struct epoll_event events[64];

	while (now_ns() < end_ns && !(ending && is_done())) {
		int n = epoll_wait(epoll, events, ARRAY_SIZE(events), 5);

		for (int i = 0; i < n; i++)
			dispatch(events[i].data.ptr);
		if (ending && end_ns == INT64_MAX)
			end_ns = now_ns() + DRAIN_NS;
		if (!ending && now_ns() >= next_ns) {
			next_ns = now_ns() + STEP_NS;
			step();
			ask();
		}
		(void)evl_dispatch(emitter, 0);
	}
}

static void on_signal(int signal_number _unused_) {
	ending = 1;
}

static void check_end(void) {
	for (size_t i = 0; i < n_sessions; i++) {
		const struct session *session = &sessions[i];

		if (session->read != session->written)
			wrong(session, "%llu bytes read of %llu", (unsigned long long)session->read,
			      (unsigned long long)session->written);
		if (session->once_due_ns != 0)
			wrong(session, "a timer has not fired");
		if (session->number % 4 == 0 && !session->holds)
			wrong(session, "a permit was never granted");
	}
}

int main(int argc, char **argv) {
	struct rlimit limit;
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	n_sessions = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	if (n_sessions == 0) {
		fputs("usage: survive SOCKET SESSIONS\n", stderr);
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	(void)sigaction(SIGTERM, &(struct sigaction){ .sa_handler = on_signal }, NULL);
	sessions = calloc(n_sessions, sizeof(*sessions));
	check("connect", evl_connect(&emitter, argv[1]));
	evl_set_error_handler(emitter, on_error, NULL);
	for (size_t i = 0; i < n_sessions; i++) {
		sessions[i].number = i;
		arm_all(&sessions[i], argv[1], epoll);
	}
	puts("READY");
	(void)fflush(stdout);
	run(epoll);
	check_end();
	printf("%zu sessions, %llu ticks, %llu timers, %llu bytes, %llu messages, %llu times told that some may be "
	       "lost and %llu times were, "
	       "%llu requests of which %llu had no answer, at most %lld ms late, wrong %zu\n",
	       n_sessions, (unsigned long long)n_ticks, (unsigned long long)n_once, (unsigned long long)n_bytes,
	       (unsigned long long)n_messages, (unsigned long long)n_gaps, (unsigned long long)n_jumps,
	       (unsigned long long)n_asked, (unsigned long long)n_unanswered, (long long)(longest_ns / NSEC_PER_MSEC),
	       n_wrong);
	return n_wrong > 0;
}
