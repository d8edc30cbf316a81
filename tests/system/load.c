/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Many sessions at once, which notice whatever is lost, told twice or told out of order, and how long none was told anything.
 *
 *     load SOCKET SESSIONS WATCHES EVENTS-PER-SECOND [TIMERS]
 *
 * Writes READY when all is armed, goes on until SIGTERM, then waits for what is still to come, prints what there was, and
 * fails where anything was wrong.  A quarter of the events each are ticks with a request and its answer each, bytes in pipes, messages,
 * and the ticks of a few sessions that come every 5 ms: their pauses are measured.  So many TIMERS more are armed, and do nothing.
 */

#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>

#include "proto/evloop.pb-c.h"
#include "proto/message.h"
#include "proto/packet.h"

#define PROBE_PERIOD_NS (5 * NSEC_PER_MSEC)
#define STEP_NS (2 * NSEC_PER_MSEC) /* between two looks at what is to be written and emitted */
#define AUDIENCE 10 /* sessions that have subscribed to the same topic */
#define LINE 20 /* claims in line for the limiter */
#define DRAIN_NS (20 * NSEC_PER_SEC)

/* Handles of each session. */
enum {
	HANDLE_TICK = 1,
	HANDLE_MESSAGES,
	HANDLE_PERMIT,
	HANDLE_WATCHES = 1000, /* and the number of the watch */
	HANDLE_ONCE = 1000000, /* and upwards: timers that fire once */
	HANDLE_LINE = 1 << 29, /* and upwards: in line for the limiter */
	HANDLE_IDLE = 1 << 30, /* and upwards: timers that do nothing */
};

enum kind {
	KIND_SESSION,
	KIND_CLOCK,
	KIND_SIGNAL
};

struct thing {
	enum kind kind;
};

struct session {
	struct thing thing;
	size_t number;
	int fd;
	bool blocked; /* its socket takes nothing at the moment */
	bool probe;
	struct packet output;
	uint64_t serial, answered; /* of requests */
	uint64_t sequence; /* of events */
	uint64_t ticks;
	int64_t first_ns, period_ns, last_tick_ns; /* `last_tick_ns`: when it came */
	uint64_t once_armed, once_fired; /* they fire in the order of arming */
	int64_t once_deadline_ns[64];
	uint64_t messages; /* the number of the last */
	uint64_t line_next, line_granted;
	uint64_t acks[256];
	size_t n_acks;
};

/* A pipe that a session has given to the daemon to be watched. */
struct watch {
	struct session *session;
	int in, out;
	uint64_t written, read;
};

static struct session *sessions;
static struct watch *watches;
static size_t n_sessions, n_watches, n_topics, n_wrong;
static uint64_t *emitted; /* of each topic */
static struct arena arena;
static uint8_t buffer[PACKET_SIZE_MAX];
static int epoll_fd;
static int64_t events_per_s, longest_stall_ns, stall_sum_ns, went_on_ns;
static uint64_t n_events, n_fires, n_answers, n_grants, n_stalls;
static bool begun, ending;

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
	fprintf(stderr, "session %zu: ", session->number);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static void die(const char *what) {
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ---- sending ---- */

static void session_watch(struct session *session, bool blocked) {
	struct epoll_event event = { .events = EPOLLIN | (blocked ? EPOLLOUT : 0), .data.ptr = session };

	if (session->blocked == blocked)
		return;
	session->blocked = blocked;
	(void)epoll_ctl(epoll_fd, EPOLL_CTL_MOD, session->fd, &event);
}

static void flush_session(struct session *session) {
	int r;

	if (session->fd < 0 || session->output.size == 0)
		return;
	r = packet_send(session->fd, &session->output);
	session_watch(session, r == PACKET_E_AGAIN);
	if (r == PACKET_E_AGAIN)
		return;
	if (r < 0)
		wrong(session, "it cannot send: %s", strerror(-r));
	packet_clear(&session->output);
}

static void put(struct session *session, enum frame_kind kind, unsigned method, const ProtobufCMessage *message) {
	uint64_t serial = kind == FRAME_REQUEST ? ++session->serial : 0;

	while (packet_put(&session->output, kind, (uint16_t)method, serial, message, NULL, 0) != 0) {
		struct pollfd poll_fd = { .fd = session->fd, .events = POLLOUT };

		(void)poll(&poll_fd, 1, 1000);
		flush_session(session);
	}
}

static void put_wait(struct session *session) {
	Evloop__LimiterWaitRequest request = EVLOOP__LIMITER_WAIT_REQUEST__INIT;

	request.handle = HANDLE_LINE + ++session->line_next;
	request.name = (char *)"load";
	request.cost = 1;
	request.max_wait_ns = -1;
	put(session, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_LIMITER_WAIT, &request.base);
}

/* A timer that fires once, 20 ms from now; behind those that are armed. */
static void put_once(struct session *session) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	uint64_t number = session->once_armed;

	if (number - session->once_fired >= ARRAY_SIZE(session->once_deadline_ns))
		return;
	session->once_armed++;
	spec.handle = HANDLE_ONCE + number;
	spec.deadline_ns = now_ns() + 20 * NSEC_PER_MSEC;
	session->once_deadline_ns[number % ARRAY_SIZE(session->once_deadline_ns)] = spec.deadline_ns;
	put(session, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_ARM, &spec.base);
}

