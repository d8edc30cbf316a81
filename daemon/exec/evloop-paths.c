/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Watches paths, as a process of its own beside the daemon: a file system that does not answer holds up this process, and nobody
 * else.  Before it looks at files for a watch it says so; what to do about a process that says nothing more is the daemon's business.
 *
 * Events come first, then what the daemon wants, then folders that are still to be looked at, one at a time.
 *
 * Links nothing but libc, and trusts what the daemon sends.  Without memory it ends, and the daemon makes another one.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/exec/report.h"
#include "daemon/exec/tree.h"
#include "daemon/exec/watched.h"

#define EXIT_NOT_EXECUTABLE 126
#define REQUEST_SIZE 65536
#define EVENTS_SIZE 65536

static int inotify_fd;

/* ---- events ---- */

#define GONE_MASK (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)
#define NAMES_MASK (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)

static uint32_t events_of(uint32_t mask) {
	return (mask & IN_CREATE ? EVENT_CREATED : 0) | (mask & IN_DELETE ? EVENT_DELETED : 0) |
	       (mask & (IN_MOVED_FROM | IN_MOVED_TO) ? EVENT_MOVED : 0) |
	       (mask & (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB) ? EVENT_MODIFIED : 0);
}

/* Something on the way to a path. */
static void heard_of_way(const struct interest *interest, const struct inotify_event *event, const char *name) {
	struct watched *watched = interest->watched;

	if (event->mask & GONE_MASK) {
		watched_set_dirty(watched);
		return;
	}
	if (interest->kind == INTEREST_SELF || strcmp(name, interest->text) != 0)
		return;
	if (event->mask & NAMES_MASK)
		watched_set_dirty(watched);
	else if (interest->kind != INTEREST_FILE)
		return;
	/* A link stands for what it leads to: whether that is something else will be seen. */
	if (!interest->is_last)
		return;
	report_change(watched->token, "", events_of(event->mask));
	if (event->mask & NAMES_MASK)
		watched->was_told = true;
}

/* Something about a folder in which all is watched.  What happens to one below the watched path its own folder tells. */
static void heard_of_folder(struct interest *interest, const struct inotify_event *event) {
	struct watched *watched = interest->watched;

	if (interest == watched->root) {
		if (event->mask & GONE_MASK)
			watched_set_dirty(watched);
		else if (event->mask & IN_ATTRIB)
			report_change(watched->token, "", EVENT_MODIFIED);
	} else if (event->mask & IN_IGNORED) {
		interest_retire(interest);
	}
}

/* Something in a folder. */
static void heard_of_content(struct interest *interest, const struct inotify_event *event, const char *name) {
	struct watched *watched = interest->watched;
	char path[PATH_MAX];

	if (!name[0]) {
		heard_of_folder(interest, event);
		return;
	}
	if (snprintf(path, sizeof(path), "%s%s%s", interest->text, interest->text[0] ? "/" : "", name) >=
	    (int)sizeof(path))
		return;
	if (tree_excludes(watched, path))
		return;
	report_change(watched->token, path, events_of(event->mask));
	if (!watched->recursive || !(event->mask & IN_ISDIR))
		return;
	/* One that was deleted says that itself. */
	if (event->mask & IN_MOVED_FROM)
		tree_drop(watched, path);
	if (event->mask & (IN_CREATE | IN_MOVED_TO))
		tree_add(watched, path, event->mask & IN_CREATE ? EVENT_CREATED : EVENT_MOVED);
}

static void heard(const struct inotify_event *event) {
	const char *name = event->len > 0 ? event->name : "";
	struct folder *folder = folder_find(event->wd);
	struct interest *interest;

	if (!folder)
		return;
	LIST_FOREACH(interest, &folder->interests, folder_link)
	if (!interest->is_stale) {
		if (interest->kind == INTEREST_CONTENT)
			heard_of_content(interest, event, name);
		else
			heard_of_way(interest, event, name);
	}
	if (event->mask & IN_IGNORED)
		folder_lost(folder);
}

/* The kernel could not keep all events: nothing that is known can be relied on. */
static void begin_anew(void) {
	inotify_fd = folders_begin();
	watched_begin_anew();
}

static void serve_events(void) {
	static char buffer[EVENTS_SIZE] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t size = read(inotify_fd, buffer, sizeof(buffer));
	const struct inotify_event *event;

	for (char *p = buffer; p < buffer + (size > 0 ? size : 0); p += sizeof(*event) + event->len) {
		event = (const struct inotify_event *)p;
		if (event->mask & IN_Q_OVERFLOW) {
			begin_anew();
			return;
		}
		heard(event);
	}
	interests_sweep();
}

/* ---- the daemon ---- */

static void add(const struct paths_request *request) {
	const char *path = (const char *)(request + 1);
	struct watched *watched = watched_new(request->token, path, path + strlen(path) + 1, request->n_exclude);

	watched->since_ns = request->since_ns;
	watched->recursive = request->flags & PATHS_RECURSIVE;
	watched->rescan = request->flags & PATHS_AGAIN;
	if (inotify_fd < 0)
		inotify_fd = folders_begin();
	if (inotify_fd < 0)
		watched_fail(watched, -inotify_fd);
}

/* Return: false: the daemon has gone. */
static bool serve_daemon(void) {
	static union {
		struct paths_request request;
		char data[REQUEST_SIZE];
	} packet;
	ssize_t n = recv(PATHS_SOCKET_FD, &packet, sizeof(packet), 0);
	struct watched *watched;

	if (n < (ssize_t)sizeof(packet.request))
		return n < 0 && errno == EINTR;
	if (packet.request.order == PATHS_ADD) {
		add(&packet.request);
		return true;
	}
	watched = watched_find(packet.request.token);
	if (watched)
		watched_free(watched);
	return true;
}

static void serve(void) {
	bool busy = false;

	for (;;) {
		struct pollfd fds[2] = { { .fd = PATHS_SOCKET_FD, .events = POLLIN },
					 { .fd = inotify_fd, .events = POLLIN } };

		if (!busy)
			report_idle();
		report_flush();
		if (poll(fds, 2, busy ? 0 : -1) < 0)
			continue;
		if (fds[1].revents)
			serve_events();
		if (fds[0].revents && !serve_daemon())
			return;
		busy = watched_look() || tree_scan();
	}
}

int main(void) {
	struct stat st;

	if (fstat(PATHS_SOCKET_FD, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		fputs("evloop-paths: evloopd starts this program, people do not\n", stderr);
		return EXIT_NOT_EXECUTABLE;
	}
	/* It was executed by a descriptor, and is called by that number so far. */
	(void)prctl(PR_SET_NAME, "evloop-paths");
	/* Meant for the daemon, but sent to all processes of its unit. */
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGUSR1, SIG_IGN);
	closefrom(PATHS_SOCKET_FD + 1);
	(void)fcntl(PATHS_SOCKET_FD, F_SETFD, FD_CLOEXEC);
	/* No file system is kept busy. */
	if (chdir("/") < 0)
		return EXIT_NOT_EXECUTABLE;
	inotify_fd = -1;
	serve();
	return 0;
}
