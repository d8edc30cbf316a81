/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the life of a daemon under test: started on a scratch socket, heard when it listens, ended and cleaned up after. */

#undef NDEBUG

#include "tests/e2e/daemon-fixture.h"

#include <assert.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define OPTIONS_MAX 16
#define PATIENCE_MS 10000

struct daemon {
	char directory[32], socket[48];
	char *options[OPTIONS_MAX];
	pid_t pid; /* 0: killed */
};

static _Noreturn void run(const struct daemon *daemon, int ready_fd) {
	const char *program = getenv("EVLOOPD");
	char *argv[OPTIONS_MAX + 8], number[16];
	size_t n = 0;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing running */
	(void)snprintf(number, sizeof(number), "%d", ready_fd);
	argv[n++] = (char *)(program ? program : "evloopd");
	argv[n++] = (char *)"--socket";
	argv[n++] = (char *)daemon->socket;
	argv[n++] = (char *)"--ready-fd";
	argv[n++] = number;
	for (size_t i = 0; daemon->options[i]; i++)
		argv[n++] = daemon->options[i];
	argv[n] = NULL;
	(void)execvp(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

int daemon_again(struct daemon *daemon) {
	_cleanup_close_ int read_end = -1;
	struct pollfd ready = { .events = POLLIN };
	char byte;
	int fds[2];

	if (pipe(fds) < 0)
		return -errno;
	daemon->pid = fork();
	if (daemon->pid == 0) {
		(void)close(fds[0]);
		run(daemon, fds[1]);
	}
	(void)close(fds[1]);
	read_end = ready.fd = fds[0];
	if (daemon->pid < 0)
		return -errno;
	if (poll(&ready, 1, PATIENCE_MS) <= 0)
		return -ETIMEDOUT;
	return read(read_end, &byte, 1) == 1 ? 0 : -EPIPE;
}

int daemon_start(struct daemon **ret, const char *const *options) {
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	int r;

	assert(daemon);
	for (size_t i = 0; options && options[i]; i++) {
		assert(i < OPTIONS_MAX - 1);
		daemon->options[i] = strdup(options[i]);
	}
	strcpy(daemon->directory, "/tmp/test-e2e-XXXXXX");
	assert(mkdtemp(daemon->directory));
	(void)snprintf(daemon->socket, sizeof(daemon->socket), "%s/socket", daemon->directory);
	r = daemon_again(daemon);
	if (r < 0) {
		(void)daemon_stop(daemon);
		return r;
	}
	*ret = daemon;
	return 0;
}

static int reap(struct daemon *daemon) {
	int status = 0;

	while (waitpid(daemon->pid, &status, 0) < 0 && errno == EINTR)
		;
	daemon->pid = 0;
	return status;
}

void daemon_kill(struct daemon *daemon) {
	(void)kill(daemon->pid, SIGKILL);
	(void)reap(daemon);
}

int daemon_forget(struct daemon *daemon) {
	return reap(daemon);
}

int daemon_stop(struct daemon *daemon) {
	static const char *const beside[] = { "", ".lock", ".ids", ".ids.new" };
	char path[64];
	int status = 0;

	if (!daemon)
		return 0;
	if (daemon->pid > 0) {
		(void)kill(daemon->pid, SIGTERM);
		(void)kill(daemon->pid, SIGCONT);
		status = reap(daemon);
	}
	for (size_t i = 0; i < OPTIONS_MAX; i++)
		free(daemon->options[i]);
	for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", daemon->socket, beside[i]);
		(void)unlink(path);
	}
	(void)rmdir(daemon->directory);
	free(daemon);
	return status == 0 ? 0 : -EIO;
}

const char *daemon_socket(const struct daemon *daemon) {
	return daemon->socket;
}

pid_t daemon_pid(const struct daemon *daemon) {
	return daemon->pid;
}
