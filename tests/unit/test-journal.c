/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of a job's output reaches the journal, which the test plays. */

#include "tests/unit/test.h"

#include <endian.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "daemon/svc/journal.h"
#include "daemon/svc/log.h"

/* What the journal takes at a time, where it is slow, and the entries written to it then: more than any kernel's
 * queue has. */
#define TAKEN_AT_ONCE 10
#define MANY 3000

#define PATIENCE_NS (60 * NSEC_PER_SEC) /* with a journal that takes something: more than is ever needed */

struct fixture {
	struct loop *loop;
	unsigned turns; /* of the loop, until it stops */
	unsigned received; /* of the numbers written by write_numbers() */
	char directory[32], path[48];
	int fd; /* the journal's end */
	struct journal *journal;
	char *words[2];
	struct command command;
	struct run_request request;
	char entry[65536];
	char message[65536];
};

static void open_journal(struct fixture *fixture) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, fixture->path);
	fixture->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fixture->fd >= 0);
	assert_int_equal(bind(fixture->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static int setup(void **state) {
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	int r;

	assert_non_null(fixture);
	strcpy(fixture->directory, "/tmp/test-journal-XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	(void)snprintf(fixture->path, sizeof(fixture->path), "%s/socket", fixture->directory);
	open_journal(fixture);
	assert_int_equal(loop_new(&fixture->loop), 0);
	r = journal_new(&fixture->journal, fixture->path, fixture->loop);
	fixture->words[0] = (char *)"/usr/bin/tool";
	fixture->command.argv = fixture->words;
	fixture->request = (struct run_request){ .command = &fixture->command, .id = 12, .fire_seq = 34 };
	*state = r == 0 ? fixture : NULL;
	if (r == 0)
		return 0;
	assert_int_equal(r, -EOPNOTSUPP); /* built without systemd */
	loop_free(fixture->loop);
	(void)close(fixture->fd);
	(void)unlink(fixture->path);
	(void)rmdir(fixture->directory);
	free(fixture);
	return 0;
}

static int teardown(void **state) {
	struct fixture *fixture = *state;

	if (!fixture)
		return 0;
	journal_free(fixture->journal);
	loop_free(fixture->loop);
	(void)close(fixture->fd);
	(void)unlink(fixture->path);
	(void)rmdir(fixture->directory);
	free(fixture);
	return 0;
}

/* The value of a field of the entry received last, and its size; NULL: it has none of that name. */
static const char *field(const struct fixture *fixture, size_t entry_size, const char *name, size_t *ret_size) {
	const char *p = fixture->entry, *end = p + entry_size;
	size_t n = strlen(name);

	while (p < end) {
		size_t name_size = strcspn(p, "=\n");
		const char *value = p + name_size + 1;
		uint64_t size;

		if (p[name_size] == '\n') {
			memcpy(&size, value, sizeof(size));
			size = le64toh(size);
			value += sizeof(size);
		} else {
			size = (size_t)((const char *)memchr(value, '\n', (size_t)(end - value)) - value);
		}
		assert_true(value + size < end);
		assert_int_equal(value[size], '\n');
		if (name_size == n && memcmp(p, name, n) == 0) {
			*ret_size = size;
			return value;
		}
		p = value + size + 1;
	}
	return NULL;
}

static void expect_field(const struct fixture *fixture, size_t entry_size, const char *name, const char *expected) {
	size_t size;
	const char *value = field(fixture, entry_size, name, &size);

	assert_non_null(value);
	assert_int_equal(size, strlen(expected));
	assert_memory_equal(value, expected, size);
}

/* The next entry.  Return: its size. */
static size_t receive(struct fixture *fixture) {
	ssize_t n = recv(fixture->fd, fixture->entry, sizeof(fixture->entry), 0);

	assert_true(n > 0);
	return (size_t)n;
}

static void expect_message(struct fixture *fixture, const char *expected) {
	expect_field(fixture, receive(fixture), "MESSAGE", expected);
}

static void expect_nothing(const struct fixture *fixture) {
	char byte;

	assert_int_equal(recv(fixture->fd, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void write_text(struct journal_stream *stream, const char *text) {
	journal_stream_write(stream, text, strlen(text));
}

static void test_fields(void **state) {
	struct fixture *fixture = *state;
	struct journal_stream *stream;
	size_t size, ignored;

	if (!fixture)
		skip();
	stream = journal_stream_new(fixture->journal, &fixture->request);
	journal_stream_set_process(stream, 4711, "some.service");
	write_text(stream, "hello\n");
	size = receive(fixture);
	expect_field(fixture, size, "MESSAGE", "hello");
	expect_field(fixture, size, "SYSLOG_IDENTIFIER", "tool");
	expect_field(fixture, size, "SYSLOG_PID", "4711");
	expect_field(fixture, size, "PRIORITY", "6");
	expect_field(fixture, size, "EVLOOP_ID", "12");
	expect_field(fixture, size, "EVLOOP_FIRE_SEQ", "34");
	assert_null(field(fixture, size, "EVLOOP_NAME", &ignored));
	journal_stream_free(stream);
	expect_nothing(fixture);

	fixture->request.name = "backup:home";
	stream = journal_stream_new(fixture->journal, &fixture->request);
	write_text(stream, "x\n");
	size = receive(fixture);
	expect_field(fixture, size, "SYSLOG_IDENTIFIER", "backup:home");
	expect_field(fixture, size, "EVLOOP_NAME", "backup:home");
	journal_stream_free(stream);
}

/* A program's name may be anything, and must not become a field. */
static void test_identifier(void **state) {
	static const char *const rows[][2] = {
		{ "tool", "tool" },
		{ "./a/b", "b" },
		{ "dir/", "dir/" },
		{ "/x\nMESSAGE=forged\ny", "x\nMESSAGE=forged\ny" },
	};
	struct fixture *fixture = *state;
	static char large[5000];

	if (!fixture)
		skip();
	memset(large, 'x', sizeof(large) - 1);
	for (size_t i = 0; i <= ARRAY_SIZE(rows); i++) {
		const char *word = i < ARRAY_SIZE(rows) ? rows[i][0] : large;
		struct journal_stream *stream;
		size_t size;

		fixture->words[0] = (char *)word;
		stream = journal_stream_new(fixture->journal, &fixture->request);
		write_text(stream, "text\n");
		size = receive(fixture);
		expect_field(fixture, size, "MESSAGE", "text");
		if (i < ARRAY_SIZE(rows))
			expect_field(fixture, size, "SYSLOG_IDENTIFIER", rows[i][1]);
		journal_stream_free(stream);
	}
}

static void test_lines(void **state) {
	struct fixture *fixture = *state;
	struct journal_stream *stream;

	if (!fixture)
		skip();
	stream = journal_stream_new(fixture->journal, &fixture->request);
	write_text(stream, "one\ntwo\nthr");
	expect_message(fixture, "one");
	expect_message(fixture, "two");
	expect_nothing(fixture);
	write_text(stream, "e");
	expect_nothing(fixture);
	write_text(stream, "e\n\n\nfour\nfi");
	expect_message(fixture, "three");
	expect_message(fixture, "four"); /* empty ones say nothing */
	write_text(stream, "ve\n");
	expect_message(fixture, "five");
	write_text(stream, "\n");
	expect_nothing(fixture);
	write_text(stream, "no end");
	expect_nothing(fixture);
	journal_stream_free(stream);
	expect_message(fixture, "no end");
	expect_nothing(fixture);
}

/* Whatever way it is cut into pieces, what arrives is the same. */
static void test_pieces(void **state) {
	static const char text[] = "a\nbc\n\ndefghij\nk\n\nlm\n";
	static const char *const lines[] = { "a", "bc", "defghij", "k", "lm" };
	struct random random = RANDOM_INIT;
	struct fixture *fixture = *state;

	if (!fixture)
		skip();
	for (unsigned i = 0; i < 500; i++) {
		struct journal_stream *stream = journal_stream_new(fixture->journal, &fixture->request);

		for (size_t at = 0, n; at < sizeof(text) - 1; at += n) {
			n = 1 + random_below(&random, 7);
			n = MIN(n, sizeof(text) - 1 - at);
			journal_stream_write(stream, text + at, n);
		}
		journal_stream_free(stream);
		for (size_t k = 0; k < ARRAY_SIZE(lines); k++)
			expect_message(fixture, lines[k]);
		expect_nothing(fixture);
	}
}

/* A line without an end does not gather for ever, and its bytes are what they are. */
static void test_long_line(void **state) {
	struct fixture *fixture = *state;
	struct journal_stream *stream;
	const char *message;
	size_t n, sum = 0;
	char bytes[1000];

	if (!fixture)
		skip();
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i % 256 == '\n' ? 0 : i);
	stream = journal_stream_new(fixture->journal, &fixture->request);
	for (unsigned i = 0; i < 10; i++)
		journal_stream_write(stream, bytes, sizeof(bytes));
	journal_stream_free(stream);
	while (sum < 10 * sizeof(bytes)) {
		message = field(fixture, receive(fixture), "MESSAGE", &n);
		assert_true(n <= 4096);
		for (size_t i = 0; i < n; i++, sum++)
			assert_int_equal(message[i], bytes[sum % sizeof(bytes)]);
	}
	expect_nothing(fixture);
}

/* A socket may hold as few as ten packets, so what is sent is looked at here. */
static bool counting, was_full;
static unsigned n_refused; /* so many next ones find that nobody listens */
static unsigned entries, lines;

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags) {
	const struct iovec *text = &message->msg_iov[2];

	if (n_refused > 0) {
		n_refused--;
		errno = ECONNREFUSED;
		return -1;
	}
	if (!counting) {
		ssize_t n = __real_sendmsg(fd, message, flags);

		was_full = n < 0 && errno == EAGAIN;
		return n;
	}
	entries++;
	lines++;
	for (size_t i = 0; i < text->iov_len; i++)
		lines += ((const char *)text->iov_base)[i] == '\n';
	return 1;
}

/* Many short lines at once cost few calls, and none is missing. */
static void test_many_lines(void **state) {
	struct fixture *fixture = *state;
	struct journal_stream *stream;
	char text[16000];

	if (!fixture)
		skip();
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 ? '\n' : 'y';
	stream = journal_stream_new(fixture->journal, &fixture->request);
	counting = true;
	for (unsigned piece = 0; piece < 5; piece++)
		journal_stream_write(stream, text, sizeof(text));
	counting = false;
	journal_stream_free(stream);
	assert_int_equal(lines, 5 * sizeof(text) / 2);
	assert_true(entries < 5 * 100);
}

/* ---- a journal that is slow, or gone ---------------------------------------------------------------------- */

/* Lines of a number each, from `first` on, every one an entry. */
static void write_numbers(struct journal_stream *stream, unsigned first, unsigned n) {
	char text[16];

	for (unsigned i = first; i < first + n; i++) {
		(void)snprintf(text, sizeof(text), "%u\n", i);
		write_text(stream, text);
	}
}

/* Take some entries.  Return: how many; they were the next numbers. */
static unsigned take(struct fixture *fixture, unsigned at_most) {
	unsigned n = 0;

	for (; n < at_most; n++) {
		ssize_t size = recv(fixture->fd, fixture->entry, sizeof(fixture->entry), 0);
		char number[16];

		if (size < 0)
			break;
		(void)snprintf(number, sizeof(number), "%u", fixture->received++);
		expect_field(fixture, (size_t)size, "MESSAGE", number);
	}
	return n;
}

static bool take_some(void *userdata) {
	struct fixture *fixture = userdata;

	(void)take(fixture, TAKEN_AT_ONCE);
	if (fixture->received == MANY || --fixture->turns == 0)
		loop_stop(fixture->loop);
	return true;
}

static bool take_nothing(void *userdata) {
	struct fixture *fixture = userdata;

	if (--fixture->turns == 0)
		loop_stop(fixture->loop);
	return true;
}

static void run(struct fixture *fixture, bool (*flush)(void *userdata), unsigned turns) {
	const struct loop_ops ops = { .flush = flush };

	fixture->turns = turns;
	loop_set_ops(fixture->loop, &ops, fixture);
	assert_int_equal(loop_run(fixture->loop), 0);
	loop_set_ops(fixture->loop, NULL, NULL);
}

/* All of it arrives, in order, however little is taken at a time; after the end of the run, too. */
static void test_slow(void **state) {
	struct fixture *fixture = *state;
	struct journal_stream *stream;

	if (!fixture)
		skip();
	stream = journal_stream_new(fixture->journal, &fixture->request);
	write_numbers(stream, 0, MANY);
	journal_stream_free(stream);
	run(fixture, take_some, MANY);
	assert_int_equal(fixture->received, MANY);
	run(fixture, take_nothing, 10);
	expect_nothing(fixture);

	/* What it takes at once does not wait. */
	stream = journal_stream_new(fixture->journal, &fixture->request);
	write_text(stream, "at once\n");
	expect_message(fixture, "at once");
	journal_stream_free(stream);
}

/* While it takes nothing, it is not tried. */
static void test_deaf(void **state) {
	struct fixture *fixture = *state;
	struct journal_stream *stream;

	if (!fixture)
		skip();
	stream = journal_stream_new(fixture->journal, &fixture->request);
	write_numbers(stream, 0, MANY);
	run(fixture, take_nothing, 2);
	entries = 0;
	counting = true; /* and each would be taken */
	run(fixture, take_nothing, 100);
	counting = false;
	assert_int_equal(entries, 0);
	assert_true(journal_next(fixture->journal) == INT64_MAX);
	journal_stream_free(stream);
	run(fixture, take_some, MANY);
	assert_int_equal(fixture->received, MANY);
}

/* The log is read from standard error. */
struct hearing {
	int log_fd, stderr_fd;
};

static struct hearing begin_to_hear(void) {
	struct hearing hearing = { .log_fd = memfd_create("log", MFD_CLOEXEC), .stderr_fd = dup(STDERR_FILENO) };

	assert_true(hearing.log_fd >= 0 && hearing.stderr_fd >= 0);
	assert_int_equal(dup2(hearing.log_fd, STDERR_FILENO), STDERR_FILENO);
	log_open(LOG_NOTICE);
	return hearing;
}

/* Return: how many lines were lost, as is told once; 0: nothing was told. */
static unsigned end_hearing(struct hearing *hearing) {
	char text[256];
	unsigned lost = 0;
	ssize_t n = pread(hearing->log_fd, text, sizeof(text) - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	if (n > 0) {
		assert_int_equal(
			sscanf(text, "evloopd: the journal did not take %u lines of the output of 12\n", &lost), 1);
		assert_ptr_equal(strchr(text, '\n'), text + n - 1);
	}
	assert_int_equal(dup2(hearing->stderr_fd, STDERR_FILENO), STDERR_FILENO);
	close_fd(hearing->stderr_fd);
	close_fd(hearing->log_fd);
	return lost;
}

/* Return: lines in the entry received last. */
static unsigned lines_of(const struct fixture *fixture, size_t entry_size) {
	size_t size;
	const char *message = field(fixture, entry_size, "MESSAGE", &size);
	unsigned n = 1;

	assert_non_null(message);
	for (size_t i = 0; i < size; i++)
		n += message[i] == '\n';
	return n;
}

static bool is_of(const struct fixture *fixture, size_t entry_size, const char *identifier) {
	size_t size;
	const char *value = field(fixture, entry_size, "SYSLOG_IDENTIFIER", &size);

	return size == strlen(identifier) && memcmp(value, identifier, size) == 0;
}

/* A run that floods a deaf journal leaves room and turns to others; each of its lines is taken or counted. */
static void test_flood(void **state) {
	enum {
		PIECES = 1000,
		LINES = 1000,
		QUIET = 1000
	};
	struct fixture *fixture = *state;
	struct journal_stream *flood, *quiet;
	unsigned taken = 0, of_quiet = 0, before = 0, lost;
	struct hearing hearing;
	char text[LINES * 8];
	ssize_t n;

	if (!fixture)
		skip();
	for (size_t i = 0; i < LINES; i++)
		memcpy(text + i * 8, "1234567\n", 8);
	flood = journal_stream_new(fixture->journal, &fixture->request);
	fixture->request.name = "quiet";
	quiet = journal_stream_new(fixture->journal, &fixture->request);
	for (unsigned i = 0; i < PIECES; i++)
		journal_stream_write(flood, text, sizeof(text));
	hearing = begin_to_hear();
	write_numbers(quiet, 0, QUIET);
	journal_stream_free(quiet);
	assert_int_equal(end_hearing(&hearing), 0);
	hearing = begin_to_hear();
	journal_stream_free(flood);
	lost = end_hearing(&hearing);
	assert_true(lost > 0);

	for (;;) {
		run(fixture, take_nothing, 2);
		n = recv(fixture->fd, fixture->entry, sizeof(fixture->entry), 0);
		if (n < 0)
			break;
		if (is_of(fixture, (size_t)n, "quiet"))
			of_quiet++;
		else
			taken += lines_of(fixture, (size_t)n);
		if (of_quiet == 0)
			before++;
	}
	assert_int_equal(of_quiet, QUIET);
	assert_int_equal(taken + lost, PIECES * LINES);
	/* Half of all at most. */
	assert_true(taken * 8 < JOURNAL_WAITING_MAX);
	assert_true(before < 1000);
}

/* A journal that has gone is looked for, now and then, and one that comes in its place gets what waits. */
static void test_gone(void **state) {
	struct fixture *fixture = *state;
	struct journal_stream *stream;
	struct hearing hearing;
	unsigned lost;

	if (!fixture)
		skip();
	stream = journal_stream_new(fixture->journal, &fixture->request);
	write_numbers(stream, 0, 1);
	assert_int_equal(take(fixture, 10), 1);
	/* Nobody listens; then there is no socket, either. */
	close_fd(fixture->fd);
	write_numbers(stream, 1, 1);
	assert_int_equal(unlink(fixture->path), 0);
	journal_tick(fixture->journal, INT64_MAX - 1);
	write_numbers(stream, 2, 1);
	run(fixture, take_nothing, 10);
	assert_true(journal_next(fixture->journal) > loop_now(fixture->loop)->ns[TIMER_CLOCK_BOOTTIME]);
	assert_true(journal_next(fixture->journal) < INT64_MAX);
	open_journal(fixture);
	run(fixture, take_nothing, 10);
	assert_int_equal(take(fixture, 10), 0);
	journal_tick(fixture->journal, INT64_MAX - 1);
	assert_int_equal(take(fixture, 10), 2);
	assert_true(journal_next(fixture->journal) == INT64_MAX);

	/* It may also go while it is full, and another one be there at once. */
	write_numbers(stream, 3, MANY - 3);
	close_fd(fixture->fd);
	assert_int_equal(unlink(fixture->path), 0);
	open_journal(fixture);
	run(fixture, take_nothing, 2);
	assert_true(recv(fixture->fd, fixture->entry, sizeof(fixture->entry), 0) > 0);
	close_fd(fixture->fd);
	assert_int_equal(unlink(fixture->path), 0);
	journal_stream_free(stream);
	run(fixture, take_nothing, 2);
	/* It does not come back before the end, and is not waited for. */
	hearing = begin_to_hear();
	journal_last_words(fixture->journal, PATIENCE_NS);
	fixture->journal = journal_free(fixture->journal);
	lost = end_hearing(&hearing);
	assert_true(lost > 0 && lost < MANY);
}

/* It may go between our finding it and our sending: what was to be sent waits for the next one. */
static void test_gone_again(void **state) {
	struct fixture *fixture = *state;
	struct journal_stream *stream;
	struct hearing hearing;

	if (!fixture)
		skip();
	stream = journal_stream_new(fixture->journal, &fixture->request);
	for (unsigned i = 0; i < 2; i++) {
		/* The first time it is not connected, the second time it was. */
		n_refused = 1 + i;
		write_numbers(stream, i, 1);
		assert_int_equal(n_refused, 0);
		expect_nothing(fixture);
		assert_true(journal_next(fixture->journal) < INT64_MAX);
		journal_tick(fixture->journal, INT64_MAX - 1);
		assert_int_equal(take(fixture, 10), 1);
	}
	hearing = begin_to_hear();
	journal_stream_free(stream);
	assert_int_equal(end_hearing(&hearing), 0);
}

/* What waits when the daemon ends is taken as long as somebody takes it. */
static void test_last_words(void **state) {
	struct fixture *fixture = *state;
	struct journal_stream *stream;
	unsigned n = 0;
	pid_t child;
	int status;

	if (!fixture)
		skip();
	stream = journal_stream_new(fixture->journal, &fixture->request);
	/* The socket takes what it can, and some wait. */
	for (was_full = false; !was_full && n < MANY; n++)
		write_numbers(stream, n, 1);
	assert_true(was_full);
	write_numbers(stream, n, TAKEN_AT_ONCE);
	n += TAKEN_AT_ONCE;
	journal_stream_free(stream);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct pollfd poll_fd = { .fd = fixture->fd, .events = POLLIN };

		while (fixture->received < n && poll(&poll_fd, 1, 10000) == 1)
			(void)take(fixture, 1);
		_exit(fixture->received == n ? 0 : 1);
	}
	journal_last_words(fixture->journal, PATIENCE_NS);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	/* With nothing left to say it waits for nobody. */
	journal_last_words(fixture->journal, PATIENCE_NS);
	expect_nothing(fixture);
}

/* What nobody has taken in time is told as lost. */
static void test_unheard_words(void **state) {
	struct fixture *fixture = *state;
	struct journal_stream *stream;
	struct hearing hearing;
	unsigned lost;

	if (!fixture)
		skip();
	stream = journal_stream_new(fixture->journal, &fixture->request);
	write_numbers(stream, 0, MANY);
	journal_stream_free(stream);
	hearing = begin_to_hear();
	journal_last_words(fixture->journal, 0);
	fixture->journal = journal_free(fixture->journal);
	lost = end_hearing(&hearing);
	assert_int_equal(take(fixture, MANY) + lost, MANY);
	assert_true(lost > 0);
}

static void test_no_journal(void **state _unused_) {
	struct journal *journal;

	assert_true(journal_new(&journal, "/no/such/socket", NULL) < 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		test(test_fields),        test(test_identifier),
		test(test_lines),         test(test_pieces),
		test(test_long_line),     test(test_many_lines),
		test(test_slow),          test(test_deaf),
		test(test_flood),         test(test_gone),
		test(test_gone_again),    test(test_last_words),
		test(test_unheard_words), cmocka_unit_test(test_no_journal),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
