/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attacks with descriptors: more than may be, fewer than claimed, none left to open, and such that nobody wants to close. */

#undef NDEBUG

#include <arpa/inet.h>
#include <assert.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/hostile/rig.h"

#define FDS_MAX 253 /* that the kernel lets through in one message */

/* A ping that claims so many descriptors, with so many. */
static bool send_claiming(struct peer *peer, unsigned claimed, const int *fds, size_t n) {
	uint8_t data[FRAME_HEADER_SIZE];

	frame_encode(data, &(struct frame){ .method = EVLOOP__METHOD__METHOD_PING,
					    .kind = FRAME_REQUEST,
					    .n_fds = (uint8_t)claimed,
					    .serial = 5 });
	return peer_send(peer, data, sizeof(data), fds, n);
}

static void counts(struct rig *rig, char *got, size_t size) {
	static const struct {
		unsigned claimed, sent;
		const char *fate;
		Evloop__Status error;
	} table[] = {
		{ 1, 1, "alive", EVLOOP__STATUS__STATUS_INVALID },
		{ 16, 16, "alive", EVLOOP__STATUS__STATUS_INVALID },
		{ 0, 1, "PROTOCOL, closed", 0 },
		{ 0, 16, "PROTOCOL, closed", 0 },
		{ 1, 0, "PROTOCOL, closed", 0 },
		{ 255, 0, "PROTOCOL, closed", 0 },
		{ 2, 1, "PROTOCOL, closed", 0 },
		{ 1, 2, "PROTOCOL, closed", 0 },
		{ 17, 17, "FD_LOST, closed", 0 },
		{ 253, 253, "FD_LOST, closed", 0 },
		{ 0, 253, "FD_LOST, closed", 0 },
	};
	int fds[FDS_MAX], null = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert(null >= 0);
	for (size_t i = 0; i < FDS_MAX; i++)
		fds[i] = null;
	for (unsigned round = 0; round < 20; round++)
		for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
			struct peer *peer = peer_open(rig);
			Evloop__Status error;
			const char *fate;

			CHECK(rig, send_claiming(peer, table[i].claimed, fds, table[i].sent));
			fate = peer_fate(peer, &error);
			if (strcmp(fate, table[i].fate) != 0 || (table[i].error && error != table[i].error))
				rig_complain(rig, "%u of %u descriptors: %s, %s", table[i].sent, table[i].claimed, fate,
					     status_name(error));
			peer_close(peer);
		}
	close_fd(null);
	snprintf(got, size, "INVALID; not as claimed: PROTOCOL; > 16: FD_LOST");
}

/* What the daemon closes elsewhere takes a moment.  Return: it has as many descriptors as before, or fewer. */
static bool gets_rid(const struct rig *rig, unsigned before) {
	for (unsigned i = 0; i < 500 && rig_descriptors(rig) > before; i++)
		pause_ms(10);
	return rig_descriptors(rig) <= before;
}

/* The same session again and again: nothing may stay open. */
static void flood(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	unsigned before = rig_descriptors(rig);
	int fds[PACKET_FDS_MAX];

	for (size_t i = 0; i < PACKET_FDS_MAX; i++)
		fds[i] = peer->fd; /* its own end: a session that holds itself */
	for (unsigned i = 0; i < 2000; i++) {
		CHECK(rig, send_claiming(peer, PACKET_FDS_MAX, fds, PACKET_FDS_MAX));
		if (strcmp(peer_fate(peer, NULL), "alive") != 0) {
			rig_complain(rig, "the session ended");
			break;
		}
	}
	CHECK(rig, gets_rid(rig, before));
	snprintf(got, size, "2,000 times INVALID, 32,000 descriptors closed");
	peer_close(peer);
}

/* Its own end of the session inside of a socket that is passed: the session must end all the same. */
static void hidden_end(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	int pair[2];
	struct iovec iov = { .iov_base = (void *)"x", .iov_len = 1 };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = {
			      .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};

	assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	memcpy(CMSG_DATA(&control.header), &peer->fd, sizeof(int));
	assert(sendmsg(pair[0], &msg, 0) == 1);
	CHECK(rig, send_claiming(peer, 1, &pair[1], 1));
	CHECK(rig, strcmp(peer_fate(peer, NULL), "alive") == 0);
	close_fd(pair[0]);
	close_fd(pair[1]);
	peer_close(peer);
	snprintf(got, size, "closed, and the session with it");
}

