/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packets over a real socket: frames and descriptors there and back, and everything that can go wrong on the way. */

#undef NDEBUG

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "proto/evloop.pb-c.h"
#include "proto/packet.h"

struct fixture {
	int peer, ours; /* two ends of a socket */
	uint8_t out_buffer[PACKET_SIZE_MAX], in_buffer[PACKET_SIZE_MAX];
	struct packet out, in;
	unsigned n_open; /* descriptors before */
};

static unsigned count_open(void) {
	DIR *directory = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(directory);
	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

static int setup(void **state) {
	struct fixture *f = calloc(1, sizeof(*f));
	int fds[2];

	assert_non_null(f);
	f->n_open = count_open();
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	f->peer = fds[0];
	f->ours = fds[1];
	packet_init(&f->out, f->out_buffer, sizeof(f->out_buffer));
	packet_init(&f->in, f->in_buffer, sizeof(f->in_buffer));
	*state = f;
	return 0;
}

/* No test may leave a descriptor open. */
static int teardown(void **state) {
	struct fixture *f = *state;

	close_fd(f->peer);
	close_fd(f->ours);
	assert_int_equal(count_open(), f->n_open);
	free(f);
	return 0;
}

/* Raw bytes and descriptors, as a peer without manners sends them. */
static void send_raw(int fd, const void *data, size_t size, const int *fds, size_t n_fds) {
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int) * 253)];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds > 0) {
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n_fds);
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
	}
	assert_int_equal(sendmsg(fd, &msg, MSG_NOSIGNAL), size);
}

/* One frame with an empty body and so many descriptors. */
static void send_claiming(int fd, uint8_t claimed, const int *fds, size_t n_fds) {
	uint8_t bytes[FRAME_HEADER_SIZE];

	frame_encode(bytes, &(struct frame){ .method = 1, .kind = FRAME_REQUEST, .n_fds = claimed, .serial = 1 });
	send_raw(fd, bytes, sizeof(bytes), fds, n_fds);
}

static void test_there_and_back(void **state) {
	struct fixture *f = *state;
	Evloop__HandleRequest request = EVLOOP__HANDLE_REQUEST__INIT;
	struct frame frame;

	request.handle = 5;
	assert_int_equal(packet_put(&f->out, FRAME_ONEWAY, 17, 7, &request.base, NULL, 0), 0);
	assert_int_equal(packet_put(&f->out, FRAME_REQUEST, 2, 8, NULL, NULL, 0), 0);
	assert_int_equal(packet_send(f->peer, &f->out), 0);

	assert_int_equal(packet_receive(f->ours, &f->in), 0);
	assert_int_equal(packet_check(&f->in), 0);
	assert_true(packet_next(&f->in, &frame, NULL));
	assert_int_equal(frame.method, 17);
	assert_int_equal(frame.kind, FRAME_ONEWAY);
	assert_int_equal(frame.serial, 7);
	assert_int_equal(frame.body_size, 2);
	assert_memory_equal(frame.body, "\x08\x05", 2);
	assert_true(packet_next(&f->in, &frame, NULL));
	assert_int_equal(frame.method, 2);
	assert_int_equal(frame.body_size, 0);
	assert_false(packet_next(&f->in, &frame, NULL));
	assert_int_equal(packet_receive(f->ours, &f->in), PACKET_E_AGAIN);
}

