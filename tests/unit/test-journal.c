/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of a job's output reaches the journal, which the test plays. */

#include "tests/unit/test.h"

#include <endian.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/svc/journal.h"

struct fixture {
	char directory[32], path[48];
	int fd; /* the journal's end */
	struct journal *journal;
	char *words[2];
	struct command command;
	struct run_request request;
	char entry[65536];
	char message[65536];
};

static int setup(void **state) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	int r;

	assert_non_null(fixture);
	strcpy(fixture->directory, "/tmp/test-journal-XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	(void)snprintf(fixture->path, sizeof(fixture->path), "%s/socket", fixture->directory);
	strcpy(address.sun_path, fixture->path);
	fixture->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fixture->fd >= 0);
	assert_int_equal(bind(fixture->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	r = journal_new(&fixture->journal, fixture->path);
	fixture->words[0] = (char *)"/usr/bin/tool";
	fixture->command.argv = fixture->words;
	fixture->request = (struct run_request){ .command = &fixture->command, .id = 12, .fire_seq = 34 };
	*state = r == 0 ? fixture : NULL;
	if (r == 0)
		return 0;
	assert_int_equal(r, -EOPNOTSUPP); /* built without systemd */
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
static bool counting;
static unsigned entries, lines;

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags) {
	const struct iovec *text = &message->msg_iov[2];

	if (!counting)
		return __real_sendmsg(fd, message, flags);
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

/* A journal that reads nothing, or has gone, holds nobody up. */
static void test_deaf(void **state) {
	struct fixture *fixture = *state;
	struct journal_stream *stream;

	if (!fixture)
		skip();
	stream = journal_stream_new(fixture->journal, &fixture->request);
	for (unsigned i = 0; i < 10000; i++)
		write_text(stream, "line\n");
	while (recv(fixture->fd, fixture->entry, sizeof(fixture->entry), 0) > 0)
		;
	write_text(stream, "again\n");
	expect_message(fixture, "again");
	(void)close(fixture->fd);
	write_text(stream, "nobody\n");
	(void)unlink(fixture->path);
	write_text(stream, "nowhere\n");
	journal_stream_free(stream);
	fixture->fd = -1;
}

static void test_no_journal(void **state _unused_) {
	struct journal *journal;

	assert_true(journal_new(&journal, "/no/such/socket") < 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		test(test_fields),    test(test_identifier), test(test_lines), test(test_pieces),
		test(test_long_line), test(test_many_lines), test(test_deaf),  cmocka_unit_test(test_no_journal),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
