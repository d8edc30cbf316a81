/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process that can run no program any more, and all else. */

#include "tests/unit/test.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/svc/no-exec.h"
#include "proto/base.h"

#define UNSUPPORTED 77

/* Return: the errno of what a child that can run nothing has tried; 0: it worked. */
static int try_in_child(void (*try)(void)) {
	int status;
	pid_t pid;

	skip_in_valgrind(); /* which has a way of its own to call */
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (no_exec() < 0)
			_exit(UNSUPPORTED);
		errno = 0;
		try();
		_exit(errno);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == UNSUPPORTED)
		skip();
	return WEXITSTATUS(status);
}

static void run_program(void) {
	(void)execl("/bin/true", "true", (char *)NULL);
}

static void run_memory(void) {
	int fd = memfd_create("program", MFD_CLOEXEC);

	(void)fexecve(fd, (char *const[]){ (char *)"program", NULL }, (char *const[]){ NULL });
}

static void run_by_older_call(void) {
#ifdef __x86_64__
	/* x32 has numbers of its own. */
	(void)syscall(0x40000000 + 520, "/bin/true", NULL, NULL);
#else
	errno = EPERM;
#endif
}

static void run_in_grandchild(void) {
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		run_program();
		_exit(errno);
	}
	(void)waitpid(pid, &status, 0);
	errno = WEXITSTATUS(status);
}

static void do_something_else(void) {
	int fd = memfd_create("memory", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, 4096) == 0)
		errno = 0;
}

static void test_forbidden(void **state _unused_) {
	assert_int_equal(try_in_child(run_program), EPERM);
	assert_int_equal(try_in_child(run_memory), EPERM);
	assert_int_equal(try_in_child(run_by_older_call), EPERM);
	assert_int_equal(try_in_child(run_in_grandchild), EPERM);
}

static void test_allowed(void **state _unused_) {
	assert_int_equal(try_in_child(do_something_else), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
