/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the socket to the journal, and what waits until that takes it.  The format is that of systemd's native journal
 * protocol, which is documented and stable; sd_journal_send(3) would wait for a journal that is busy.
 *
 * The socket is connected: one that is not can always be written to, as far as poll(2) tells, while this one can as
 * soon as there is room in the journal's queue, which may be ten entries.  Streams that wait take turns, an entry each.
 */

#include "daemon/svc/journal-private.h"

#include <endian.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/svc/log.h"

#define SEND_AT_ONCE 64 /* entries that have waited: timers and others have their turn */
#define RETRY_NS NSEC_PER_SEC /* until a journal that has gone is looked for again */
#define ALLOCATION_COST 16 /* of the allocator's own, each time */

struct journal {
	int fd;
	struct sockaddr_un address;
	bool is_connected;
	struct loop *loop; /* NULL: nothing waits */
	struct loop_io *io;
	struct journal_streams waiting; /* whoever has waited for the longest time first */
	size_t size; /* of all that waits */
	int64_t retry_ns; /* INT64_MAX: never */
};

static void journal_ready(void *userdata, int fd, int events);

static int open_socket(struct journal *journal) {
	journal->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (journal->fd < 0)
		return -errno;
	return journal->loop ? loop_add_io(journal->loop, &journal->io, journal->fd, 0, journal_ready, journal) : 0;
}

int journal_new(struct journal **ret, const char *socket_path, struct loop *loop) {
	struct journal *journal;
	int r;

	if (access(socket_path, W_OK) < 0)
		return -errno;
	if (strlen(socket_path) >= sizeof(journal->address.sun_path))
		return -ENAMETOOLONG;
	journal = calloc(1, sizeof(*journal));
	if (!journal)
		return -ENOMEM;
	journal->address.sun_family = AF_UNIX;
	strcpy(journal->address.sun_path, socket_path);
	journal->loop = loop;
	journal->retry_ns = INT64_MAX;
	TAILQ_INIT(&journal->waiting);
	r = open_socket(journal);
	if (r < 0) {
		journal_free(journal);
		return r;
	}
	*ret = journal;
	return 0;
}

/* ---- entries ---- */

size_t journal_begin_field(char *buffer, const char *name, size_t size) {
	uint64_t encoded = htole64(size);
	size_t n = strlen(name);

	memcpy(buffer, name, n);
	buffer[n++] = '\n';
	memcpy(buffer + n, &encoded, sizeof(encoded));
	return n + sizeof(encoded);
}

static int reconnect(struct journal *journal) {
	journal->is_connected =
		connect(journal->fd, (const struct sockaddr *)&journal->address, sizeof(journal->address)) == 0;
	return journal->is_connected ? 0 : -errno;
}

/* Return: 0, -ENOTCONN: nobody listens any more, −errno. */
static int try_to_send(struct journal *journal, const struct msghdr *message) {
	if (sendmsg(journal->fd, message, MSG_NOSIGNAL) >= 0)
		return 0;
	return errno == ECONNREFUSED ? -ENOTCONN : -errno;
}

/* Another journal may listen now where the one that we were connected to has gone, and that may be gone again. */
static int send_message(struct journal *journal, const struct msghdr *message) {
	int r = journal->is_connected ? try_to_send(journal, message) : -ENOTCONN;

	if (r != -ENOTCONN || reconnect(journal) < 0)
		return r;
	return try_to_send(journal, message);
}

/* Return: 0: the journal has it; -EAGAIN: it is busy; -ENOTCONN: there is none now;
 * else −errno: it will never take this. */
static int transmit(struct journal *journal, const char *fields, size_t fields_size, const char *data, size_t size) {
	char head[sizeof("MESSAGE\n") + sizeof(uint64_t)], newline = '\n';
	struct iovec iov[] = {
		{ .iov_base = (void *)fields, .iov_len = fields_size },
		{ .iov_base = head, .iov_len = journal_begin_field(head, "MESSAGE", size) },
		{ .iov_base = (void *)data, .iov_len = size },
		{ .iov_base = &newline, .iov_len = 1 },
	};

	return send_message(journal, &(struct msghdr){ .msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov) });
}

bool journal_send(struct journal *journal, const char *fields, size_t fields_size, const char *data, size_t size) {
	return transmit(journal, fields, fields_size, data, size) == 0;
}

/* ---- what waits ---- */

static size_t entry_cost(size_t size) {
	return sizeof(struct journal_entry) + size + ALLOCATION_COST;
}

static unsigned long count_lines(const char *data, size_t size) {
	unsigned long n = 1;

	for (const char *end = data + size; (data = memchr(data, '\n', (size_t)(end - data))); data++)
		n++;
	return n;
}

static bool must_wait(int r) {
	return r == -EAGAIN || r == -ENOTCONN;
}