static void put_acks(struct session *session) {
	Evloop__AckRequest request = EVLOOP__ACK_REQUEST__INIT;

	if (session->n_acks == 0)
		return;
	request.handles = session->acks;
	request.n_handles = session->n_acks;
	put(session, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_ACK, &request.base);
	session->n_acks = 0;
}

/* ---- what events say ---- */

static void count_stall(struct session *session, int64_t now) {
	int64_t pause_ns = now - session->last_tick_ns;

	if (session->last_tick_ns > 0) {
		longest_stall_ns = MAX(longest_stall_ns, pause_ns);
		stall_sum_ns += pause_ns > 10 * PROBE_PERIOD_NS ? pause_ns : 0;
		n_stalls += pause_ns > 10 * PROBE_PERIOD_NS;
	}
	session->last_tick_ns = now;
}

static void ticked(struct session *session, const Evloop__Event *event) {
	session->ticks += event->fires;
	n_fires += event->fires;
	if (event->fire_seq != session->ticks)
		wrong(session, "tick %llu, and %llu were told", (unsigned long long)event->fire_seq,
		      (unsigned long long)session->ticks);
	if (event->scheduled_ns != session->first_ns + (int64_t)(event->fire_seq - 1) * session->period_ns)
		wrong(session, "tick %llu is of another time", (unsigned long long)event->fire_seq);
	if (event->fired_ns < event->scheduled_ns)
		wrong(session, "tick %llu is early", (unsigned long long)event->fire_seq);
	if (session->probe)
		count_stall(session, now_ns());
	else if (begun && !ending)
		put(session, FRAME_REQUEST, EVLOOP__METHOD__METHOD_PING, NULL);
	if (begun && !ending && !session->probe)
		put_once(session);
}

static void fired_once(struct session *session, const Evloop__Event *event) {
	uint64_t number = event->handle - HANDLE_ONCE;

	n_fires += event->fires;
	if (number != session->once_fired || event->fires != 1 || event->fire_seq != 1 || event->more)
		wrong(session, "timer %llu fires in place of %llu", (unsigned long long)number,
		      (unsigned long long)session->once_fired);
	session->once_fired = number + 1;
	if (event->fired_ns < session->once_deadline_ns[number % ARRAY_SIZE(session->once_deadline_ns)])
		wrong(session, "timer %llu is early", (unsigned long long)number);
}

static void became_readable(struct session *session, const Evloop__Event *event) {
	size_t number = event->handle - HANDLE_WATCHES;
	struct watch *watch = number < n_watches ? &watches[number] : NULL;
	uint8_t data[4096];
	ssize_t n;

	if (!watch || watch->session != session || event->readiness != EVLOOP__READINESS__READINESS_READABLE ||
	    !event->more) {
		wrong(session, "a watch says %u of handle %llu", event->readiness, (unsigned long long)event->handle);
		return;
	}
	n = read(watch->in, data, sizeof(data));
	if (n <= 0)
		wrong(session, "watch %zu is told twice", number);
	for (ssize_t i = 0; i < n; i++)
		if (data[i] != (uint8_t)watch->read++)
			wrong(session, "watch %zu has other bytes", number);
	session->acks[session->n_acks++] = event->handle;
	if (session->n_acks == ARRAY_SIZE(session->acks))
		put_acks(session);
}

