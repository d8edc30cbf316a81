/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each call of the daemon that can fail fails once, in a run of its own.  Whatever it is: the daemon does not crash, nor hang, what it
 * has said is true, who comes afterwards is served, and no descriptor is left.
 *
 *     test-torture [FIRST [LAST]]     by default every so many calls, as far as that is done in some seconds; TORTURE=all: each
 */

#undef NDEBUG

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/crash/fail.h"
#include "tests/hostile/rig.h"

#define RUNS 250 /* where not all calls are to fail */
#define PATIENCE_MS 10000
#define METHOD(name) EVLOOP__METHOD__METHOD_##name

static struct fail_page *page;
static int page_fd;
static char directory[] = "/tmp/test-torture-XXXXXX", socket_path[64], log_path[64];
static unsigned n_wrong;

/* ---- a daemon in which a call fails ---- */

static _Noreturn void be_daemon(int ready_fd) {
	const char *program = getenv("EVLOOPD");
	char library[4096], number[16], fail_fd[16];
	int log = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)dup2(log, STDERR_FILENO);
	snprintf(library, sizeof(library), "%s/tests/crash/.libs/fail.so", getenv("builddir") ?: ".");
	snprintf(number, sizeof(number), "%d", ready_fd);
	snprintf(fail_fd, sizeof(fail_fd), "%d", page_fd);
	(void)setenv("LD_PRELOAD", library, 1);
	(void)setenv("FAIL_FD", fail_fd, 1);
	(void)execlp(program ?: "evloopd", "evloopd", "--socket", socket_path, "--ready-fd", number, NULL);
	_exit(127);
}

/* Return: whether it listens; *ret_pid is to be waited for in any case. */
static bool start(pid_t *ret_pid) {
	struct pollfd ready = { .events = POLLIN };
	int fds[2];
	char byte;
	bool listens;

	assert(pipe(fds) == 0);
	fflush(stdout);
	*ret_pid = fork();
	assert(*ret_pid >= 0);
	if (*ret_pid == 0)
		be_daemon(fds[1]);
	(void)close(fds[1]);
	ready.fd = fds[0];
	listens = poll(&ready, 1, PATIENCE_MS) == 1 && read(fds[0], &byte, 1) == 1;
	(void)close(fds[0]);
	return listens;
}

/* End it.  Return: its status, as waitpid(2) has it; −1: it does not end. */
static int stop(pid_t pid) {
	struct pollfd poll_fd = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int status = -1;

	assert(poll_fd.fd >= 0);
	(void)kill(pid, SIGTERM);
	if (poll(&poll_fd, 1, PATIENCE_MS) == 0)
		(void)kill(pid, SIGKILL);
	else
		(void)waitpid(pid, &status, 0);
	if (status < 0)
		(void)waitpid(pid, NULL, 0);
	(void)close(poll_fd.fd);
	return status;
}

/* ---- what is asked of it, and must be true ---- */

/* The event of that handle.  Return: NULL: the session is over, or it does not come, which is wrong. */
static const Evloop__Event *event_of(struct peer *peer, uint64_t handle, const char *what) {
	const Evloop__Event *event;
	struct frame frame;

	while (peer_next(peer, &frame, PATIENCE_MS)) {
		if (frame.kind != FRAME_EVENT || frame.method != METHOD(EVENT))
			continue;
		event = peer_unpack(peer, &evloop__event__descriptor, &frame);
		if (event && event->handle == handle)
			return event;
	}
	if (!peer->ended)
		rig_complain(peer->rig, "%s was granted, and does not come", what);
	return NULL;
}

static void ask_timer(struct peer *peer) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;

	spec.handle = 1;
	spec.relative = true;
	spec.deadline_ns = NSEC_PER_MSEC;
	if (peer_call(peer, METHOD(ARM), &spec))
		(void)event_of(peer, 1, "a timer");
}

