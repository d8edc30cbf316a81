/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attacks with descriptors that are to be watched: such that are always ready, hang, linger, or are the session itself. */

#undef NDEBUG

#include <arpa/inet.h>
#include <assert.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/hostile/fuse-server.h"
#include "tests/hostile/rig.h"

#define LINGERING 200
#define LINGERING_P99_NS (5 * MS)
#define ALWAYS_READY 1000
#define UNCLOSED_MAX 64 /* of a uid, before it is not read any more: daemon/peer/session.c */

/* Put a request to watch into the packet; the descriptor is borrowed until it is sent. */
static void put_watch(struct peer *peer, enum frame_kind kind, uint64_t handle, int fd) {
	Evloop__WatchFdRequest request = EVLOOP__WATCH_FD_REQUEST__INIT;

	request.handle = handle;
	request.events = EVLOOP__READINESS__READINESS_READABLE;
	if (peer->out.n_fds == PACKET_FDS_MAX)
		peer_flush(peer);
	assert(packet_put(&peer->out, kind, EVLOOP__METHOD__METHOD_WATCH_FD, ++peer->serial, &request.base, &fd, 1) ==
	       0);
}

/* Return: what became of that; OK: it is watched. */
static Evloop__Status watch(struct peer *peer, uint64_t handle, int fd) {
	const Evloop__Error *error;
	struct frame frame;
	uint64_t serial;

	put_watch(peer, FRAME_REQUEST, handle, fd);
	serial = peer->serial;
	peer_flush(peer);
	while (peer_next(peer, &frame, ANSWER_TIMEOUT_MS)) {
		if (frame.serial != serial || frame.kind == FRAME_EVENT)
			continue;
		if (frame.kind == FRAME_REPLY)
			return EVLOOP__STATUS__STATUS_OK;
		error = peer_unpack(peer, &evloop__error__descriptor, &frame);
		return error ? error->status : EVLOOP__STATUS__STATUS_INTERNAL;
	}
	return EVLOOP__STATUS__STATUS_INTERNAL;
}

/* Is something said within so many ms? */
static bool answers(struct peer *peer, int timeout_ms) {
	struct frame frame;
	uint64_t serial;

	peer_put(peer, FRAME_REQUEST, EVLOOP__METHOD__METHOD_PING, NULL);
	serial = peer->serial;
	peer_flush(peer);
	while (peer_next(peer, &frame, timeout_ms))
		if (frame.kind == FRAME_REPLY && frame.serial == serial)
			return true;
	return false;
}

/* ---- the session's own socket ---- */

static void own_socket(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig), *other = peer_open(rig);

	CHECK(rig, watch(peer, 1, peer->fd) == EVLOOP__STATUS__STATUS_INVALID);
	CHECK(rig, watch(peer, 2, other->fd) == EVLOOP__STATUS__STATUS_INVALID);
	CHECK(rig, answers(peer, ANSWER_TIMEOUT_MS));
	peer_close(other);
	peer_close(peer);
	snprintf(got, size, "INVALID, and the session ends as any other");
}

/* ---- as many as a packet takes, and one more ---- */

/* So many watches in one packet, which our own packets do not take.  Return: whether it was sent. */
static bool send_many(struct peer *peer, unsigned n, int fd) {
	Evloop__WatchFdRequest request = EVLOOP__WATCH_FD_REQUEST__INIT;
	uint8_t data[4096];
	int fds[64];
	size_t size = 0;

	request.events = EVLOOP__READINESS__READINESS_READABLE;
	for (unsigned i = 0; i < n; i++) {
		struct frame frame = {
			.method = EVLOOP__METHOD__METHOD_WATCH_FD, .kind = FRAME_ONEWAY, .n_fds = 1, .serial = i
		};

		request.handle = 100 + i;
		frame.body_size = protobuf_c_message_pack(&request.base, data + size + FRAME_HEADER_SIZE);
		frame_encode(data + size, &frame);
		size += FRAME_HEADER_SIZE + frame.body_size;
		fds[i] = fd;
	}
	return peer_send(peer, data, size, fds, n);
}

static void counts(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	int fd = eventfd(1, EFD_CLOEXEC);
	struct frame frame;
	unsigned n = 0;

	for (uint64_t handle = 1; handle <= PACKET_FDS_MAX; handle++)
		put_watch(peer, FRAME_ONEWAY, handle, fd);
	peer_flush(peer);
	while (n < PACKET_FDS_MAX && peer_next(peer, &frame, ANSWER_TIMEOUT_MS))
		n += frame.method == EVLOOP__METHOD__METHOD_EVENT;
	CHECK(rig, n == PACKET_FDS_MAX);
	CHECK(rig, send_many(peer, PACKET_FDS_MAX + 1, fd));
	CHECK(rig, strcmp(peer_fate(peer, NULL), "FD_LOST, closed") == 0);
	peer_close(peer);
	close_fd(fd);
	snprintf(got, size, "16 are watched; with 17 FD_LOST, closed");
}