/* A TCP socket that cannot get rid of its data, and lingers when it is closed. */
static int lingering_socket(int *ret_other) {
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger linger = { .l_onoff = 1, .l_linger = 5 };
	_cleanup_close_ int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(address);
	static char data[65536];
	int fd, small = 2048;

	*ret_other = -1;
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) < 0 ||
	    bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &size) < 0)
		return -1;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, size) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0)
		return close_fd(fd);
	*ret_other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	while (send(fd, data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
	return fd;
}

/* Descriptors that take long to close, sent in each of the ways in which the daemon gets rid of them. */
static const struct way {
	const char *fate;
	unsigned claimed, sent; /* the last one is the slow one */
	bool unread; /* behind a packet that ends the session, so that nobody receives them */
} ways[] = {
	{ "alive", 1, 1, false },
	{ "PROTOCOL, closed", 0, 1, false },
	{ "FD_LOST, closed", 20, 20, false },
	{ "PROTOCOL, closed", 1, 1, true },
};

/* Return: false: there is no TCP here.  As long as *ret_other is open, whoever closes waits. */
static bool send_slow(struct rig *rig, const struct way *way, int *ret_other) {
	struct peer *peer = peer_open(rig);
	int fds[20], slow = lingering_socket(ret_other);
	const char *fate;

	if (slow < 0) {
		peer_close(peer);
		return false;
	}
	for (unsigned i = 0; i < way->sent; i++)
		fds[i] = i == way->sent - 1 ? slow : peer->fd;
	/* The daemon must not receive them before they are closed here: then it is the last who has them. */
	assert(kill(rig->daemon, SIGSTOP) == 0);
	if (way->unread)
		CHECK(rig, peer_send(peer, "garbage", 7, NULL, 0));
	CHECK(rig, send_claiming(peer, way->claimed, fds, way->sent));
	close_fd(slow);
	assert(kill(rig->daemon, SIGCONT) == 0);
	fate = peer_fate(peer, NULL);
	if (strcmp(fate, way->fate) != 0)
		rig_complain(rig, "%s in place of %s", fate, way->fate);
	peer_close(peer);
	return true;
}

/* Whoever closes such a one waits; it must not be the daemon, nor, for so few of them, anybody else. */
static void lingering(struct rig *rig, char *got, size_t size) {
	size_t rounds = victim_rounds(rig), n = 0;
	int others[ARRAY_SIZE(ways)];
	int64_t worst;

	while (n < ARRAY_SIZE(ways) && send_slow(rig, &ways[n], &others[n]))
		n++;
	(void)victim_delay(rig, rounds, &worst);
	CHECK(rig, worst < NSEC_PER_SEC / 2);
	snprintf(got, size, n > 0 ? "INVALID, PROTOCOL or FD_LOST" : "skipped: no TCP here");
	while (n > 0)
		close_fd(others[--n]);
}

/* A daemon that may open only a few: who loses his descriptors hears of it, who wants to connect waits, and nobody spins. */
static void none_left(struct rig *main_rig, char *got, size_t size) {
	struct peer *peers[64] = { NULL }, *victim, *attacker;
	int fds[PACKET_FDS_MAX];
	int64_t cpu;
	size_t n = 0;
	const char *fate;
	struct rig rig;

	rig_start(&rig, NULL);
	victim = peer_open(&rig);
	attacker = peer_open(&rig);
	rig_limit_descriptors(&rig, rig_descriptors(&rig) + 4);
	for (size_t i = 0; i < PACKET_FDS_MAX; i++)
		fds[i] = victim->fd;
	CHECK(&rig, send_claiming(attacker, PACKET_FDS_MAX, fds, PACKET_FDS_MAX));
	fate = peer_fate(attacker, NULL);
	CHECK(&rig, strcmp(fate, "FD_LOST, closed") == 0);
	snprintf(got, size, "%s; ", fate);
	peer_close(attacker);

	/* Connecting is answered by the kernel; the hello is not, once the daemon can accept no more. */
	while (n < ARRAY_SIZE(peers) && (peers[n] = peer_connect(&rig)))
		n++;
	pause_ms(100);
	cpu = rig_cpu_ns(&rig);
	pause_ms(300);
	cpu = rig_cpu_ns(&rig) - cpu;
	CHECK(&rig, cpu < 100 * MS);
	CHECK(&rig, peer_call(victim, EVLOOP__METHOD__METHOD_PING, NULL));
	while (n > 0)
		peer_close(peers[--n]);
	attacker = peer_open(&rig);
	CHECK(&rig, attacker);
	peer_close(attacker);
	peer_close(victim);
	rig_stop(&rig);
	main_rig->failures += rig.failures;
	snprintf(got + strlen(got), size - strlen(got), "accepting waits, %.1f ms of CPU", (double)cpu / 1e6);
}

/* Define a limiter of one rate.  Return: it is there. */
static bool define(struct peer *peer, const char *name) {
	Evloop__LimiterSpec spec = EVLOOP__LIMITER_SPEC__INIT;
	Evloop__LimiterRule rule = EVLOOP__LIMITER_RULE__INIT, *rules = &rule;

	rule.tokens = 10;
	rule.period_ns = 3600 * NSEC_PER_SEC;
	rule.burst = 10;
	spec.name = (char *)name;
	spec.rules = &rules;
	spec.n_rules = 1;
	return peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_SET, &spec);
}