/* To be called back when it can take more, or to look for it in a while. */
static void await(struct journal *journal, int r) {
	bool is_away = r == -ENOTCONN;

	if (loop_io_set(journal->io, TAILQ_EMPTY(&journal->waiting) || is_away ? 0 : LOOP_WRITE) < 0)
		is_away = true;
	journal->retry_ns = is_away ? loop_now(journal->loop)->ns[TIMER_CLOCK_BOOTTIME] + RETRY_NS : INT64_MAX;
}

/* One stream gets no more than it leaves for others.  Return: false: there is no room. */
static bool put_in_line(struct journal *journal, struct journal_stream *stream, const char *data, size_t size) {
	size_t cost = entry_cost(size) + (STAILQ_EMPTY(&stream->entries) ? sizeof(*stream) + ALLOCATION_COST : 0);
	struct journal_entry *entry;

	if (stream->waiting_size + cost > JOURNAL_WAITING_MAX - MIN(journal->size + cost, JOURNAL_WAITING_MAX))
		return false;
	entry = malloc(sizeof(*entry) + size);
	if (!entry)
		return false;
	entry->size = size;
	memcpy(entry->data, data, size);
	if (STAILQ_EMPTY(&stream->entries))
		TAILQ_INSERT_TAIL(&journal->waiting, stream, link);
	STAILQ_INSERT_TAIL(&stream->entries, entry, link);
	stream->waiting_size += cost;
	journal->size += cost;
	return true;
}

/* The first of the stream leaves the line; the stream itself may be gone afterwards. */
static void take_from_line(struct journal *journal, struct journal_stream *stream) {
	struct journal_entry *entry = STAILQ_FIRST(&stream->entries);
	size_t cost = entry_cost(entry->size);

	STAILQ_REMOVE_HEAD(&stream->entries, link);
	free(entry);
	TAILQ_REMOVE(&journal->waiting, stream, link);
	if (STAILQ_EMPTY(&stream->entries))
		cost = stream->waiting_size;
	else
		TAILQ_INSERT_TAIL(&journal->waiting, stream, link);
	stream->waiting_size -= cost;
	journal->size -= cost;
	if (stream->has_ended && STAILQ_EMPTY(&stream->entries))
		journal_stream_free(stream);
}

/* Return: as transmit(), of the last one. */
static int send_waiting(struct journal *journal) {
	struct journal_stream *stream;
	int r = 0;

	for (unsigned i = 0; i < SEND_AT_ONCE && (stream = TAILQ_FIRST(&journal->waiting)); i++) {
		struct journal_entry *entry = STAILQ_FIRST(&stream->entries);

		r = transmit(journal, stream->fields, stream->fields_size, entry->data, entry->size);
		if (must_wait(r))
			break;
		if (r < 0)
			stream->lost += count_lines(entry->data, entry->size);
		take_from_line(journal, stream);
	}
	await(journal, r);
	return r;
}

static void journal_ready(void *userdata, int fd _unused_, int events _unused_) {
	(void)send_waiting(userdata);
}

void journal_post(struct journal *journal, struct journal_stream *stream, const char *data, size_t size) {
	bool was_idle = TAILQ_EMPTY(&journal->waiting);
	int r = -EAGAIN;

	if (was_idle)
		r = transmit(journal, stream->fields, stream->fields_size, data, size);
	if (r == 0)
		return;
	if (!must_wait(r) || !put_in_line(journal, stream, data, size))
		stream->lost += count_lines(data, size);
	else if (was_idle)
		await(journal, r);
}

int64_t journal_next(const struct journal *journal) {
	return journal->retry_ns;
}

void journal_tick(struct journal *journal, int64_t boottime_ns) {
	if (journal->retry_ns <= boottime_ns)
		(void)send_waiting(journal);
}

/* ---- the end ---- */

void journal_last_words(struct journal *journal, int64_t patience_ns) {
	struct pollfd poll_fd = { .fd = journal->fd, .events = POLLOUT };
	int64_t now_ns = loop_refresh(journal->loop)->ns[TIMER_CLOCK_BOOTTIME], until_ns = now_ns + patience_ns;

	if (TAILQ_EMPTY(&journal->waiting))
		return;
	while (send_waiting(journal) != -ENOTCONN && !TAILQ_EMPTY(&journal->waiting) && now_ns < until_ns) {
		(void)poll(&poll_fd, 1, (int)((until_ns - now_ns) / NSEC_PER_MSEC) + 1);
		now_ns = loop_refresh(journal->loop)->ns[TIMER_CLOCK_BOOTTIME];
	}
}

struct journal *journal_free(struct journal *journal) {
	struct journal_stream *stream;

	if (!journal)
		return NULL;
	while ((stream = TAILQ_FIRST(&journal->waiting))) {
		struct journal_entry *entry = STAILQ_FIRST(&stream->entries);

		stream->lost += count_lines(entry->data, entry->size);
		take_from_line(journal, stream);
	}
	loop_io_remove(journal->io);
	close_fd(journal->fd);
	free(journal);
	return NULL;
}