/* ---- always ready ---- */

/* Each its own, for the kernel does not let one be watched so often. */
static void watch_ready(struct peer *peer) {
	for (uint64_t handle = 1; handle <= ALWAYS_READY; handle++) {
		int fd = eventfd(1, EFD_CLOEXEC);

		put_watch(peer, FRAME_ONEWAY, handle, fd);
		peer_flush(peer);
		close_fd(fd);
	}
}

/* Many that are ready for ever, and nobody acknowledges: one event each, and then silence. */
static void always_ready(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	Evloop__AckRequest request = EVLOOP__ACK_REQUEST__INIT;
	uint64_t handles[ALWAYS_READY];
	struct frame frame;
	unsigned n = 0;

	for (size_t i = 0; i < ALWAYS_READY; i++)
		handles[i] = i + 1;
	request.handles = handles;
	request.n_handles = ALWAYS_READY;
	watch_ready(peer);
	for (unsigned round = 1; round <= 3; round++) {
		while (n < round * ALWAYS_READY && peer_next(peer, &frame, ANSWER_TIMEOUT_MS))
			n += frame.method == EVLOOP__METHOD__METHOD_EVENT;
		CHECK(rig, n == round * ALWAYS_READY);
		CHECK(rig, !peer_next(peer, &frame, 50));
		peer_put(peer, FRAME_ONEWAY, EVLOOP__METHOD__METHOD_ACK, &request);
		peer_flush(peer);
	}
	peer_close(peer);
	snprintf(got, size, "%u events for %u acknowledgements", n, 2 * ALWAYS_READY);
}

/* The same without a victim: nothing at all is done. */
static void idle(struct rig *main_rig, char *got, size_t size) {
	struct frame frame;
	struct peer *peer;
	struct rig rig;
	int64_t cpu;
	unsigned n = 0;

	rig_start(&rig, NULL);
	peer = peer_open(&rig);
	watch_ready(peer);
	while (n < ALWAYS_READY && peer_next(peer, &frame, ANSWER_TIMEOUT_MS))
		n += frame.method == EVLOOP__METHOD__METHOD_EVENT;
	CHECK(&rig, n == ALWAYS_READY);
	pause_ms(50);
	cpu = rig_cpu_ns(&rig);
	pause_ms(300);
	cpu = rig_cpu_ns(&rig) - cpu;
	CHECK(&rig, cpu == 0);
	peer_close(peer);
	rig_stop(&rig);
	main_rig->failures += rig.failures;
	snprintf(got, size, "%u ready, unacknowledged: %lld ns CPU in 300 ms", n, (long long)cpu);
}

/* ---- sockets that linger ---- */

