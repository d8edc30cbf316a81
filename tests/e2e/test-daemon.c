/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon as a process: how it starts, refuses to, limits, remembers and ends. */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "client/call.h"
#include "proto/limits.h"
#include "proto/packet.h"
#include "tests/e2e/daemon-fixture.h"

static struct daemon *daemon_under_test;

static struct evl *start(const char *const *options) {
	struct evl *evl;

	assert_int_equal(daemon_start(&daemon_under_test, options), 0);
	assert_int_equal(evl_connect(&evl, daemon_socket(daemon_under_test)), 0);
	return evl;
}

static void stop(struct evl *evl) {
	evl_close(evl);
	assert_int_equal(daemon_stop(TAKE_PTR(daemon_under_test)), 0);
}

/* Run the daemon with these words and wait for it to leave.  Return: its exit status; -1: it was killed. */
static int run_daemon(const char *const *words, char *output, size_t size) {
	const char *argv[16] = { getenv("EVLOOPD") };
	int fds[2], status;
	ssize_t n, total = 0;
	pid_t pid;

	for (size_t i = 0; words[i]; i++)
		argv[i + 1] = words[i];
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(fds[1], STDOUT_FILENO);
		(void)dup2(fds[1], STDERR_FILENO);
		(void)execv(argv[0], (char *const *)argv);
		_exit(99);
	}
	(void)close(fds[1]);
	while ((n = read(fds[0], output + total, size - 1 - (size_t)total)) > 0)
		total += n;
	output[total] = '\0';
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define RUN(output, ...) run_daemon((const char *const[]){ __VA_ARGS__, NULL }, output, sizeof(output))

/* ---- beginning and end ---- */

static void test_second_daemon_is_refused(void **state _unused_) {
	struct evl *evl = start(NULL);
	char output[512];

	assert_int_equal(RUN(output, "--socket", daemon_socket(daemon_under_test)), 75);
	assert_non_null(strstr(output, "another daemon listens there"));
	assert_int_equal(evl_roundtrip(evl), 0); /* the first one has not noticed */
	stop(evl);
}

static void test_socket_goes_with_the_daemon(void **state _unused_) {
	char path[128], output[512];
	struct evl *evl = start(NULL);
	struct stat st;

	snprintf(path, sizeof(path), "%s", daemon_socket(daemon_under_test));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* Killed, it leaves its socket behind, and the next one replaces it. */
	daemon_kill(daemon_under_test);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(daemon_again(daemon_under_test), 0);
	assert_int_equal(evl_reconnect(evl), -EISCONN); /* the loss has not been noticed yet */
	assert_int_equal(evl_roundtrip(evl), -ECONNRESET);
	assert_int_equal(evl_reconnect(evl), 0);
	stop(evl);
	assert_int_equal(stat(path, &st), -1);

	/* What is no socket is not removed. */
	snprintf(path, sizeof(path), "/tmp/test-daemon-%d", (int)getpid());
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
	assert_int_equal(RUN(output, "--socket", path), 73);
	assert_int_equal(unlink(path), 0);
	strcat(path, ".lock");
	assert_int_equal(unlink(path), -1);
}

static void test_wrong_use(void **state _unused_) {
	static const struct {
		const char *option, *value, *says;
	} table[] = {
		{ "--exit-idle=soon", NULL, "--exit-idle: bad value 'soon'" },
		{ "--limit", "timers", "--limit: bad value 'timers'" },
		{ "--limit", "hats=4", "--limit: bad value 'hats=4'" },
		{ "--limit", "timers=-1", "--limit: bad value 'timers=-1'" },
		{ "--limit", "sessions=0", "--limit: bad value 'sessions=0': nobody could connect" },
		{ "--limit", "timers=18446744073709551616", "the value is too large" },
		{ "--ready-fd", "99", "--ready-fd: bad value '99'" },
		{ "--nonsense", NULL, "evloopd: unknown option '--nonsense'; see 'evloopd --help'\n" },
		{ "--nonsense=1", NULL, "evloopd: unknown option '--nonsense=1'; see 'evloopd --help'\n" },
		{ "word", "-xy", "evloopd: unknown option '-x'; see 'evloopd --help'\n" },
		{ "--limit", NULL, "evloopd: --limit needs a value\n" },
		{ "--system=1", NULL, "evloopd: '--system=1': that option takes no value\n" },
		{ "word", NULL, "evloopd: unexpected argument 'word'; see 'evloopd --help'\n" },
		{ "--socket", "", "--socket: bad value ''" },
		{ "--system", "--user", "--user and --system exclude each other" },
		{ "--user", "--system", "--user and --system exclude each other" },
		{ "--private", "--system", "--private and --system exclude each other" },
	};
	char output[2048];

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		assert_int_equal(RUN(output, table[i].option, table[i].value), 64);
		assert_non_null(strstr(output, table[i].says));
		assert_ptr_equal(strchr(output, '\n'), output + strlen(output) - 1); /* one line */
	}
	assert_int_equal(RUN(output, "--private", "--socket", "/tmp/x"), 64);
	assert_int_equal(RUN(output, "--help"), 0);
	assert_int_equal(RUN(output, "--version"), 0);
	/* Nothing to listen on. */
	assert_int_equal(RUN(output, "--user"), 64);
}

