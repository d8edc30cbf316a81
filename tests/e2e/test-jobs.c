/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Jobs of a real daemon, as a program that uses the library has them: where their directory hangs, nobody else is delayed. */

#include "tests/unit/test.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>

#include "client/evloop.h"
#include "tests/e2e/daemon-fixture.h"

#define PATIENCE EVL_SEC(20)

struct fixture {
	struct daemon *daemon;
	struct evl *evl;
	int hung_fd; /* of the file system whose server never answers; −1: none */
	char hung[32];
	unsigned fired, exited;
	int32_t status;
	int64_t worst_ns; /* how late a callback was */
};

/* ---- the fixture ----------------------------------------------------------------------------------------- */

/* Return: its descriptor; −1: not here. */
static int mount_hung(const char *directory) {
	char options[64];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	(void)snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (fd < 0 || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("hung", directory, "fuse", 0, options) < 0) {
		print_message("           skipped: needs root, /dev/fuse and a mount namespace\n");
		return close_fd(fd);
	}
	return fd;
}

static int setup(void **state) {
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	strcpy(fixture->hung, "/tmp/test-jobs-XXXXXX");
	assert_non_null(mkdtemp(fixture->hung));
	fixture->hung_fd = mount_hung(fixture->hung);
	assert_int_equal(daemon_start(&fixture->daemon, NULL), 0);
	assert_int_equal(evl_connect(&fixture->evl, daemon_socket(fixture->daemon)), 0);
	*state = fixture;
	return 0;
}

static int teardown(void **state) {
	struct fixture *fixture = *state;

	evl_close(fixture->evl);
	if (fixture->hung_fd >= 0) {
		(void)close(fixture->hung_fd); /* whoever hangs there goes on with an error */
		assert_int_equal(umount2(fixture->hung, MNT_DETACH), 0);
	}
	assert_int_equal(rmdir(fixture->hung), 0);
	assert_int_equal(daemon_stop(fixture->daemon), 0);
	free(fixture);
	return 0;
}

static int64_t now_ns(void) {
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &now), 0);
	return now.tv_sec * EVL_SEC(1) + now.tv_nsec;
}

/* ---- jobs ------------------------------------------------------------------------------------------------ */

static void arm_job(struct fixture *fixture, const char *name, const char *directory, const char *script) {
	const char *const argv[] = { "sh", "-c", script, NULL }, *const environment[] = { "PATH=/bin:/usr/bin", NULL };
	struct evl_timer timer = EVL_TIMER_INIT;

	timer.name = name;
	timer.argv = argv;
	timer.environment = environment;
	timer.directory = directory;
	assert_int_equal(evl_timer_add(fixture->evl, NULL, &timer, NULL, NULL), 0);
}

static void job_event(struct evl_source *source _unused_, const struct evl_event *event, void *userdata) {
	struct fixture *fixture = userdata;

	if (event->type == EVL_EVENT_EXITED) {
		fixture->exited++;
		fixture->status = event->status;
	}
}

static void tick(struct evl_source *source _unused_, const struct evl_event *event, void *userdata) {
	struct fixture *fixture = userdata;

	fixture->fired += (unsigned)event->fires;
	fixture->worst_ns =
		now_ns() - event->scheduled_ns > fixture->worst_ns ? now_ns() - event->scheduled_ns : fixture->worst_ns;
}

static void wait_for(struct fixture *fixture, const unsigned *counter, unsigned value) {
	int64_t end = now_ns() + PATIENCE;

	while (*counter < value) {
		assert_true(now_ns() < end);
		assert_true(evl_dispatch(fixture->evl, EVL_MSEC(100)) >= 0);
	}
}

/* Twenty jobs hang; timers fire, requests are answered, other jobs run, and the hung ones are there to be seen and killed. */
static void test_hung_directory(void **state) {
	struct fixture *fixture = *state;
	char name[16], script[128];

	if (fixture->hung_fd < 0)
		skip();
	for (unsigned i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), "hung%u", i);
		arm_job(fixture, name, fixture->hung, "exit 3");
	}
	assert_int_equal(evl_call_every(fixture->evl, NULL, EVL_MSEC(10), tick, fixture), 0);
	wait_for(fixture, &fixture->fired, 20);
	arm_job(fixture, "well", "/", "sleep 0.1; exit 5");
	assert_int_equal(evl_attach(fixture->evl, NULL, "well", job_event, fixture), 0);
	assert_int_equal(evl_roundtrip(fixture->evl), 0);
	wait_for(fixture, &fixture->exited, 1);
	assert_int_equal(fixture->status, 5);
	wait_for(fixture, &fixture->fired, 50);
	/* Hundreds of times what it takes, for machines that have other things to do; a loop that waits, waits for ever. */
	assert_true(fixture->worst_ns < EVL_SEC(2));

	fixture->exited = 0;
	assert_int_equal(evl_attach(fixture->evl, NULL, "hung0", job_event, fixture), 0);
	(void)snprintf(script, sizeof(script), "%s --socket %s kill -s KILL hung0", getenv("EVLOOP"),
		       daemon_socket(fixture->daemon));
	arm_job(fixture, "killer", "/", script);
	wait_for(fixture, &fixture->exited, 1);
	assert_int_equal(fixture->status, 137);
}

/* The file system is gone while they hang: they were not started, and say why. */
static void test_hung_directory_goes(void **state) {
	struct fixture *fixture = *state;

	if (fixture->hung_fd < 0)
		skip();
	arm_job(fixture, "hung", fixture->hung, "exit 3");
	assert_int_equal(evl_attach(fixture->evl, NULL, "hung", job_event, fixture), 0);
	assert_int_equal(evl_call_every(fixture->evl, NULL, EVL_MSEC(10), tick, fixture), 0);
	wait_for(fixture, &fixture->fired, 10);
	assert_int_equal(fixture->exited, 0);
	fixture->hung_fd = close_fd(fixture->hung_fd);
	wait_for(fixture, &fixture->exited, 1);
	assert_int_equal(fixture->status, 126);
	assert_int_equal(umount2(fixture->hung, MNT_DETACH), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hung_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hung_directory_goes, setup, teardown),
	};

	return cmocka_run_group_tests_name("jobs", tests, NULL, NULL);
}