static void ask_topic(struct peer *peer) {
	Evloop__SubscribeRequest subscribe = EVLOOP__SUBSCRIBE_REQUEST__INIT;
	Evloop__EmitRequest emit = EVLOOP__EMIT_REQUEST__INIT;
	const Evloop__EmitReply *reply = NULL;
	bool told = false, granted = false;
	struct frame frame;

	subscribe.handle = 2;
	subscribe.topic = emit.topic = (char *)"torture";
	subscribe.queue = 4;
	emit.data = (ProtobufCBinaryData){ .data = (uint8_t *)"word", .len = 4 };
	if (!peer_call(peer, METHOD(SUBSCRIBE), &subscribe))
		return;
	peer_put(peer, FRAME_REQUEST, METHOD(EMIT), &emit);
	peer_flush(peer);
	/* The message may come before the answer that it was given to somebody. */
	while (!(told && granted) && peer_next(peer, &frame, PATIENCE_MS)) {
		if (frame.kind == FRAME_EVENT) {
			told = true;
		} else if (frame.serial == peer->serial) {
			reply = frame.kind == FRAME_REPLY ? peer_unpack(peer, &evloop__emit_reply__descriptor, &frame)
							  : NULL;
			granted = reply && reply->receivers == 1;
			if (!granted)
				return;
		}
	}
	if (!peer->ended && !(told && granted))
		rig_complain(peer->rig, "a message was %s", granted ? "taken, and does not come" : "not answered");
}

/* A request with a descriptor.  Return: whether it is granted. */
static bool is_granted(struct peer *peer, unsigned method, const ProtobufCMessage *message, int fd) {
	uint64_t serial = ++peer->serial;
	struct frame frame;

	assert(packet_put(&peer->out, FRAME_REQUEST, (uint16_t)method, serial, message, &fd, 1) == 0);
	peer_flush(peer);
	while (peer_next(peer, &frame, PATIENCE_MS))
		if (frame.serial == serial && frame.kind != FRAME_EVENT)
			return frame.kind == FRAME_REPLY;
	if (!peer->ended)
		rig_complain(peer->rig, "no answer to method %u", method);
	return false;
}