static void test_idle_daemon_leaves(void **state _unused_) {
	struct evl *evl = start((const char *const[]){ "--exit-idle=50ms", NULL });
	int status;

	assert_int_equal(evl_roundtrip(evl), 0); /* a session keeps it */
	evl_close(evl);
	status = daemon_forget(daemon_under_test);
	assert_int_equal(status, 0);
	assert_int_equal(daemon_stop(TAKE_PTR(daemon_under_test)), 0);
}

/* A bucket that is not full would be forgotten: tokens that come within 400 ms keep it that long. */
static void test_idle_daemon_awaits_full_buckets(void **state _unused_) {
	const struct evl_limit limit = EVL_RATE_BURST(5, EVL_SEC(1), 2);
	struct evl *evl = start((const char *const[]){ "--exit-idle=50ms", NULL });
	struct evl_grant grant = EVL_GRANT_INIT;
	struct evl_limiter *limiter;
	struct timespec ended;

	assert_int_equal(evl_limiter_open(evl, &limiter, "bucket", &limit), 0);
	assert_int_equal(evl_limiter_try(limiter, NULL, 2, &grant), 1);
	assert_in_range(grant.reset_after_ns, EVL_MSEC(1), EVL_MSEC(400));
	evl_limiter_close(limiter);
	evl_close(evl);
	assert_int_equal(daemon_forget(daemon_under_test), 0);
	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &ended), 0);
	assert_true(EVL_SEC(ended.tv_sec) + ended.tv_nsec >= grant.now_ns + grant.reset_after_ns);
	assert_int_equal(daemon_stop(TAKE_PTR(daemon_under_test)), 0);
}

/* Return: whether somebody listens there.  Who could connect must be answered. */
static bool greet(const char *path) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	Evloop__HelloRequest hello = EVLOOP__HELLO_REQUEST__INIT;
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	static uint8_t buffer[PACKET_SIZE_MAX];
	struct packet packet;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		assert_true(errno == ENOENT || errno == ECONNREFUSED);
		return false;
	}
	packet_init(&packet, buffer, sizeof(buffer));
	hello.version = hello.floor = PROTOCOL_VERSION;
	assert_int_equal(packet_put(&packet, FRAME_REQUEST, EVLOOP__METHOD__METHOD_HELLO, 1, &hello.base, NULL, 0), 0);
	assert_int_equal(packet_send(fd, &packet), 0);
	assert_true(recv(fd, buffer, sizeof(buffer), 0) > FRAME_HEADER_SIZE);
	return true;
}

static void test_leaving_daemon_turns_nobody_away(void **state _unused_) {
	static const char *const options[] = { "--exit-idle=300us", NULL };
	struct random random = RANDOM_INIT;
	unsigned greeted = 0;

	/* Nobody has to meet the first one either. */
	assert_int_equal(daemon_start(&daemon_under_test, options), 0);
	for (unsigned i = 0; i < 100; i++) {
		/* As long as it is met before it leaves; when it has, another one can begin at once. */
		do {
			struct timespec pause = { .tv_nsec = (long)random_below(&random, 600000) };

			(void)nanosleep(&pause, NULL);
			greeted++;
		} while (greet(daemon_socket(daemon_under_test)));
		daemon_forget(daemon_under_test);
		assert_int_equal(daemon_again(daemon_under_test), 0);
	}
	assert_true(greeted > 100);
	assert_int_equal(daemon_stop(TAKE_PTR(daemon_under_test)), 0);
}