static void heard(struct session *session, const Evloop__Event *event) {
	uint64_t number = 0;

	if (event->data.len == sizeof(number))
		memcpy(&number, event->data.data, sizeof(number));
	if (number != ++session->messages || event->fire_seq != number || event->gap)
		wrong(session, "message %llu, by its count %llu, comes in place of %llu", (unsigned long long)number,
		      (unsigned long long)event->fire_seq, (unsigned long long)session->messages);
	session->messages = number;
}

static void granted(struct session *session, const Evloop__Event *event) {
	n_grants++;
	if (event->handle == HANDLE_PERMIT)
		return;
	if (event->handle != HANDLE_LINE + ++session->line_granted ||
	    event->claim != EVLOOP__CLAIM_STATE__CLAIM_GRANTED)
		wrong(session, "claim %llu is granted in place of %llu",
		      (unsigned long long)event->handle - HANDLE_LINE, (unsigned long long)session->line_granted);
	if (!ending)
		put_wait(session);
}

static void take_event(struct session *session, const struct frame *frame) {
	const Evloop__Event *event = message_unpack(&arena, &evloop__event__descriptor, frame->body, frame->body_size);

	n_events++;
	if (frame->serial != ++session->sequence) {
		wrong(session, "event %llu comes in place of %llu", (unsigned long long)frame->serial,
		      (unsigned long long)session->sequence);
		session->sequence = frame->serial;
	}
	if (!event)
		wrong(session, "an event is none");
	else if (event->type == EVLOOP__EVENT_TYPE__EVENT_FIRED && event->handle == HANDLE_TICK)
		ticked(session, event);
	else if (event->type == EVLOOP__EVENT_TYPE__EVENT_FIRED && event->handle >= HANDLE_ONCE)
		fired_once(session, event);
	else if (event->type == EVLOOP__EVENT_TYPE__EVENT_READY)
		became_readable(session, event);
	else if (event->type == EVLOOP__EVENT_TYPE__EVENT_MESSAGE)
		heard(session, event);
	else if (event->type == EVLOOP__EVENT_TYPE__EVENT_GRANTED)
		granted(session, event);
	else
		wrong(session, "an event of type %d comes for handle %llu", event->type,
		      (unsigned long long)event->handle);
}

static void take_frame(struct session *session, const struct frame *frame) {
	const Evloop__Error *error;

	arena_reset(&arena);
	if (frame->kind == FRAME_EVENT && frame->method == EVLOOP__METHOD__METHOD_EVENT) {
		take_event(session, frame);
	} else if (frame->kind == FRAME_REPLY && frame->serial == ++session->answered) {
		n_answers++;
	} else {
		error = message_unpack(&arena, &evloop__error__descriptor, frame->body, frame->body_size);
		wrong(session, "kind %u, method %u, serial %llu: %s", frame->kind, frame->method,
		      (unsigned long long)frame->serial, error ? error->message : "not a word");
	}
}

static void session_read(struct session *session) {
	struct packet packet;
	struct frame frame;
	int r = 0;

	for (unsigned i = 0; i < 8 && r == 0; i++) {
		packet_init(&packet, buffer, sizeof(buffer));
		r = packet_receive(session->fd, &packet);
		if (r == 0 && packet_check(&packet) != 0)
			wrong(session, "a packet is none");
		else if (r == 0)
			while (packet_next(&packet, &frame, NULL))
				take_frame(session, &frame);
	}
	if (r != 0 && r != PACKET_E_AGAIN) {
		wrong(session, "its connection is lost");
		(void)close(session->fd);
		session->fd = -1;
		return;
	}
	put_acks(session);
	if (!session->blocked)
		flush_session(session);
}

/* ---- the beginning ---- */

static void session_connect(struct session *session, const char *path) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = session };

	session->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (session->fd < 0 || connect(session->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die(path);
	packet_init(&session->output, malloc(PACKET_SIZE_MAX), PACKET_SIZE_MAX);
	if (!session->output.data || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, session->fd, &event) < 0)
		die("epoll");
}

