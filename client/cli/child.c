/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the process that runs CMD, and what signals do to it and to us.  When it is run is not known here. */

#include "client/cli/child.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "client/cli/command.h"
#include "client/cli/error.h"
#include "client/cli/text.h"

static const int ending[] = { SIGHUP, SIGINT, SIGTERM };

/* What is ignored, as in a script's background, stays so: a blocked signal would come all the same. */
static void take_signals(struct child *child) {
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++) {
		struct sigaction action;

		if (sigaction(ending[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(&set, ending[i]);
	}
	(void)sigprocmask(SIG_BLOCK, &set, &child->mask);
	child->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int take_words(const struct invocation *inv, const char *shell, struct child *child) {
	if (!shell) {
		child->words = inv->argc > 1 ? inv->argv + 1 : NULL;
		return 0;
	}
	child->words = calloc((size_t)inv->argc + 3, sizeof(*child->words));
	if (!child->words)
		return -ENOMEM;
	child->owns_words = true;
	child->words[0] = (char *)"sh";
	child->words[1] = (char *)"-c";
	child->words[2] = (char *)shell;
	memcpy(child->words + 3, inv->argv + 1, ((size_t)inv->argc - 1) * sizeof(*child->words));
	return 0;
}

int child_init(const struct invocation *inv, const char *shell, struct child *ret) {
	int r;

	*ret = (struct child){ .pid_fd = -1, .signal_fd = -1 };
	if (take_words(inv, shell, ret) < 0) {
		complain("%s", strerror(ENOMEM));
		return EX_OSERR;
	}
	if (!ret->words)
		return 0;
	r = command_check(inv, ret->words[0]);
	if (r != 0)
		return r;
	take_signals(ret);
	if (ret->signal_fd >= 0)
		return 0;
	complain("signalfd: %s", strerror(errno));
	return EX_OSERR;
}

void child_deinit(struct child *child) {
	if (child->signal_fd >= 0)
		(void)sigprocmask(SIG_SETMASK, &child->mask, NULL);
	child->signal_fd = close_fd(child->signal_fd);
	child->pid_fd = close_fd(child->pid_fd);
	if (child->owns_words)
		free(child->words);
	child->words = NULL;
}

static _Noreturn void become(const struct child *child, int input_fd, child_prepare prepare, void *userdata) {
	(void)sigprocmask(SIG_SETMASK, &child->mask, NULL);
	if (input_fd >= 0 && dup2(input_fd, STDIN_FILENO) < 0) {
		complain("%s: %s", child->words[0], strerror(errno));
		_exit(EX_OSERR);
	}
	if (prepare(userdata) < 0) {
		complain("%s: %s", child->words[0], strerror(ENOMEM));
		_exit(EX_OSERR);
	}
	(void)execvp(child->words[0], child->words);
	complain("%s: %s", child->words[0], strerror(errno));
	_exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

/* A pipe that holds `data`, to be read; -1: errno says why not. */
static int hold(const void *data, size_t size) {
	_cleanup_close_ int out = -1;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	out = fds[1];
	if (write(out, data, size) == (ssize_t)size && fcntl(fds[0], F_SETFL, 0) == 0)
		return fds[0];
	return close_fd(fds[0]);
}

int child_start(struct child *child, const void *input, size_t size, child_prepare prepare, void *userdata) {
	_cleanup_close_ int input_fd = -1;

	if (input) {
		input_fd = hold(input, size);
		if (input_fd < 0) {
			complain("%s: %s", child->words[0], strerror(errno));
			return EX_OSERR;
		}
	}
	/* What is not yet written would be written twice. */
	(void)fflush(stdout);
	child->pid = fork();
	if (child->pid == 0)
		become(child, input_fd, prepare, userdata);
	if (child->pid > 0)
		child->pid_fd = pidfd_open(child->pid, 0);
	if (child->pid > 0 && child->pid_fd >= 0)
		return 0;
	complain("%s: %s", child->words[0], strerror(errno));
	return EX_OSERR;
}

/* As if nobody had taken it, so that a shell sees by what we ended. */
static _Noreturn void die(const struct child *child, int signal) {
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t set = child->mask;

	(void)text_flush();
	sigemptyset(&action.sa_mask);
	(void)sigaction(signal, &action, NULL);
	sigdelset(&set, signal);
	(void)raise(signal);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	_exit(128 + signal);
}

int child_reap(struct child *child) {
	int status = 0;

	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		;
	child->pid = 0;
	child->pid_fd = close_fd(child->pid_fd);
	if (child->signal != 0)
		die(child, child->signal);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	complain("%s: ended by signal %d, %s", child->words[0], WTERMSIG(status), strsignal(WTERMSIG(status)));
	return 128 + WTERMSIG(status);
}

void child_take_signal(struct child *child) {
	struct signalfd_siginfo info;

	if (read(child->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (child->pid == 0)
		die(child, (int)info.ssi_signo);
	child->signal = (int)info.ssi_signo;
	/* What the terminal sends goes to all of the process group, and has reached it already. */
	if (info.ssi_code != SI_KERNEL)
		(void)pidfd_send_signal(child->pid_fd, child->signal, NULL, 0);
}