/* The directory is removed under it, and another daemon begins there: it must not lose its socket when the first one ends. */
static void test_socket_of_another_daemon_stays(void **state _unused_) {
	struct evl *evl = start(NULL), *other;
	pid_t first = daemon_pid(daemon_under_test);
	char path[64];
	int status;

	assert_int_equal(unlink(daemon_socket(daemon_under_test)), 0);
	snprintf(path, sizeof(path), "%s.lock", daemon_socket(daemon_under_test));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(daemon_again(daemon_under_test), 0);
	assert_int_equal(evl_roundtrip(evl), 0); /* the first one goes on for those that it has */
	assert_int_equal(kill(first, SIGTERM), 0);
	assert_int_equal(waitpid(first, &status, 0), first);
	assert_int_equal(status, 0);
	assert_int_equal(evl_connect(&other, daemon_socket(daemon_under_test)), 0);
	evl_close(other);
	stop(evl);
}

/* A listening socket at descriptor 3, and who it is for, as sd_listen_fds(3) has it. */
static pid_t start_activated(const char *path) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	char number[16];
	pid_t pid;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	pid = fork();
	if (pid == 0) {
		snprintf(number, sizeof(number), "%d", (int)getpid());
		setenv("LISTEN_PID", number, 1);
		setenv("LISTEN_FDS", "1", 1);
		if (fd != 3)
			(void)dup2(fd, 3);
		(void)execl(getenv("EVLOOPD"), "evloopd", "--system", NULL);
		_exit(99);
	}
	(void)close(fd);
	return pid;
}

/* Who made the socket removes it; what the daemon has remembered goes with it. */
static void remove_activated(const char *path) {
	char ids[128];

	assert_int_equal(unlink(path), 0);
	snprintf(ids, sizeof(ids), "%s.ids", path);
	(void)unlink(ids);
}

static void test_socket_activation(void **state _unused_) {
	const char *const words[] = { "true", NULL };
	struct evl_timer timer = EVL_TIMER_INIT;
	char path[64], output[512];
	struct evl *evl;
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "/tmp/test-daemon-%d", (int)getpid());
	pid = start_activated(path);
	if (evl_connect(&evl, path) < 0) {
		/* Built without systemd: it has said that there is nothing to listen on. */
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(WEXITSTATUS(status), 64);
		remove_activated(path);
		skip();
	}
	/* The system's instance runs no commands. */
	timer.argv = words;
	assert_int_equal(evl_timer_add(evl, NULL, &timer, NULL, NULL), 0);
	assert_int_equal(evl_roundtrip(evl), -EOPNOTSUPP);
	assert_non_null(strstr(evl_error_message(evl), "systemctl --user"));
	/* Nobody takes its path away. */
	assert_int_equal(RUN(output, "--socket", path), 75);
	evl_close(evl);
	assert_int_equal(evl_connect(&evl, path), 0);
	evl_close(evl);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	remove_activated(path);
}

/* ---- limits ---- */

static void nothing(struct evl_source *source _unused_, const struct evl_event *event _unused_,
		    void *userdata _unused_) {
}

static void test_quota_is_named(void **state _unused_) {
	struct evl *evl = start((const char *const[]){ "--limit", "timers=5", "--limit", "sessions=2", NULL });
	struct evl *second, *third;
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	ProtobufCMessage *reply;
	const Evloop__Error *error;

	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(evl_call_later(evl, NULL, EVL_SEC(1000), nothing, NULL), 0);
	assert_int_equal(evl_roundtrip(evl), 0);
	spec.detached = spec.relative = true;
	spec.deadline_ns = 1000;
	assert_int_equal(evl_call(evl, EVLOOP__METHOD__METHOD_ARM, &spec.base, &reply), -EDQUOT);
	error = evl_call_error(evl);
	assert_string_equal(error->limit_name, "timers");
	assert_int_equal(error->limit, 5);
	assert_int_equal(error->used, 5);
	assert_int_equal(error->asked, 1);
	assert_non_null(strstr(error->message, "5 of 5 timers"));

	assert_int_equal(evl_connect(&second, daemon_socket(daemon_under_test)), 0);
	assert_int_equal(evl_connect(&third, daemon_socket(daemon_under_test)), -EDQUOT);
	evl_close(second);
	assert_int_equal(evl_roundtrip(evl), 0);
	stop(evl);
}

/* ---- many ---- */