static char *name_of_topic(size_t topic) {
	static char name[32];

	snprintf(name, sizeof(name), "load-%zu", topic);
	return name;
}

static void put_limiters(struct session *session) {
	Evloop__LimiterSpec spec = EVLOOP__LIMITER_SPEC__INIT;
	Evloop__LimiterRule rule = EVLOOP__LIMITER_RULE__INIT, *rules = &rule;

	rule.tokens = 200;
	rule.period_ns = NSEC_PER_SEC;
	rule.burst = 1;
	spec.name = (char *)"load";
	spec.mode = EVLOOP__LIMITER_MODE__LIMITER_PUT;
	spec.rules = &rules;
	spec.n_rules = 1;
	put(session, FRAME_REQUEST, EVLOOP__METHOD__METHOD_LIMITER_SET, &spec.base);
	spec.name = (char *)"places";
	spec.n_rules = 0;
	spec.kind = EVLOOP__LIMITER_KIND__LIMITER_CONCURRENCY;
	spec.concurrency = n_sessions + 1;
	put(session, FRAME_REQUEST, EVLOOP__METHOD__METHOD_LIMITER_SET, &spec.base);
}

static void session_begin(struct session *session) {
	Evloop__HelloRequest hello = EVLOOP__HELLO_REQUEST__INIT;
	Evloop__TimerSpec tick = EVLOOP__TIMER_SPEC__INIT;
	Evloop__SubscribeRequest subscribe = EVLOOP__SUBSCRIBE_REQUEST__INIT;
	Evloop__LimiterWaitRequest permit = EVLOOP__LIMITER_WAIT_REQUEST__INIT;

	hello.version = PROTOCOL_VERSION;
	hello.client_name = (char *)"load";
	put(session, FRAME_REQUEST, EVLOOP__METHOD__METHOD_HELLO, &hello.base);
	if (session->number == 0)
		put_limiters(session);
	session->first_ns =
		now_ns() + NSEC_PER_SEC / 2 + session->period_ns * (int64_t)session->number / (int64_t)n_sessions;
	tick.handle = HANDLE_TICK;
	tick.kind = EVLOOP__KIND__KIND_EVERY;
	tick.deadline_ns = session->first_ns;
	tick.period_ns = session->period_ns;
	put(session, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_ARM, &tick.base);
	subscribe.handle = HANDLE_MESSAGES;
	subscribe.topic = name_of_topic(session->number % n_topics);
	subscribe.queue = SUBSCRIPTION_QUEUE_MAX;
	put(session, FRAME_REQUEST, EVLOOP__METHOD__METHOD_SUBSCRIBE, &subscribe.base);
	permit.handle = HANDLE_PERMIT;
	permit.name = (char *)"places";
	permit.cost = 1;
	put(session, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_LIMITER_WAIT, &permit.base);
	for (unsigned i = 0; session->number == 0 && i < LINE; i++)
		put_wait(session);
	flush_session(session);
}

static void put_idle(struct session *session, size_t n) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;

	spec.relative = true;
	for (size_t i = 0; i < n; i++) {
		spec.handle = HANDLE_IDLE + i;
		spec.deadline_ns = 3600 * NSEC_PER_SEC + (int64_t)i;
		put(session, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_ARM, &spec.base);
	}
}

/* A descriptor goes with the frame, so the packet is sent at once. */
static void watch_begin(struct watch *watch, size_t number) {
	Evloop__WatchFdRequest request = EVLOOP__WATCH_FD_REQUEST__INIT;
	struct session *session = watch->session;
	int pipe_fds[2], r;

	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		die("a pipe");
	watch->in = pipe_fds[0];
	watch->out = pipe_fds[1];
	request.handle = HANDLE_WATCHES + number;
	request.events = EVLOOP__READINESS__READINESS_READABLE;
	(void)packet_put(&session->output, FRAME_REQUEST, EVLOOP__METHOD__METHOD_WATCH_FD, ++session->serial,
			 &request.base, &watch->in, 1);
	while ((r = packet_send(session->fd, &session->output)) == PACKET_E_AGAIN)
		(void)poll(&(struct pollfd){ .fd = session->fd, .events = POLLOUT }, 1, 1000);
	if (r < 0)
		die("sending");
	packet_clear(&session->output);
}

