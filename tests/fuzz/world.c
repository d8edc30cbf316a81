/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns a daemon of which nothing is real but what is under test.  The functions of core/loop.h and peer/closer.h are here,
 * in place of those that wait and fork.
 */

#undef NDEBUG

#include "tests/fuzz/world.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "daemon/core/poller.h"
#include "daemon/svc/log.h"
#include "proto/method.h"

#define BIRTH_NS (INT64_C(1000) * NSEC_PER_SEC)
#define LOOK_NS 20000 /* that pass at each look at the clock, so that the share of a uid is spent one day */
#define IOS_MAX 64

/* ---- a loop ---- */

struct loop_io {
	LIST_ENTRY(loop_io) link; /* loop::ios */
	int fd, events;
	loop_io_callback callback;
	void *userdata;
};

struct loop {
	struct instant now;
	struct scheduler *scheduler;
	LIST_HEAD(, loop_io) ios;
	struct poller *poller;
};

struct poller *loop_poller(struct loop *loop) {
	return loop->poller;
}

const struct instant *loop_now(const struct loop *loop) {
	return &loop->now;
}

static void pass(struct loop *loop, int64_t ns) {
	for (unsigned clock = 0; clock < TIMER_CLOCK_MAX; clock++)
		loop->now.ns[clock] = MIN(loop->now.ns[clock] + MIN(ns, TIME_NS_MAX), TIME_NS_MAX);
}

const struct instant *loop_refresh(struct loop *loop) {
	pass(loop, LOOK_NS);
	scheduler_refresh(loop->scheduler, &loop->now);
	return &loop->now;
}

int loop_add_io(struct loop *loop, struct loop_io **ret, int fd, int events, loop_io_callback callback,
		void *userdata) {
	struct loop_io *io = calloc(1, sizeof(*io));

	if (!io)
		return -ENOMEM;
	*io = (struct loop_io){ .fd = fd, .events = events, .callback = callback, .userdata = userdata };
	LIST_INSERT_HEAD(&loop->ios, io, link);
	*ret = io;
	return 0;
}

int loop_io_set(struct loop_io *io, int events) {
	io->events = events;
	return 0;
}

struct loop_io *loop_io_remove(struct loop_io *io) {
	if (io) {
		LIST_REMOVE(io, link);
		free(io);
	}
	return NULL;
}

/* Is it still there?  A callback may have removed any of them. */
static bool is_alive(const struct loop *loop, const struct loop_io *io) {
	const struct loop_io *other;

	LIST_FOREACH(other, &loop->ios, link)
	if (other == io)
		return true;
	return false;
}

static void look_at_ios(struct loop *loop) {
	struct loop_io *ios[IOS_MAX], *io;
	size_t n = 0;

	LIST_FOREACH(io, &loop->ios, link)
	if (n < IOS_MAX)
		ios[n++] = io;
	for (size_t i = 0; i < n; i++) {
		struct pollfd poll_fd = { .fd = ios[i]->fd };

		if (!is_alive(loop, ios[i]) || ios[i]->events == 0)
			continue;
		poll_fd.events = (short)((ios[i]->events & LOOP_READ ? POLLIN : 0) |
					 (ios[i]->events & LOOP_WRITE ? POLLOUT : 0));
		if (poll(&poll_fd, 1, 0) != 1)
			continue;
		loop_refresh(loop);
		if (ios[i]->events & LOOP_READ && poll_fd.revents & (POLLIN | POLLHUP | POLLERR))
			ios[i]->callback(ios[i]->userdata, ios[i]->fd, LOOP_READ);
		else
			ios[i]->callback(ios[i]->userdata, ios[i]->fd, LOOP_WRITE);
	}
}

/* ---- a closer ---- */

bool closer_is_safe(int socket_fd _unused_) {
	return true;
}

bool closer_add(struct closer *closer _unused_, struct closers *closers _unused_, const int *fds, size_t n,
		void (*done)(void *userdata, struct closer *closer) _unused_, void *userdata _unused_) {
	for (size_t i = 0; i < n; i++)
		assert(close(fds[i]) == 0);
	return false;
}

void closer_retry(struct closer *closer _unused_) {
}

void closer_deinit(struct closer *closer _unused_) {
}

void closers_init(struct closers *closers _unused_, struct loop *unused _unused_) {
}

void closers_deinit(struct closers *closers _unused_) {
}

int64_t closers_next(const struct closers *closers _unused_) {
	return INT64_MAX;
}

void closers_tick(struct closers *closers _unused_, int64_t boottime_ns _unused_) {
}

bool closer_process_is_unseen(const struct closer_process *process _unused_) {
	return false;
}

/* ---- a keeper, who needs no copy ---- */