/* The descriptors of each frame are its own, in order, close-on-exec; what nobody takes is closed. */
static void test_descriptors(void **state) {
	struct fixture *f = *state;
	int pipes[3][2], *fds;
	struct stat sent, received;
	struct frame frame;
	int kept;

	for (size_t i = 0; i < 3; i++)
		assert_int_equal(pipe2(pipes[i], O_CLOEXEC), 0);
	assert_int_equal(packet_put(&f->out, FRAME_REQUEST, 1, 1, NULL, &pipes[0][0], 1), 0);
	assert_int_equal(packet_put(&f->out, FRAME_REQUEST, 1, 2, NULL, NULL, 0), 0);
	assert_int_equal(packet_put(&f->out, FRAME_REQUEST, 1, 3, NULL, (int[]){ pipes[1][0], pipes[2][0] }, 2), 0);
	assert_int_equal(packet_send(f->peer, &f->out), 0);

	assert_int_equal(packet_receive(f->ours, &f->in), 0);
	assert_int_equal(f->in.n_fds, 3);
	assert_int_equal(packet_check(&f->in), 0);
	for (size_t i = 0; i < 3; i++)
		assert_true(fcntl(f->in.fds[i], F_GETFD) & FD_CLOEXEC);

	assert_true(packet_next(&f->in, &frame, &fds));
	assert_int_equal(frame.n_fds, 1);
	assert_int_equal(fstat(pipes[0][0], &sent), 0);
	assert_int_equal(fstat(fds[0], &received), 0);
	assert_int_equal(sent.st_ino, received.st_ino);
	assert_true(packet_next(&f->in, &frame, &fds));
	assert_int_equal(frame.n_fds, 0);
	assert_true(packet_next(&f->in, &frame, &fds));
	assert_int_equal(frame.n_fds, 2);
	assert_int_equal(fstat(pipes[2][0], &sent), 0);
	assert_int_equal(fstat(fds[1], &received), 0);
	assert_int_equal(sent.st_ino, received.st_ino);

	kept = TAKE_FD(fds[1]);
	packet_close_fds(&f->in);
	assert_int_equal(f->in.n_fds, 0);
	assert_int_not_equal(fcntl(kept, F_GETFD), -1);
	close_fd(kept);
	for (size_t i = 0; i < 3; i++) {
		close_fd(pipes[i][0]);
		close_fd(pipes[i][1]);
	}
}

/* As many as may be, one more, and as many as the kernel lets through. */
static void test_descriptor_counts(void **state) {
	static const struct {
		uint8_t claimed;
		size_t sent;
		int received, checked;
	} table[] = {
		{ 0, 0, 0, 0 },
		{ 1, 1, 0, 0 },
		{ 16, 16, 0, 0 },
		{ 17, 17, PACKET_E_FD_LOST, 0 },
		{ 253, 253, PACKET_E_FD_LOST, 0 },
		{ 0, 17, PACKET_E_FD_LOST, PACKET_E_MALFORMED },
		{ 0, 1, 0, PACKET_E_MALFORMED }, /* nobody claims it */
		{ 1, 0, 0, PACKET_E_MALFORMED }, /* it is not there */
		{ 15, 16, 0, PACKET_E_MALFORMED },
		{ 16, 15, 0, PACKET_E_MALFORMED },
		{ 255, 16, 0, PACKET_E_MALFORMED },
	};
	struct fixture *f = *state;
	int fds[253];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = f->peer;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		unsigned before = count_open();

		send_claiming(f->peer, table[i].claimed, fds, table[i].sent);
		assert_int_equal(packet_receive(f->ours, &f->in), table[i].received);
		assert_int_equal(f->in.size, FRAME_HEADER_SIZE);
		assert_int_equal(packet_check(&f->in), table[i].checked);
		assert_int_equal(f->in.n_fds, table[i].sent);
		packet_close_fds(&f->in);
		assert_int_equal(count_open(), before);
	}
}

/* This process may open no more, or only some of them. */
static void test_descriptors_lost(void **state) {
	struct fixture *f = *state;
	int fds[16];

	if (getenv("TEST_IN_VALGRIND"))
		skip(); /* it keeps the limit to itself */
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = f->peer;
	for (unsigned room = 0; room < 4; room++) {
		unsigned before = count_open();
		struct rlimit limit, lower;
		int lowest, r;

		send_claiming(f->peer, 16, fds, 16);
		lowest = dup(f->peer);
		assert_true(lowest >= 0);
		close_fd(lowest);
		assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
		lower = limit;
		lower.rlim_cur = (rlim_t)lowest + room;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &lower), 0);
		r = packet_receive(f->ours, &f->in);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
		assert_int_equal(r, PACKET_E_FD_LOST);
		assert_int_equal(f->in.n_fds, room);
		packet_close_fds(&f->in);
		assert_int_equal(f->in.size, FRAME_HEADER_SIZE);
		assert_int_equal(count_open(), before);
	}
}