static void forget(struct peer *peer, const char *name) {
	Evloop__LimiterRemoveRequest request = EVLOOP__LIMITER_REMOVE_REQUEST__INIT;

	request.name = (char *)name;
	(void)peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_REMOVE, &request);
}

/* Return: how much is left; UINT64_MAX: no answer. */
static uint64_t remaining(struct peer *peer, const char *name) {
	Evloop__LimiterRequest request = EVLOOP__LIMITER_REQUEST__INIT;
	const Evloop__Grant *grant;

	request.name = (char *)name;
	grant = peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_PEEK, &request);
	return grant ? grant->remaining : UINT64_MAX;
}

/* Get the pages of that limiter.  Return: two descriptors came. */
static bool share(struct peer *peer, const char *name, int fds[2]) {
	Evloop__LimiterShareRequest request = EVLOOP__LIMITER_SHARE_REQUEST__INIT;
	const Evloop__LimiterShareReply *reply;

	request.name = (char *)name;
	reply = peer_call(peer, EVLOOP__METHOD__METHOD_LIMITER_SHARE, &request);
	if (!reply || !reply->shared || peer->in.n_fds != 2)
		return false;
	fds[0] = TAKE_FD(peer->in.fds[0]);
	fds[1] = TAKE_FD(peer->in.fds[1]);
	return true;
}

/* Pages that are shared: they keep their size, the configuration cannot be written, and who scribbles on the state harms nobody else. */
static void shared_pages(struct rig *rig, char *got, size_t size) {
	struct peer *peer = peer_open(rig);
	uint64_t seed = 4711;
	int fds[2] = { -1, -1 };
	uint64_t *state;

	CHECK(rig, define(peer, "mine") && define(peer, "other") && remaining(peer, "other") == 10);
	CHECK(rig, share(peer, "mine", fds));
	for (unsigned i = 0; i < 2; i++) {
		CHECK(rig, ftruncate(fds[i], 0) < 0 && ftruncate(fds[i], 1 << 20) < 0);
		CHECK(rig, fcntl(fds[i], F_ADD_SEALS, F_SEAL_WRITE) < 0);
	}
	CHECK(rig, mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0) == MAP_FAILED && errno == EACCES);
	state = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);
	CHECK(rig, state != MAP_FAILED);
	for (unsigned round = 0; round < 1000 && state != MAP_FAILED; round++) {
		for (unsigned i = 0; i < 512; i++)
			state[i] = walk(&seed) << (round % 64);
		CHECK(rig, remaining(peer, "mine") <= 10);
	}
	/* Pages that are gone read as zero. */
	CHECK(rig, fallocate(fds[1], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0);
	CHECK(rig, remaining(peer, "mine") <= 10);
	CHECK(rig, remaining(peer, "other") == 10);
	CHECK(rig, !share(peer, "mine", fds));
	forget(peer, "mine");
	forget(peer, "other");
	snprintf(got, size, "sealed; spoilt once, then not shared any more");
	(void)munmap(state, 4096);
	close_fd(fds[0]);
	close_fd(fds[1]);
	peer_close(peer);
}