static int64_t keeper_next(void *userdata _unused_) {
	return 0;
}

static int keep(void *userdata _unused_, const char *name, int fd) {
	uint64_t id;

	assert(session_store_parse_name(name, &id) && fd >= 0);
	return 0;
}

static void forget(void *userdata _unused_, const char *name) {
	uint64_t id;

	assert(session_store_parse_name(name, &id));
}

static const struct keeper keeper = { .next = keeper_next, .keep = keep, .forget = forget };

/* ---- a starter: a process is the place of its run ---- */

static int start(struct starter *starter, struct run *run, const struct run_request *request, void **ret_process) {
	struct world *world = container_of(starter, struct world, starter);

	assert(request->command && request->command->argv[0] && request->command->directory);
	for (size_t i = 0; !world->starter_refuses && i < WORLD_RUNS; i++)
		if (!world->runs[i]) {
			world->runs[i] = run;
			*ret_process = &world->runs[i];
			return 0;
		}
	return -EAGAIN;
}

static int kill_process(struct starter *starter _unused_, void *process, int signal_number) {
	assert(*(struct run **)process && signal_number > 0);
	return 0;
}

static void abandon(struct starter *starter _unused_, void *process) {
	struct run **run = process;

	assert(*run);
	*run = NULL;
}

void world_run_started(struct world *world, unsigned place) {
	if (world->runs[place % WORLD_RUNS])
		run_started(world->runs[place % WORLD_RUNS], 4711, NULL);
}

void world_run_wrote(struct world *world, unsigned place, const void *data, size_t size) {
	if (world->runs[place % WORLD_RUNS])
		run_output(world->runs[place % WORLD_RUNS], data, size);
}

void world_run_ended(struct world *world, unsigned place, int status, bool started) {
	struct run *run = TAKE_PTR(world->runs[place % WORLD_RUNS]);

	if (run)
		run_exited(run, status, started, world->loop->now.ns[TIMER_CLOCK_BOOTTIME]);
}

/* ---- who looks at files: a watch is its place ---- */

static int add_path(struct path_watcher *watcher, struct path_watch *watch, const struct path_spec *spec,
		    void **ret_token) {
	struct world *world = container_of(watcher, struct world, path_watcher);

	assert(spec->path[0] == '/' && spec->n_exclude <= PATH_EXCLUDES_MAX);
	for (size_t i = 0; i < spec->n_exclude; i++)
		assert(spec->exclude[i][0] && strlen(spec->exclude[i]) <= PATH_EXCLUDE_LENGTH_MAX);
	for (size_t i = 0; i < WORLD_PATHS; i++)
		if (!world->paths[i]) {
			world->paths[i] = watch;
			*ret_token = &world->paths[i];
			return 0;
		}
	return PATH_WATCH_E_STUCK;
}

static void remove_path(struct path_watcher *watcher _unused_, void *token) {
	struct path_watch **watch = token;

	assert(*watch);
	*watch = NULL;
}

void world_path_changed(struct world *world, unsigned place, const void *path, size_t size, unsigned events) {
	if (world->paths[place % WORLD_PATHS])
		path_watch_changed(world->paths[place % WORLD_PATHS], path, size, events);
}

void world_path_lost_track(struct world *world, unsigned place) {
	if (world->paths[place % WORLD_PATHS])
		path_watch_lost_track(world->paths[place % WORLD_PATHS]);
}

void world_path_failed(struct world *world, unsigned place, int error) {
	struct path_watch *watch = TAKE_PTR(world->paths[place % WORLD_PATHS]);

	if (watch)
		path_watch_failed(watch, error);
}

/* ---- peers ---- */

void world_connect(struct world *world, unsigned n) {
	struct world_peer *peer = &world->peers[n % WORLD_PEERS];
	int fds[2];

	if (peer->fd >= 0)
		return;
	assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	*peer = (struct world_peer){ .fd = fds[0] };
	sessions_accept(&world->sessions, fds[1]);
}

void world_take_over(struct world *world, unsigned n) {
	struct world_peer *peer = &world->peers[n % WORLD_PEERS];
	struct kept_copy stored = { .id = world->sessions.last_id + 1 };
	int fds[2];

	if (peer->fd >= 0)
		return;
	assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	*peer = (struct world_peer){ .fd = fds[0], .sequence = UINT64_MAX }; /* TakenOver is number 0 */
	stored.fd = fds[1];
	assert(session_store_take(&world->sessions, &stored, 1) == 1);
}

void world_disconnect(struct world *world, unsigned n) {
	struct world_peer *peer = &world->peers[n % WORLD_PEERS];

	peer->fd = close_fd(peer->fd);
}