static void ask_watch(struct peer *peer) {
	Evloop__WatchFdRequest request = EVLOOP__WATCH_FD_REQUEST__INIT;
	bool granted;
	int fds[2];

	assert(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
	request.handle = 3;
	request.events = EVLOOP__READINESS__READINESS_READABLE;
	granted = is_granted(peer, METHOD(WATCH_FD), &request.base, fds[0]);
	(void)!write(fds[1], "x", 1);
	if (granted)
		(void)event_of(peer, 3, "a watch");
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void ask_limiter(struct peer *peer) {
	Evloop__LimiterSpec spec = EVLOOP__LIMITER_SPEC__INIT;
	Evloop__LimiterRule rule = EVLOOP__LIMITER_RULE__INIT, *rules = &rule;
	Evloop__LimiterRequest request = EVLOOP__LIMITER_REQUEST__INIT;
	Evloop__LimiterShareRequest share = EVLOOP__LIMITER_SHARE_REQUEST__INIT;
	Evloop__LimiterWaitRequest wait = EVLOOP__LIMITER_WAIT_REQUEST__INIT;
	const Evloop__Grant *grant;
	unsigned allowed = 0;

	rule.tokens = 1;
	rule.period_ns = 3600 * NSEC_PER_SEC;
	rule.burst = 2;
	spec.name = request.name = share.name = wait.name = (char *)"torture";
	spec.rules = &rules;
	spec.n_rules = 1;
	if (!peer_call(peer, METHOD(LIMITER_SET), &spec))
		return;
	request.cost = 1;
	for (unsigned i = 0; i < 4; i++) {
		if (i == 1)
			(void)peer_call(peer, METHOD(LIMITER_SHARE), &share);
		grant = peer_call(peer, METHOD(LIMITER_TRY), &request);
		allowed += grant && grant->allowed;
	}
	if (allowed > 2)
		rig_complain(peer->rig, "a limiter of 2 allowed %u", allowed);
	wait.handle = 5;
	wait.cost = 1;
	wait.max_wait_ns = -1;
	(void)peer_call(peer, METHOD(LIMITER_WAIT), &wait);
	(void)peer_call(peer, METHOD(LIMITER_RESET), &request);
	(void)peer_call(peer, METHOD(LIMITER_REMOVE), &request);
}

/* Is that timer in the list? */
static bool is_listed(struct peer *peer, uint64_t id, bool *ret_listed) {
	Evloop__ListRequest request = EVLOOP__LIST_REQUEST__INIT;
	const Evloop__ListReply *reply = peer_call(peer, METHOD(LIST), &request);

	*ret_listed = false;
	for (size_t i = 0; reply && i < reply->n_timers; i++)
		*ret_listed = *ret_listed || reply->timers[i]->id == id;
	return reply;
}

static void ask_named(struct peer *peer) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	Evloop__ManageRequest manage = EVLOOP__MANAGE_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	const Evloop__ManageReply *reply;
	const Evloop__Armed *armed;
	bool listed;

	spec.detached = spec.relative = true;
	spec.name = (char *)"torture";
	spec.deadline_ns = 3600 * NSEC_PER_SEC;
	armed = peer_call(peer, METHOD(ARM), &spec);
	if (!armed)
		return;
	target.id = armed->id;
	manage.target = &target;
	if (is_listed(peer, target.id, &listed) && !listed)
		rig_complain(peer->rig, "a timer was armed, and is not listed");
	reply = peer_call(peer, METHOD(CANCEL), &manage);
	if (reply && reply->n_results == 1 && is_listed(peer, target.id, &listed) && listed)
		rig_complain(peer->rig, "a timer was cancelled, and is listed");
}

static void ask_job(struct peer *peer) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	Evloop__Command command = EVLOOP__COMMAND__INIT;
	ProtobufCBinaryData word = { .data = (uint8_t *)"/bin/true", .len = 9 };
	const Evloop__Event *event;

	command.argv = &word;
	command.n_argv = 1;
	spec.handle = 6;
	spec.detached = true;
	spec.kind = EVLOOP__KIND__KIND_SOON;
	spec.command = &command;
	if (!peer_call(peer, METHOD(ARM), &spec))
		return;
	while ((event = event_of(peer, 6, "a job")) && event->type != EVLOOP__EVENT_TYPE__EVENT_EXITED)
		if (event->type == EVLOOP__EVENT_TYPE__EVENT_ENDED)
			return;
}

static void ask_path(struct peer *peer) {
	Evloop__WatchPathRequest request = EVLOOP__WATCH_PATH_REQUEST__INIT;
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/new", directory);
	request.handle = 7;
	request.path = (ProtobufCBinaryData){ .data = (uint8_t *)path, .len = strlen(path) };
	if (!peer_call(peer, METHOD(WATCH_PATH), &request))
		return;
	/* It may begin to be watched a little later; but what came since the request is told. */
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert(fd >= 0);
	(void)event_of(peer, 7, "the watch of a path");
	(void)close(fd);
	(void)unlink(path);
}

/* A process of ours ends, and that is told. */
static void ask_process(struct peer *peer) {
	Evloop__WatchPidRequest request = EVLOOP__WATCH_PID_REQUEST__INIT;
	pid_t pid = fork();
	int fd;

	if (pid == 0)
		for (;;)
			(void)pause();
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert(fd >= 0);
	request.handle = 8;
	if (is_granted(peer, METHOD(WATCH_PID), &request.base, fd)) {
		(void)kill(pid, SIGKILL);
		(void)event_of(peer, 8, "the watch of a process");
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	(void)close(fd);
}

static void (*const questions[])(struct peer *peer) = {
	ask_timer, ask_topic, ask_watch, ask_limiter, ask_named, ask_job, ask_path, ask_process,
};

/* Somebody asks all of it, with a session for each question whose session is over. */
static void ask_all(struct rig *rig) {
	Evloop__LimiterRemoveRequest remove = EVLOOP__LIMITER_REMOVE_REQUEST__INIT;
	struct peer *peer = NULL;

	remove.name = (char *)"torture";

	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		for (unsigned tries = 0; !peer && tries < 3; tries++)
			peer = peer_open(rig);
		if (!peer) {
			rig_complain(rig, "nobody is welcome");
			return;
		}
		questions[i](peer);
		if (peer->ended)
			peer = peer_close(peer);
	}
	if (peer)
		(void)peer_call(peer, METHOD(RELOAD), NULL);
	peer_close(peer);
	/* What was left because an answer was lost. */
	peer = peer_open(rig);
	if (peer)
		(void)peer_call(peer, METHOD(LIMITER_REMOVE), &remove);
	peer_close(peer);
}