/* A TCP socket that cannot get rid of its data, and lingers for a minute when it is closed; *ret_other is who does not read. */
static int lingering_socket(int *ret_other) {
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger linger = { .l_onoff = 1, .l_linger = 60 };
	_cleanup_close_ int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 2048;
	socklen_t size = sizeof(address);
	static char data[65536];

	*ret_other = -1;
	if (listener < 0 || fd < 0 || setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) < 0 ||
	    bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &size) < 0 ||
	    connect(fd, (struct sockaddr *)&address, size) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0)
		return close_fd(fd);
	*ret_other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	while (send(fd, data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
	return fd;
}

/* Somebody else must not feel it; on a machine that others use, too, the best of some tries counts. */
static int64_t best_p99(struct rig *rig) {
	int64_t best = INT64_MAX;

	for (unsigned i = 0; i < 10 && best >= LINGERING_P99_NS; i++) {
		size_t rounds = victim_rounds(rig);

		pause_ms(200);
		best = MIN(best, victim_delay(rig, rounds, NULL));
	}
	return best;
}

static void lingering(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	int others[LINGERING];
	unsigned before = rig_descriptors(rig);
	int64_t p99 = 0;

	for (size_t i = 0; i < LINGERING; i++) {
		int fd = lingering_socket(&others[i]);

		CHECK(rig, fd >= 0 && watch(peer, i + 1, fd) == EVLOOP__STATUS__STATUS_OK);
		close_fd(fd);
	}
	CHECK(rig, rig_descriptors(rig) == before + LINGERING);
	/* All of them at once: the first of them keeps whoever closes it for a minute. */
	peer_close(peer);
	if (rig->victim_uid != 0) {
		p99 = best_p99(rig);
		CHECK(rig, p99 < LINGERING_P99_NS);
	}
	CHECK(rig, rig_descriptors(rig) > before);
	for (size_t i = 0; i < LINGERING; i++)
		close_fd(others[i]);
	snprintf(got, size, "200 closed elsewhere, the other uid's p99 %.2f ms", (double)p99 / 1e6);
}

/* ---- a file whose server hangs ---- */

/* Does the daemon end, when it is told to, while somebody still closes for it? */
static bool ends_in_time(const struct rig *rig) {
	(void)kill(rig->daemon, SIGTERM);
	for (unsigned i = 0; i < 300; i++) {
		if (!rig_is_alive(rig))
			return true;
		pause_ms(10);
	}
	return false;
}

static void send_hanging(struct rig *rig, struct peer *peer, int hanging) {
	int fds[2];
	uint64_t handle = 1;
	struct frame frame;
	int n = 0;

	/* Refused for what it is, which nobody has asked the server. */
	CHECK(rig, watch(peer, handle++, hanging) == EVLOOP__STATUS__STATUS_INVALID);
	/* Whose it is goes on working, though that is not closed. */
	assert(pipe2(fds, O_CLOEXEC) == 0);
	CHECK(rig, watch(peer, handle++, fds[0]) == EVLOOP__STATUS__STATUS_OK);
	CHECK(rig, write(fds[1], "x", 1) == 1);
	CHECK(rig, peer_next(peer, &frame, ANSWER_TIMEOUT_MS) && frame.method == EVLOOP__METHOD__METHOD_EVENT);
	while (++n < UNCLOSED_MAX)
		CHECK(rig, watch(peer, handle++, hanging) == EVLOOP__STATUS__STATUS_INVALID);
	CHECK(rig, answers(peer, ANSWER_TIMEOUT_MS));
	/* Enough is enough. */
	(void)watch(peer, handle++, hanging);
	CHECK(rig, !answers(peer, 300));
	close_fd(fds[0]);
	close_fd(fds[1]);
}

/* A process of its own has the file: whoever has it hangs when he ends, or runs another program.  Return: its pid. */
static pid_t attack_with_hanging(struct rig *rig, const struct fuse_server *server) {
	int fds[2], hanging;
	unsigned failures;
	struct peer *peer;
	pid_t pid;

	assert(pipe2(fds, O_CLOEXEC) == 0);
	fflush(stdout);
	pid = fork();
	assert(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		peer = peer_open(rig);
		hanging = fuse_server_open(server);
		CHECK(rig, hanging >= 0);
		send_hanging(rig, peer, hanging);
		(void)!write(fds[1], &rig->failures, sizeof(rig->failures));
		for (;;)
			(void)pause();
	}
	CHECK(rig, read(fds[0], &failures, sizeof(failures)) == sizeof(failures));
	rig->failures += failures;
	close_fd(fds[0]);
	close_fd(fds[1]);
	return pid;
}

static void hung_file(struct rig *main_rig, char *got, size_t size) {
	struct fuse_server server;
	const char *reason = fuse_server_start(&server);
	struct peer *peer;
	struct rig rig;
	pid_t attacker;

	if (reason) {
		snprintf(got, size, "skipped: %s", reason);
		return;
	}
	rig_start(&rig, NULL);
	peer = peer_open(&rig);
	attacker = attack_with_hanging(&rig, &server);
	CHECK(&rig, ends_in_time(&rig));
	/* Neither its sessions nor its socket nor its lock are held by who still closes. */
	CHECK(&rig, !answers(peer, 1000) && peer->ended);
	peer_close(peer);
	CHECK(&rig, daemon_forget(rig.fixture) == 0 && daemon_again(rig.fixture) == 0);
	rig.daemon = daemon_pid(rig.fixture);
	peer = peer_open(&rig);
	CHECK(&rig, peer && answers(peer, ANSWER_TIMEOUT_MS));
	peer_close(peer);
	fuse_server_stop(&server);
	(void)kill(attacker, SIGKILL);
	(void)waitpid(attacker, NULL, 0);
	rig_stop(&rig);
	main_rig->failures += rig.failures;
	snprintf(got, size, "INVALID; it waits for itself, and the daemon ends");
}

/* ---- too many ---- */

static const char *const too_many_options[] = { "--limit", "descriptors=20", NULL };

static void too_many(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	int fd = eventfd(0, EFD_CLOEXEC);
	unsigned refused = 0;

	for (uint64_t handle = 1; handle <= 20; handle++)
		CHECK(rig, watch(peer, handle, fd) == EVLOOP__STATUS__STATUS_OK);
	for (uint64_t handle = 21; handle <= 500; handle++)
		refused += watch(peer, handle, fd) == EVLOOP__STATUS__STATUS_QUOTA;
	CHECK(rig, refused == 480);
	peer_close(peer);
	close_fd(fd);
	snprintf(got, size, "%u times QUOTA", refused);
}

const struct attack attacks_by_watches[] = {
	{ .name = "own socket watched", .run = own_socket },
	{ .name = "watch counts", .run = counts },
	{ .name = "always ready", .run = always_ready },
	{ .name = "always ready, alone", .run = idle, .own_daemon = true },
	{ .name = "lingering watches", .run = lingering, .own_uid_waits = true },
	{ .name = "hung file server", .run = hung_file, .own_daemon = true },
	{ .name = "too many watches", .run = too_many, .options = too_many_options },
	{ 0 },
};