/* ---- going on ---- */

/* How many of `per_s` are due by now, of which `*done` were done. */
static uint64_t due(int64_t per_s, uint64_t *done, int64_t now) {
	uint64_t until = (uint64_t)((now - went_on_ns) / 1000 * per_s / 1000000);
	uint64_t n = until - *done;

	*done = until;
	return n;
}

static void go_on(void) {
	static uint64_t n_written, n_emitted, next_watch, next_topic;
	int64_t now = now_ns();

	for (uint64_t n = n_watches > 0 ? due(events_per_s / 4, &n_written, now) : 0; n > 0; n--) {
		struct watch *watch = &watches[next_watch++ % n_watches];
		uint8_t byte = (uint8_t)watch->written;

		if (write(watch->out, &byte, 1) == 1)
			watch->written++;
	}
	for (uint64_t n = due(events_per_s / 4 / AUDIENCE, &n_emitted, now); n > 0; n--) {
		size_t topic = next_topic++ % n_topics;
		/* The same session for each topic, for the order is that of a session. */
		struct session *session = &sessions[topic];
		Evloop__EmitRequest request = EVLOOP__EMIT_REQUEST__INIT;

		emitted[topic]++;
		request.topic = name_of_topic(topic);
		request.data.data = (uint8_t *)&emitted[topic];
		request.data.len = sizeof(emitted[topic]);
		put(session, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_EMIT, &request.base);
		if (!session->blocked)
			flush_session(session);
	}
}

/* Is everything armed, and does everybody tick? */
static bool is_answered(void) {
	for (size_t i = 0; i < n_sessions; i++)
		if (sessions[i].answered != sessions[i].serial || sessions[i].ticks == 0)
			return false;
	return true;
}

/* The first time that everything is armed. */
static void tell_ready(void) {
	if (!is_answered())
		return;
	begun = true;
	went_on_ns = now_ns();
	puts("READY");
	(void)fflush(stdout);
}

/* Has all come that was to come? */
static bool is_drained(void) {
	for (size_t i = 0; i < n_sessions; i++)
		if (sessions[i].answered != sessions[i].serial || sessions[i].once_fired != sessions[i].once_armed ||
		    sessions[i].messages != emitted[i % n_topics])
			return false;
	for (size_t i = 0; i < n_watches; i++)
		if (watches[i].written != watches[i].read)
			return false;
	return sessions[0].line_granted == sessions[0].line_next;
}

static void complain_of_the_rest(void) {
	for (size_t i = 0; i < n_sessions; i++) {
		const struct session *session = &sessions[i];

		if (session->answered != session->serial)
			wrong(session, "%llu requests are not answered",
			      (unsigned long long)(session->serial - session->answered));
		if (session->once_fired != session->once_armed)
			wrong(session, "%llu timers do not fire",
			      (unsigned long long)(session->once_armed - session->once_fired));
		if (session->messages != emitted[i % n_topics])
			wrong(session, "%llu messages do not come",
			      (unsigned long long)(emitted[i % n_topics] - session->messages));
		if (session->ticks == 0)
			wrong(session, "it has never ticked");
	}
	for (size_t i = 0; i < n_watches; i++)
		if (watches[i].written != watches[i].read)
			wrong(watches[i].session, "watch %zu does not tell of %llu bytes", i,
			      (unsigned long long)(watches[i].written - watches[i].read));
	if (sessions[0].line_granted != sessions[0].line_next)
		wrong(&sessions[0], "%llu claims are not granted",
		      (unsigned long long)(sessions[0].line_next - sessions[0].line_granted));
}