/* ---- one run ---- */

static void print_log(void) {
	char line[512];
	FILE *file = fopen(log_path, "re");

	while (file && fgets(line, sizeof(line), file))
		printf("    %s", line);
	if (file)
		fclose(file);
}

/* What goes on a little behind the end of a session is waited for.  Return: how many it has, once they are few enough. */
static unsigned descriptors_after(const struct rig *rig, unsigned most) {
	unsigned n = 0;

	for (unsigned i = 0; i < 200; i++) {
		n = rig_descriptors(rig);
		if (n <= most)
			break;
		pause_ms(10);
	}
	return n;
}

/* Return: how many calls there were. */
static uint64_t run(uint64_t fail_at, unsigned *descriptors) {
	struct rig rig = { .path = socket_path };
	unsigned n;
	int status;
	bool listens;

	*page = (struct fail_page){ .fail_at = fail_at };
	listens = start(&rig.daemon);
	if (listens) {
		ask_all(&rig);
		n = descriptors_after(&rig, *descriptors);
		if (*descriptors == UINT32_MAX)
			*descriptors = n;
		else if (n > *descriptors)
			rig_complain(&rig, "%u descriptors, else %u", n, *descriptors);
	} else if (page->name[0] == '\0') {
		rig_complain(&rig, "it does not listen");
	}
	status = stop(rig.daemon);
	if (status < 0)
		rig_complain(&rig, "it does not end");
	else if (WIFSIGNALED(status) && (listens || WTERMSIG(status) != SIGTERM))
		rig_complain(&rig, "it ended by signal %d", WTERMSIG(status));
	if (rig.failures > 0) {
		printf("    when call %llu failed, %s\n", (unsigned long long)fail_at, page->name);
		print_log();
		n_wrong++;
	}
	return page->count;
}

static void clean_up(void) {
	static const char *const names[] = {
		"log", "socket", "socket.lock", "socket.ids", "socket.ids.new", "socket.limiters", "socket.limiters.new"
	};
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(directory);
}

extern void __asan_init(void) __attribute__((weak));

int main(int argc, char **argv) {
	const char *all = getenv("TORTURE");
	uint64_t first = 1, last, step = 1, n;
	unsigned descriptors = UINT32_MAX, runs = 0;

	if (__asan_init) {
		puts("skipped: the address sanitizer has a malloc of its own");
		return 77;
	}
	page_fd = memfd_create("fail", 0);
	assert(page_fd >= 0 && ftruncate(page_fd, sizeof(*page)) == 0);
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);
	assert(page != MAP_FAILED && mkdtemp(directory));
	snprintf(socket_path, sizeof(socket_path), "%s/socket", directory);
	snprintf(log_path, sizeof(log_path), "%s/log", directory);
	n = last = run(0, &descriptors);
	if (argc > 1)
		first = last = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		last = strtoull(argv[2], NULL, 10);
	if (argc == 1 && !(all && strcmp(all, "all") == 0))
		step = MAX(n / RUNS, (uint64_t)1);
	for (uint64_t i = first; i <= last; i += step, runs++)
		(void)run(i, &descriptors);
	printf("%llu calls, %u of them failed, %u times something was wrong\n", (unsigned long long)n, runs, n_wrong);
	clean_up();
	return n_wrong > 0;
}