/* Whole frames from the first byte to the last: cut anywhere else, it is refused. */
static void test_truncated(void **state) {
	struct fixture *f = *state;
	Evloop__HandleRequest request = EVLOOP__HANDLE_REQUEST__INIT;
	size_t ends[4] = { 0 };

	request.handle = 123456;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(packet_put(&f->out, FRAME_REQUEST, 17, i, &request.base, NULL, 0), 0);
		ends[i + 1] = f->out.size;
	}
	for (size_t size = 1; size <= f->out.size; size++) {
		bool whole = false;

		for (size_t i = 1; i < ARRAY_SIZE(ends); i++)
			whole = whole || size == ends[i];
		send_raw(f->peer, f->out_buffer, size, NULL, 0);
		assert_int_equal(packet_receive(f->ours, &f->in), 0);
		assert_int_equal(f->in.size, size);
		assert_int_equal(packet_check(&f->in), whole ? 0 : PACKET_E_MALFORMED);
	}
}

static void test_end(void **state) {
	struct fixture *f = *state;

	/* An empty packet ends the session, with descriptors or without. */
	send_raw(f->peer, "", 0, NULL, 0);
	assert_int_equal(packet_receive(f->ours, &f->in), PACKET_E_END);
	send_raw(f->peer, "", 0, &f->peer, 1);
	assert_int_equal(packet_receive(f->ours, &f->in), PACKET_E_END);
	assert_int_equal(f->in.n_fds, 1);
	packet_close_fds(&f->in);
	/* So does a peer that is gone, after what it had sent; and no descriptor is lost between the two. */
	send_claiming(f->peer, 0, NULL, 0);
	send_raw(f->peer, "", 0, &f->ours, 1);
	f->peer = close_fd(f->peer);
	assert_int_equal(packet_receive(f->ours, &f->in), 0);
	assert_int_equal(packet_receive(f->ours, &f->in), PACKET_E_END);
	assert_int_equal(f->in.n_fds, 1);
	packet_close_fds(&f->in);
	assert_int_equal(packet_receive(f->ours, &f->in), PACKET_E_END);
}

/* A peer that leaves without having read everything: its last packets are read all the same. */
static void test_reset(void **state) {
	struct fixture *f = *state;

	send_claiming(f->ours, 0, NULL, 0);
	send_claiming(f->peer, 0, NULL, 0);
	send_claiming(f->peer, 0, NULL, 0);
	f->peer = close_fd(f->peer);
	assert_int_equal(packet_receive(f->ours, &f->in), 0);
	assert_int_equal(packet_receive(f->ours, &f->in), 0);
	assert_int_equal(packet_receive(f->ours, &f->in), PACKET_E_END);
}

/* As large as may be, and larger. */
static void test_large(void **state) {
	struct fixture *f = *state;
	uint8_t *large = calloc(1, PACKET_SIZE_MAX + 1);
	struct frame frame = { .kind = FRAME_REQUEST, .body_size = PACKET_SIZE_MAX - FRAME_HEADER_SIZE };

	assert_non_null(large);
	frame_encode(large, &frame);
	send_raw(f->peer, large, PACKET_SIZE_MAX, NULL, 0);
	assert_int_equal(packet_receive(f->ours, &f->in), 0);
	assert_int_equal(f->in.size, PACKET_SIZE_MAX);
	assert_int_equal(packet_check(&f->in), 0);

	send_raw(f->peer, large, PACKET_SIZE_MAX + 1, NULL, 0);
	assert_int_equal(packet_receive(f->ours, &f->in), PACKET_E_TOO_LARGE);
	send_raw(f->peer, large, PACKET_SIZE_MAX + 1, &f->peer, 1);
	assert_int_equal(packet_receive(f->ours, &f->in), PACKET_E_TOO_LARGE);
	assert_int_equal(f->in.n_fds, 1);
	packet_close_fds(&f->in);

	/* The next one is not touched by it. */
	send_claiming(f->peer, 0, NULL, 0);
	assert_int_equal(packet_receive(f->ours, &f->in), 0);
	assert_int_equal(f->in.size, FRAME_HEADER_SIZE);
	free(large);
}