void world_send(struct world *world, unsigned n, const void *data, size_t size, unsigned n_fds) {
	struct world_peer *peer = &world->peers[n % WORLD_PEERS];
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int) * 32)];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (peer->fd < 0)
		return;
	if (n_fds > 0) {
		n_fds = MIN(n_fds, 32U);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		for (unsigned i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(&control.header) + sizeof(int) * i,
			       &world->fds[(world->next_fd + i) % WORLD_FDS], sizeof(int));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
	}
	(void)sendmsg(peer->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* ---- what they send ---- */

enum {
	PIPE, /* and its other end */
	SOCKET = PIPE + 2, /* and its other end */
	EVENT = SOCKET + 2,
	PROCESS,
	EPOLL,
	DEVICE,
};

static void open_pair(int fds[2], bool pipe) {
	assert((pipe ? pipe2(fds, O_NONBLOCK | O_CLOEXEC)
		     : socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds)) == 0);
}

static void open_all(struct world *world) {
	signal(SIGPIPE, SIG_IGN);
	open_pair(&world->fds[PIPE], true);
	open_pair(&world->fds[SOCKET], false);
	world->fds[EVENT] = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	world->fds[PROCESS] = (int)syscall(SYS_pidfd_open, getpid(), 0);
	world->fds[EPOLL] = epoll_create1(EPOLL_CLOEXEC);
	world->fds[DEVICE] = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (size_t i = 0; i < WORLD_FDS; i++)
		assert(world->fds[i] >= 0);
}

void world_touch(struct world *world, unsigned how) {
	int *pair = &world->fds[how & 1 ? SOCKET : PIPE];
	char data[64] = "";

	switch (how >> 1 & 3) {
	case 0:
	case 1:
		(void)!write(pair[1], data, sizeof(data));
		break;
	case 2:
		(void)!read(pair[0], data, sizeof(data));
		break;
	default:
		close_fd(pair[0]);
		close_fd(pair[1]);
		open_pair(pair, pair == &world->fds[PIPE]);
	}
}

/* ---- what they are told ---- */

/* Whatever a peer does, what it is told must be well-formed. */
static void check_frame(struct world *world, struct world_peer *peer, const struct frame *frame) {
	const struct method *method = method_find(frame->method);
	const ProtobufCMessageDescriptor *type = NULL;
	ProtobufCMessage *message;

	assert(frame->n_fds == 0);
	switch ((enum frame_kind)frame->kind) {
	case FRAME_REPLY:
		assert(method && method->input);
		type = method->output;
		peer->n_replies++;
		break;
	case FRAME_ERROR:
		type = &evloop__error__descriptor;
		peer->n_errors++;
		break;
	case FRAME_EVENT:
		assert(method && !method->input);
		type = method->output;
		assert(frame->serial == ++peer->sequence);
		peer->n_events += frame->method == EVLOOP__METHOD__METHOD_EVENT;
		peer->n_refused += frame->method == EVLOOP__METHOD__METHOD_REFUSED;
		break;
	case FRAME_REQUEST:
	case FRAME_ONEWAY:
		break;
	}
	assert(type);
	message = message_unpack(&world->arena, type, frame->body, frame->body_size);
	assert(message);
	if (type == &evloop__error__descriptor) {
		const Evloop__Error *error = (const Evloop__Error *)message;

		assert(error->status != EVLOOP__STATUS__STATUS_OK && error->message[0]);
	} else if (type == &evloop__event__descriptor) {
		const Evloop__Event *event = (const Evloop__Event *)message;

		assert(event->handle != 0 && event->id != 0);
		assert(event->type != EVLOOP__EVENT_TYPE__EVENT_FIRED ||
		       (event->fires > 0 && event->fire_seq >= event->fires && event->lateness_ns >= 0));
		assert(event->type != EVLOOP__EVENT_TYPE__EVENT_READY ||
		       (event->fires == 1 && event->fire_seq > 0 && event->fired_ns > 0 && event->readiness > 0 &&
			event->readiness < 16));
		assert(event->type != EVLOOP__EVENT_TYPE__EVENT_CHANGED ||
		       (event->fires > 0 && event->fire_seq >= event->fires && event->fired_ns > 0 &&
			event->n_changes <= PATH_CHANGES_MAX && event->more == (event->error == 0) &&
			(event->n_changes > 0 || event->rescan || event->error != 0)));
		assert(event->type != EVLOOP__EVENT_TYPE__EVENT_MESSAGE ||
		       (event->fires > 0 && event->fire_seq >= event->fires && event->name[0]));
		assert(!event->gap || (event->gap->first > 0 && event->gap->count > 0 &&
				       event->gap->last == event->gap->first + event->gap->count - 1 &&
				       event->gap->last == event->fire_seq - event->fires));
	}
	arena_reset(&world->arena);
}