static uint64_t arm_named(struct evl *evl, const char *name) {
	Evloop__TimerSpec spec = EVLOOP__TIMER_SPEC__INIT;
	ProtobufCMessage *reply;
	uint64_t id;

	spec.detached = spec.relative = true;
	spec.deadline_ns = EVL_SEC(1000);
	spec.name = (char *)name;
	assert_int_equal(evl_call(evl, EVLOOP__METHOD__METHOD_ARM, &spec.base, &reply), 0);
	id = ((Evloop__Armed *)reply)->id;
	protobuf_c_message_free_unpacked(reply, NULL);
	return id;
}

/* All pages of a list.  Return: how many timers; they come in the order of their ids, each once. */
static size_t count_list(struct evl *evl, const char *glob, uint32_t limit, unsigned *ret_pages) {
	Evloop__ListRequest request = EVLOOP__LIST_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	uint64_t last = 0;
	size_t n = 0;
	bool more = true;

	target.glob = (char *)glob;
	request.target = glob ? &target : NULL;
	request.limit = limit;
	for (*ret_pages = 0; more; ++*ret_pages) {
		ProtobufCMessage *message;
		Evloop__ListReply *reply;

		assert_int_equal(evl_call(evl, EVLOOP__METHOD__METHOD_LIST, &request.base, &message), 0);
		reply = (Evloop__ListReply *)message;
		for (size_t i = 0; i < reply->n_timers; i++, n++) {
			assert_true(reply->timers[i]->id > last);
			last = reply->timers[i]->id;
		}
		more = reply->more;
		assert_true(!more || reply->next > request.after);
		request.after = reply->next;
		protobuf_c_message_free_unpacked(message, NULL);
	}
	return n;
}

static void test_pages_and_patterns(void **state _unused_) {
	struct evl *evl = start(NULL);
	Evloop__ManageRequest request = EVLOOP__MANAGE_REQUEST__INIT;
	Evloop__Target target = EVLOOP__TARGET__INIT;
	size_t cancelled = 0;
	char name[32];
	unsigned pages;
	bool more = true;

	for (unsigned i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "%s-%04u", i % 2 ? "odd" : "even", i);
		(void)arm_named(evl, name);
	}
	assert_int_equal(count_list(evl, NULL, 0, &pages), 5000);
	assert_true(pages >= 10);
	assert_int_equal(count_list(evl, "odd-*", 7, &pages), 2500);
	assert_int_equal(count_list(evl, "odd-4999", 0, &pages), 1);
	assert_true(pages >= 3); /* all but the last empty; more of them where a uid has had its share of time before */

	target.glob = (char *)"even-?[0-4]*";
	request.target = &target;
	while (more) {
		ProtobufCMessage *message;
		Evloop__ManageReply *reply;

		assert_int_equal(evl_call(evl, EVLOOP__METHOD__METHOD_CANCEL, &request.base, &message), 0);
		reply = (Evloop__ManageReply *)message;
		cancelled += reply->n_results;
		more = reply->more;
		request.after = reply->next;
		protobuf_c_message_free_unpacked(message, NULL);
	}
	assert_int_equal(cancelled, 1250);
	assert_int_equal(count_list(evl, "*", 0, &pages), 3750);
	stop(evl);
}

static void test_ids_are_not_given_twice(void **state _unused_) {
	struct evl *evl = start(NULL);
	uint64_t first = arm_named(evl, "a"), next;

	assert_int_equal(first, 1);
	daemon_kill(daemon_under_test);
	assert_int_equal(daemon_again(daemon_under_test), 0);
	assert_int_equal(evl_roundtrip(evl), -ECONNRESET);
	assert_int_equal(evl_reconnect(evl), 0);
	next = arm_named(evl, "a");
	assert_true(next > first);
	stop(evl);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_second_daemon_is_refused),
		cmocka_unit_test(test_socket_goes_with_the_daemon),
		cmocka_unit_test(test_wrong_use),
		cmocka_unit_test(test_socket_of_another_daemon_stays),
		cmocka_unit_test(test_idle_daemon_leaves),
		cmocka_unit_test(test_idle_daemon_awaits_full_buckets),
		cmocka_unit_test(test_leaving_daemon_turns_nobody_away),
		cmocka_unit_test(test_socket_activation),
		cmocka_unit_test(test_quota_is_named),
		cmocka_unit_test(test_pages_and_patterns),
		cmocka_unit_test(test_ids_are_not_given_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