/* A packet that is full stays as it was. */
static void test_put(void **state) {
	struct fixture *f = *state;
	Evloop__LogReply reply = EVLOOP__LOG_REPLY__INIT;
	uint8_t *data = calloc(1, PACKET_SIZE_MAX);
	int fds[PACKET_FDS_MAX + 1] = { 0 };
	struct packet small;
	size_t size;

	assert_non_null(data);
	reply.data.data = data;
	reply.data.len = PACKET_SIZE_MAX;
	assert_int_equal(packet_put(&f->out, FRAME_REPLY, 39, 1, &reply.base, NULL, 0), PACKET_E_TOO_LARGE);
	/* One byte of tag and three of length. */
	reply.data.len = PACKET_SIZE_MAX - FRAME_HEADER_SIZE - 4 + 1;
	assert_int_equal(packet_put(&f->out, FRAME_REPLY, 39, 1, &reply.base, NULL, 0), PACKET_E_TOO_LARGE);
	assert_int_equal(f->out.size, 0);
	reply.data.len--;
	assert_int_equal(packet_put(&f->out, FRAME_REPLY, 39, 1, &reply.base, NULL, 0), 0);
	assert_int_equal(f->out.size, PACKET_SIZE_MAX);
	assert_int_equal(packet_put(&f->out, FRAME_REPLY, 39, 1, NULL, NULL, 0), PACKET_E_FULL);
	assert_int_equal(f->out.size, PACKET_SIZE_MAX);
	packet_clear(&f->out);

	assert_int_equal(packet_put(&f->out, FRAME_REQUEST, 1, 1, NULL, fds, PACKET_FDS_MAX + 1), PACKET_E_TOO_LARGE);
	assert_int_equal(packet_put(&f->out, FRAME_REQUEST, 1, 1, NULL, fds, PACKET_FDS_MAX - 1), 0);
	size = f->out.size;
	assert_int_equal(packet_put(&f->out, FRAME_REQUEST, 1, 1, NULL, fds, 2), PACKET_E_FULL);
	assert_int_equal(f->out.size, size);
	assert_int_equal(f->out.n_fds, PACKET_FDS_MAX - 1);
	assert_int_equal(packet_put(&f->out, FRAME_REQUEST, 1, 1, NULL, fds, 1), 0);

	packet_init(&small, data, FRAME_HEADER_SIZE + 3);
	assert_int_equal(packet_put(&small, FRAME_REQUEST, 1, 1, NULL, NULL, 0), 0);
	assert_int_equal(packet_put(&small, FRAME_REQUEST, 1, 1, NULL, NULL, 0), PACKET_E_FULL);
	packet_clear(&small);
	assert_int_equal(packet_put(&small, FRAME_REQUEST, 1, 1, NULL, NULL, 0), 0);
	free(data);
}

/* A frame that is larger than what frames share a packet up to: the next one does not fit, however the capacity was lowered. */
static void test_put_behind_large(void **state) {
	struct fixture *f = *state;
	Evloop__LogReply reply = EVLOOP__LOG_REPLY__INIT;
	uint8_t *data = calloc(1, PACKET_SIZE_MAX);

	assert_non_null(data);
	reply.data.data = data;
	reply.data.len = LOG_PAGE_MAX;
	assert_int_equal(packet_put(&f->out, FRAME_REPLY, 39, 1, &reply.base, NULL, 0), 0);
	f->out.capacity = PACKET_SIZE_PACK;
	assert_int_equal(packet_put(&f->out, FRAME_REPLY, 39, 2, NULL, NULL, 0), PACKET_E_FULL);
	assert_int_equal(packet_put(&f->out, FRAME_REPLY, 39, 2, &reply.base, NULL, 0), PACKET_E_FULL);
	free(data);
}