static void run(int clock_fd, int signal_fd) {
	struct thing clock = { KIND_CLOCK }, signal = { KIND_SIGNAL };
	struct epoll_event events[256];
	int64_t until_ns = INT64_MAX;
	uint64_t ticks;

	(void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, clock_fd,
			&(struct epoll_event){ .events = EPOLLIN, .data.ptr = &clock });
	(void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, signal_fd,
			&(struct epoll_event){ .events = EPOLLIN, .data.ptr = &signal });
	while (n_wrong < 1000 && now_ns() < until_ns && !(ending && is_drained())) {
		int n = epoll_wait(epoll_fd, events, ARRAY_SIZE(events), 100);

		for (int i = 0; i < n; i++) {
			struct thing *thing = events[i].data.ptr;

			if (thing->kind == KIND_SESSION) {
				if (events[i].events & EPOLLOUT)
					flush_session(container_of(thing, struct session, thing));
				if (events[i].events & ~(uint32_t)EPOLLOUT)
					session_read(container_of(thing, struct session, thing));
			} else if (thing->kind == KIND_CLOCK) {
				(void)!read(clock_fd, &ticks, sizeof(ticks));
				if (!begun)
					tell_ready();
				else if (!ending)
					go_on();
			} else if (!ending) {
				ending = true;
				until_ns = now_ns() + DRAIN_NS;
			}
		}
	}
	complain_of_the_rest();
}

static void raise_limit(void) {
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		die("the limit of descriptors");
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void begin(const char *path, size_t n_idle) {
	/* What is left of the four quarters, in ticks every 5 ms. */
	size_t n_probes = MIN((size_t)MAX(events_per_s / 4 * PROBE_PERIOD_NS / NSEC_PER_SEC, 1), n_sessions);

	for (size_t i = 0; i < n_sessions; i++) {
		struct session *session = &sessions[i];

		*session = (struct session){ .number = i, .probe = i < n_probes, .fd = -1 };
		/* Each tick has a timer that fires once with it. */
		session->period_ns =
			session->probe ? PROBE_PERIOD_NS : (int64_t)n_sessions * NSEC_PER_SEC * 8 / events_per_s;
		session_connect(session, path);
		session_begin(session);
		put_idle(session, n_idle / n_sessions);
		put(session, FRAME_REQUEST, EVLOOP__METHOD__METHOD_PING, NULL);
	}
	for (size_t i = 0; i < n_watches; i++) {
		watches[i].session = &sessions[i % n_sessions];
		watch_begin(&watches[i], i);
	}
}

static size_t number_of(const char *text) {
	return strtoul(text, NULL, 10);
}

int main(int argc, char **argv) {
	struct itimerspec step = { .it_interval.tv_nsec = STEP_NS, .it_value.tv_nsec = STEP_NS };
	int clock_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), signal_fd;
	sigset_t mask;

	if (argc < 5 || argc > 6) {
		fputs("usage: load SOCKET SESSIONS WATCHES EVENTS-PER-SECOND [TIMERS]\n", stderr);
		return 2;
	}
	raise_limit();
	n_sessions = number_of(argv[2]);
	n_watches = number_of(argv[3]);
	events_per_s = (int64_t)number_of(argv[4]);
	n_topics = MAX(n_sessions / AUDIENCE, (size_t)1);
	sessions = calloc(n_sessions, sizeof(*sessions));
	watches = calloc(n_watches + 1, sizeof(*watches));
	emitted = calloc(n_topics, sizeof(*emitted));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &mask, NULL);
	signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (n_sessions == 0 || events_per_s == 0 || !sessions || !watches || !emitted || epoll_fd < 0 || clock_fd < 0 ||
	    signal_fd < 0 || arena_init(&arena) < 0 || timerfd_settime(clock_fd, 0, &step, NULL) < 0)
		die("starting");
	begin(argv[1], argc > 5 ? number_of(argv[5]) : 0);
	run(clock_fd, signal_fd);
	printf("%zu sessions, %zu watches, %.1f s: %llu events (%.0f/s), %llu fires, %llu answers, %llu grants\n",
	       n_sessions, n_watches, (double)(now_ns() - went_on_ns) / 1e9, (unsigned long long)n_events,
	       (double)n_events * 1e9 / (double)(now_ns() - went_on_ns), (unsigned long long)n_fires,
	       (unsigned long long)n_answers, (unsigned long long)n_grants);
	printf("longest stall %.1f ms; %llu above %d ms, %.1f ms on average; wrong: %zu\n",
	       (double)longest_stall_ns / 1e6, (unsigned long long)n_stalls,
	       10 * (int)(PROBE_PERIOD_NS / NSEC_PER_MSEC),
	       n_stalls > 0 ? (double)stall_sum_ns / 1e6 / (double)n_stalls : 0, n_wrong);
	return n_wrong > 0;
}