/* What another uid can do with pages that this one has: look at none of them, and write none that it was shown.  Runs in a process of its own. */
static bool stranger_fails(const struct rig *rig, const int fds[2]) {
	char path[64];

	if (setresgid(VICTIM_UID, VICTIM_UID, VICTIM_UID) < 0 || setresuid(VICTIM_UID, VICTIM_UID, VICTIM_UID) < 0 ||
	    prctl(PR_SET_DUMPABLE, 1) < 0)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[i]);
		if (open(path, O_RDWR | O_CLOEXEC) >= 0 || errno != EACCES)
			return false;
	}
	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0) != MAP_FAILED)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/fd", rig->daemon);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0 && errno == EACCES;
}

/* A limiter that all may take from, owned by root. */
static bool configure(const char *directory) {
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/limits.d", directory);
	if (mkdir(path, 0755) < 0)
		return false;
	snprintf(path, sizeof(path), "%s/limits.d/common.limit", directory);
	file = fopen(path, "we");
	return file && fputs("[Limiter]\nRate=10/h\nBurst=10\nMode=0666\n", file) >= 0 && fclose(file) == 0;
}

static void unconfigure(const char *directory) {
	char path[128];

	snprintf(path, sizeof(path), "%s/limits.d/common.limit", directory);
	(void)unlink(path);
	snprintf(path, sizeof(path), "%s/limits.d", directory);
	(void)rmdir(path);
	(void)rmdir(directory);
}

/* Pages of one uid and another uid: they are not given to it, not even where it may take from the limiter, and what it gets hold of it
 * cannot write. */
static void pages_of_others(struct rig *main_rig, char *got, size_t size) {
	char directory[] = "/tmp/test-hostile-XXXXXX";
	struct peer *owner, *stranger;
	int fds[2] = { -1, -1 }, none[2], status = -1;
	struct rig rig;
	pid_t pid;

	if (main_rig->victim_uid == 0) {
		snprintf(got, size, "not tried: only root can be others");
		return;
	}
	CHECK(main_rig, mkdtemp(directory) && configure(directory));
	rig_start(&rig, (const char *const[]){ "--config-dir", directory, NULL });
	owner = peer_open(&rig);
	CHECK(&rig, seteuid(VICTIM_UID) == 0);
	stranger = peer_open(&rig);
	CHECK(&rig, seteuid(0) == 0);
	CHECK(&rig, define(owner, "mine") && share(owner, "mine", fds));
	CHECK(&rig, !share(stranger, "mine", none) && stranger->error == EVLOOP__STATUS__STATUS_NOT_FOUND);
	CHECK(&rig, remaining(stranger, "common") == 10);
	CHECK(&rig, !share(stranger, "common", none) && stranger->error == EVLOOP__STATUS__STATUS_OK);
	pid = fork();
	if (pid == 0)
		_exit(!stranger_fails(&rig, fds));
	CHECK(&rig, waitpid(pid, &status, 0) == pid && status == 0);
	for (unsigned i = 0; i < 2; i++)
		close_fd(fds[i]);
	/* Its owner gets it. */
	CHECK(&rig, share(owner, "common", fds));
	for (unsigned i = 0; i < 2; i++)
		close_fd(fds[i]);
	snprintf(got, size, "takes by request only");
	peer_close(stranger);
	peer_close(owner);
	rig_stop(&rig);
	unconfigure(directory);
	main_rig->failures += rig.failures;
}

const struct attack attacks_by_descriptors[] = {
	{ .name = "shared pages", .run = shared_pages },
	{ .name = "shared pages of others", .run = pages_of_others, .own_daemon = true },
	{ .name = "descriptor counts", .run = counts },
	{ .name = "descriptor flood", .run = flood },
	{ .name = "session end in flight", .run = hidden_end },
	{ .name = "lingering sockets", .run = lingering, .rest_ms = 1000 },
	{ .name = "no descriptors left", .run = none_left, .own_daemon = true },
	{ 0 },
};