/* Send one packet on each descriptor that is handed over, and close it; 0 is the last. */
static void *send_and_close(void *userdata) {
	_Atomic int *hand = userdata;

	for (int fd; (fd = atomic_exchange(hand, -1)) != 0;) {
		uint8_t buffer[PACKET_SIZE_MAX];
		struct packet out;

		if (fd < 0)
			continue;
		packet_init(&out, buffer, sizeof(buffer));
		(void)packet_put(&out, FRAME_EVENT, 64, 1, NULL, NULL, 0);
		(void)packet_send(fd, &out);
		close(fd);
	}
	return NULL;
}

static bool is_over(const struct timespec *end) {
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > end->tv_sec || (now.tv_sec == end->tv_sec && now.tv_nsec >= end->tv_nsec);
}

/*
 * The last packet comes out, whatever is going on at the moment in which the peer sends it and closes.  A busy machine, where each
 * thread waits for the other to get a processor, has fewer rounds and not more time.
 */
static void test_last_packet(void **state) {
	struct fixture *f = *state;
	unsigned n = 200000, lost = 0, done;
	struct timespec end;
	_Atomic int hand = -1;
	pthread_t thread;

	/* It runs one thread at a time, so there is no race to be had. */
	if (getenv("TEST_IN_VALGRIND"))
		skip();
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += 3;
	assert_int_equal(pthread_create(&thread, NULL, send_and_close, &hand), 0);
	for (done = 0; done < n && !is_over(&end); done++) {
		int fds[2], r;

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
			break;
		atomic_store(&hand, fds[0]);
		/* Look from different moments on. */
		for (volatile unsigned wait = (done * 2654435761U >> 16) % 1000; wait > 0;)
			wait--;
		while ((r = packet_receive(fds[1], &f->in)) == PACKET_E_AGAIN)
			;
		lost += r != 0;
		close(fds[1]);
	}
	atomic_store(&hand, 0);
	pthread_join(thread, NULL);
	assert_true(done == n || is_over(&end));
	assert_int_equal(lost, 0);
}

/* A peer that does not read: nothing blocks, and what was refused can be sent later, whole. */
static void test_full_socket(void **state) {
	struct fixture *f = *state;
	unsigned sent = 0, received = 0;

	assert_int_equal(packet_put(&f->out, FRAME_EVENT, 64, 1, NULL, NULL, 0), 0);
	while (packet_send(f->ours, &f->out) == 0)
		sent++;
	assert_true(sent > 0);
	assert_int_equal(packet_send(f->ours, &f->out), PACKET_E_AGAIN);
	while (packet_receive(f->peer, &f->in) == 0) {
		assert_int_equal(f->in.size, FRAME_HEADER_SIZE);
		received++;
	}
	assert_int_equal(received, sent);
	assert_int_equal(packet_send(f->ours, &f->out), 0);
}

/* A peer that is gone: an error, and no signal. */
static void test_send_to_nobody(void **state) {
	struct fixture *f = *state;

	assert_int_equal(packet_put(&f->out, FRAME_EVENT, 64, 1, NULL, NULL, 0), 0);
	f->peer = close_fd(f->peer);
	assert_int_equal(packet_send(f->ours, &f->out), -EPIPE);
	assert_int_equal(packet_send(-1, &f->out), -EBADF);
	assert_int_equal(packet_receive(-1, &f->in), -EBADF);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_there_and_back),
		TEST(test_descriptors),
		TEST(test_descriptor_counts),
		TEST(test_descriptors_lost),
		TEST(test_truncated),
		TEST(test_end),
		TEST(test_reset),
		TEST(test_large),
		TEST(test_put),
		TEST(test_put_behind_large),
		TEST(test_last_packet),
		TEST(test_full_socket),
		TEST(test_send_to_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