void world_receive(struct world *world, unsigned n, unsigned packets) {
	struct world_peer *peer = &world->peers[n % WORLD_PEERS];
	struct frame frame;

	for (; peer->fd >= 0 && packets > 0; packets--) {
		int r = packet_receive(peer->fd, &world->in);

		if (r == PACKET_E_AGAIN)
			return;
		if (r != 0) {
			assert(r == PACKET_E_END);
			peer->ended = true;
			peer->fd = close_fd(peer->fd);
			return;
		}
		assert(packet_check(&world->in) == 0);
		while (packet_next(&world->in, &frame, NULL))
			check_frame(world, peer, &frame);
	}
}

/* ---- all of it ---- */

void world_pass(struct world *world, int64_t ns) {
	pass(world->loop, ns);
}

void world_step(struct world *world, int64_t ns) {
	int64_t *realtime = &world->loop->now.ns[TIMER_CLOCK_REALTIME];

	*realtime = MAX(MIN(*realtime + ns, TIME_NS_MAX), 0);
	scheduler_advance(world->scheduler, &world->loop->now, true);
}

void world_turn(struct world *world) {
	int64_t boottime = world->loop->now.ns[TIMER_CLOCK_BOOTTIME];

	scheduler_advance(world->scheduler, &world->loop->now, false);
	(void)scheduler_dispatch(world->scheduler);
	if (sessions_next(&world->sessions) <= boottime)
		sessions_tick(&world->sessions, boottime);
	(void)sessions_flush(&world->sessions);
	look_at_ios(world->loop);
	(void)loop_refresh(world->loop);
	poller_dispatch(world->loop->poller);
}

void world_init(struct world *world) {
	log_open(LOG_CRIT);
	*world = (struct world){ .starter = { .start = start, .kill = kill_process, .abandon = abandon } };
	world->loop = calloc(1, sizeof(*world->loop));
	assert(world->loop);
	LIST_INIT(&world->loop->ios);
	assert(poller_new(&world->loop->poller) == 0);
	for (unsigned clock = 0; clock < TIMER_CLOCK_MAX; clock++)
		world->loop->now.ns[clock] = BIRTH_NS * (clock + 1);
	for (unsigned i = 0; i < WORLD_PEERS; i++)
		world->peers[i].fd = -1;
	open_all(world);
	assert(scheduler_new(&world->scheduler, &world->loop->now, &world->starter) == 0);
	world->path_watcher = (struct path_watcher){ .add = add_path, .remove = remove_path };
	scheduler_set_path_watcher(world->scheduler, &world->path_watcher);
	world->loop->scheduler = world->scheduler;
	quota_init(&world->quota, false);
	/* Low ones, so that they are met. */
	assert(!quota_set(&world->quota, "timers=100") && !quota_set(&world->quota, "sessions=3") &&
	       !quota_set(&world->quota, "command-bytes=10000") && !quota_set(&world->quota, "jobs=4") &&
	       !quota_set(&world->quota, "descriptors=20") && !quota_set(&world->quota, "subscriptions=20") &&
	       !quota_set(&world->quota, "claims=20"));
	scheduler_set_message_limits(world->scheduler, 5000, SIZE_MAX);
	scheduler_set_job_limit(world->scheduler, 4);
	assert(rpc_init(&world->rpc, world->loop, world->scheduler, &world->quota, true) == 0);
	assert(sessions_init(&world->sessions, world->loop, world->scheduler, &world->quota, &rpc_session_ops,
			     &world->rpc) == 0);
	world->sessions.kept.keeper = &keeper;
	packet_init(&world->in, malloc(PACKET_SIZE_MAX), PACKET_SIZE_MAX);
	assert(world->in.data && arena_init(&world->arena) == 0);
}

void world_deinit(struct world *world) {
	for (unsigned i = 0; i < WORLD_PEERS; i++)
		world_disconnect(world, i);
	for (size_t i = 0; i < WORLD_FDS; i++)
		close_fd(world->fds[i]);
	sessions_deinit(&world->sessions);
	rpc_deinit(&world->rpc);
	assert(LIST_EMPTY(&world->quota.accounts));
	world->scheduler = scheduler_free(world->scheduler);
	for (unsigned i = 0; i < WORLD_RUNS; i++)
		assert(!world->runs[i]);
	for (unsigned i = 0; i < WORLD_PATHS; i++)
		assert(!world->paths[i]);
	assert(LIST_EMPTY(&world->loop->ios));
	poller_free(world->loop->poller);
	free(world->loop);
	free(world->in.data);
	arena_deinit(&world->arena);
}
