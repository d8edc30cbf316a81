/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the processes that look at files, which watch is with which of them, and what to do when one hangs or dies.
 *
 * A process says for which watch it looks at files, and when it is done.  One that says nothing more for STUCK_NS hangs: it keeps the
 * watch that it hangs for, and all others go to another one.  Whoever has changed processes may have missed something,
 * and is told to look for himself.
 */

#include "daemon/svc/paths.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "daemon/exec/paths-wire.h"
#include "daemon/svc/file-time.h"
#include "daemon/svc/helper.h"
#include "daemon/svc/log.h"

static_assert(PATHS_SOCKET_FD == HELPER_SOCKET_FD && PATHS_PACKET_MAX <= HELPER_PACKET_MAX, "both sides agree");

#define PROCESSES_MAX 4
#define STUCK_NS (2 * NSEC_PER_SEC)
#define LINGER_NS (10 * NSEC_PER_SEC) /* that a process stays that has nothing to watch */
#define TICK_NS                                                                                                        \
	(10 * NSEC_PER_MSEC) /* the longest one of the clock that files are marked with, which may be so far behind */
#define DEATHS_MAX 3 /* of processes that were looking at files for one watch */

struct process;

struct watch {
	LIST_ENTRY(watch) link; /* process::watches */
	struct process *process;
	struct path_watch *path_watch;
	uint64_t token;
	unsigned deaths;
	size_t size;
	struct paths_request request; /* to add it, `size` bytes with its strings */
};
LIST_HEAD(watch_list, watch);

struct process {
	LIST_ENTRY(process) link; /* paths::processes */
	struct paths *paths;
	struct helper *helper;
	struct watch_list watches;
	uint64_t busy; /* the watch that it looks at files for; 0: none that we know of */
	int64_t stuck_at_ns; /* boottime, when it will not have said anything for too long; INT64_MAX: it need not */
	int64_t leaves_at_ns; /* boottime; INT64_MAX: it has something to watch */
	bool heard; /* since it was made */
	bool stuck;
	bool leaving;
};

struct paths {
	struct path_watcher watcher;
	struct loop *loop;
	int exec_fd;
	char exec_path[32]; /* /proc/self/fd/N: the path is walked once */
	struct file_time file_time;
	struct map watches; /* by token */
	struct map_memory maps;
	uint64_t next_token;
	LIST_HEAD(, process) processes;
};

static int64_t now_of(const struct paths *paths) {
	return loop_now(paths->loop)->ns[TIMER_CLOCK_BOOTTIME];
}

static const char *path_of(const struct watch *watch) {
	return (const char *)(&watch->request + 1);
}

/* ---- processes ---- */

static const struct helper_ops process_ops;

static int process_new(struct process **ret, struct paths *paths) {
	struct process *process = calloc(1, sizeof(*process));
	int r;

	if (!process)
		return -ENOMEM;
	process->paths = paths;
	process->stuck_at_ns = process->leaves_at_ns = INT64_MAX;
	LIST_INIT(&process->watches);
	r = helper_new(&process->helper, paths->loop,
		       &(struct helper_options){
			       .path = paths->exec_path,
			       .name = "evloop-paths",
			       .purpose = "which watches paths",
		       },
		       &process_ops, process);
	if (r < 0) {
		free(process);
		return r;
	}
	LIST_INSERT_HEAD(&paths->processes, process, link);
	*ret = process;
	return 0;
}

static void process_free(struct process *process) {
	helper_free(process->helper);
	LIST_REMOVE(process, link);
	free(process);
}

/* One that answers, made if need be.  Return: 0, PATH_WATCH_E_STUCK, −errno. */
static int find_process(struct paths *paths, struct process **ret) {
	struct process *process;
	unsigned n = 0;

	LIST_FOREACH(process, &paths->processes, link) {
		if (process->leaving)
			continue;
		if (!process->stuck) {
			*ret = process;
			return 0;
		}
		n++;
	}
	return n < PROCESSES_MAX ? process_new(ret, paths) : PATH_WATCH_E_STUCK;
}

static int send_request(struct process *process, const struct paths_request *request, size_t size) {
	struct helper_packet *packet;
	void *room;
	int r;

	packet = helper_packet(size, &room);
	if (!packet)
		return -ENOMEM;
	memcpy(room, request, size);
	r = helper_send(process->helper, packet, size);
	if (r == 0 && process->stuck_at_ns == INT64_MAX && request->order == PATHS_ADD)
		process->stuck_at_ns = now_of(process->paths) + STUCK_NS;
	return r;
}

/* ---- watches ---- */

static void watch_free(struct watch *watch) {
	if (watch->process)
		LIST_REMOVE(watch, link);
	free(watch);
}

/* Tell the core that this was all. */
static void watch_fail(struct paths *paths, struct watch *watch, int error) {
	struct path_watch *path_watch = watch->path_watch;

	if (error == ENOSPC)
		log_warning("cannot watch %s: fs.inotify.max_user_watches of sysctl(8) are watched already",
			    path_of(watch));
	if (error == EMFILE)
		log_warning("cannot watch %s: fs.inotify.max_user_instances of sysctl(8) are in use", path_of(watch));
	(void)map_remove(&paths->watches, watch->token);
	watch_free(watch);
	path_watch_failed(path_watch, error);
}

/* Give it to a process.  Return: 0, PATH_WATCH_E_STUCK, −errno. */
static int watch_place(struct paths *paths, struct watch *watch) {
	struct process *process;
	int r = find_process(paths, &process);

	if (r != 0)
		return r;
	r = send_request(process, &watch->request, watch->size);
	if (r < 0)
		return r;
	watch->process = process;
	process->leaves_at_ns = INT64_MAX;
	LIST_INSERT_HEAD(&process->watches, watch, link);
	return 0;
}

/* What changed while it was with nobody, nobody knows. */
static void watch_again(struct paths *paths, struct watch *watch) {
	int r;

	watch->request.flags |= PATHS_AGAIN;
	watch->request.since_ns = 0;
	r = watch_place(paths, watch);
	if (r != 0)
		watch_fail(paths, watch, r == PATH_WATCH_E_STUCK ? EBUSY : -r);
}

static char *put_string(char *p, const char *string) {
	size_t size = strlen(string) + 1;

	memcpy(p, string, size);
	return p + size;
}

static struct watch *watch_new(struct path_watch *path_watch, uint64_t token, const struct path_spec *spec) {
	size_t size = strlen(spec->path) + 1;
	struct watch *watch;
	char *p;

	for (size_t i = 0; i < spec->n_exclude; i++)
		size += strlen(spec->exclude[i]) + 1;
	watch = calloc(1, sizeof(*watch) + size);
	if (!watch)
		return NULL;
	watch->path_watch = path_watch;
	watch->token = token;
	watch->size = sizeof(watch->request) + size;
	watch->request = (struct paths_request){
		.token = token,
		.order = PATHS_ADD,
		.flags = spec->recursive ? PATHS_RECURSIVE : 0,
		.n_exclude = (uint32_t)spec->n_exclude,
	};
	p = put_string((char *)(&watch->request + 1), spec->path);
	for (size_t i = 0; i < spec->n_exclude; i++)
		p = put_string(p, spec->exclude[i]);
	return watch;
}

static int add(struct path_watcher *watcher, struct path_watch *path_watch, const struct path_spec *spec,
	       void **ret_token) {
	struct paths *paths = container_of(watcher, struct paths, watcher);
	struct watch *watch = watch_new(path_watch, paths->next_token, spec);
	int64_t realtime_ns;
	int r;

	if (!watch)
		return -ENOMEM;
	r = map_insert(&paths->watches, watch->token, watch);
	if (r == 0) {
		realtime_ns = loop_refresh(paths->loop)->ns[TIMER_CLOCK_REALTIME];
		watch->request.since_ns =
			spec->since_ns > 0 ? spec->since_ns - TICK_NS : file_time_mark(&paths->file_time, realtime_ns);
		r = watch_place(paths, watch);
		if (r != 0)
			(void)map_remove(&paths->watches, watch->token);
	}
	if (r != 0) {
		watch_free(watch);
		return r;
	}
	paths->next_token++;
	*ret_token = watch;
	return 0;
}

static int describe(struct path_watcher *watcher _unused_, void *token, struct path_spec *ret) {
	const struct watch *watch = token;
	const char **exclude = calloc(watch->request.n_exclude + 1, sizeof(*exclude));
	const char *p = path_of(watch);

	if (!exclude)
		return -ENOMEM;
	*ret = (struct path_spec){
		.path = p,
		.recursive = watch->request.flags & PATHS_RECURSIVE,
		.exclude = exclude,
		.n_exclude = watch->request.n_exclude,
	};
	for (size_t i = 0; i < ret->n_exclude; i++) {
		p += strlen(p) + 1;
		exclude[i] = p;
	}
	return 0;
}

/* It has one watch less. */
static void process_settle(struct process *process) {
	if (!LIST_EMPTY(&process->watches))
		return;
	if (process->stuck)
		helper_kill(process->helper); /* it may have to wait for its file system before it ends */
	else
		process->leaves_at_ns = loop_refresh(process->paths->loop)->ns[TIMER_CLOCK_BOOTTIME] + LINGER_NS;
}

/* Its process forgets it. */
static void watch_take_away(struct watch *watch) {
	struct process *process = watch->process;

	(void)send_request(process, &(struct paths_request){ .token = watch->token, .order = PATHS_REMOVE },
			   sizeof(watch->request));
	LIST_REMOVE(watch, link);
	watch->process = NULL;
}

static void remove_watch(struct path_watcher *watcher, void *token) {
	struct paths *paths = container_of(watcher, struct paths, watcher);
	struct watch *watch = token;
	struct process *process = watch->process;

	(void)map_remove(&paths->watches, watch->token);
	watch_take_away(watch);
	watch_free(watch);
	process_settle(process);
}

/* ---- what processes say ---- */

static void process_goes_on(struct process *process) {
	if (process->stuck)
		log_notice("evloop-paths goes on");
	process->stuck = false;
}

static void heard_report(struct process *process, const struct paths_report *report) {
	struct watch *watch = map_find(&process->paths->watches, report->token);

	/* It may have been taken away meanwhile. */
	if (!watch || watch->process != process)
		return;
	switch ((enum paths_word)report->word) {
	case PATHS_CHANGED:
		path_watch_changed(watch->path_watch, (const char *)(report + 1), report->size, report->events);
		break;
	case PATHS_RESCAN:
		path_watch_lost_track(watch->path_watch);
		break;
	case PATHS_FAILED:
		watch_fail(process->paths, watch, report->error);
		process_settle(process);
		break;
	case PATHS_BUSY:
	case PATHS_IDLE:
		break;
	}
}

static void process_said(void *userdata, const void *data, size_t size, int fd) {
	struct process *process = userdata;
	int64_t now_ns = loop_refresh(process->paths->loop)->ns[TIMER_CLOCK_BOOTTIME];
	const char *p = data;

	close_fd(fd);
	process->heard = true;
	process_goes_on(process);
	while (size >= sizeof(struct paths_report)) {
		const struct paths_report *report = (const struct paths_report *)p;
		size_t report_size = report->size < PATHS_PACKET_MAX ? paths_report_size(report->size) : SIZE_MAX;

		if (report_size > size)
			break;
		if (report->word == PATHS_BUSY || report->word == PATHS_IDLE) {
			process->busy = report->word == PATHS_BUSY ? report->token : 0;
			process->stuck_at_ns = report->word == PATHS_BUSY ? now_ns + STUCK_NS : INT64_MAX;
		} else {
			heard_report(process, report);
		}
		p += report_size;
		size -= report_size;
	}
}

static void process_refused(void *userdata, const void *data, int error) {
	struct process *process = userdata;
	const struct paths_request *request = data;
	struct watch *watch = map_find(&process->paths->watches, request->token);

	if (watch && request->order == PATHS_ADD)
		watch_fail(process->paths, watch, error);
	process_settle(process);
}

/* ---- what becomes of them ---- */

/* All that is with it, but for one, is with nobody any more. */
static void process_give_up(struct process *process, uint64_t except, struct watch_list *ret) {
	struct watch *watch, *next;

	LIST_INIT(ret);
	for (watch = LIST_FIRST(&process->watches); watch; watch = next) {
		next = LIST_NEXT(watch, link);
		if (watch->token == except)
			continue;
		watch_take_away(watch);
		LIST_INSERT_HEAD(ret, watch, link);
	}
}

static void watches_again(struct paths *paths, struct watch_list *watches) {
	struct watch *watch;

	while ((watch = LIST_FIRST(watches))) {
		LIST_REMOVE(watch, link);
		watch_again(paths, watch);
	}
}

static void process_lost(void *userdata) {
	struct process *process = userdata;
	struct paths *paths = process->paths;
	struct watch *culprit = map_find(&paths->watches, process->busy), *watch;
	struct watch_list watches = LIST_HEAD_INITIALIZER(watches);
	bool heard = process->heard;

	(void)loop_refresh(paths->loop);
	while ((watch = LIST_FIRST(&process->watches))) {
		LIST_REMOVE(watch, link);
		watch->process = NULL;
		LIST_INSERT_HEAD(&watches, watch, link);
	}
	process_free(process);
	if (culprit)
		culprit->deaths++;
	while (!heard && (watch = LIST_FIRST(&watches))) {
		LIST_REMOVE(watch, link);
		watch_fail(paths, watch, EIO); /* it cannot even begin: another one could not either */
	}
	if (heard && culprit && culprit->deaths == DEATHS_MAX && !culprit->process) {
		LIST_REMOVE(culprit, link);
		watch_fail(paths, culprit, EIO);
	}
	watches_again(paths, &watches);
}

static const struct helper_ops process_ops = {
	.received = process_said,
	.refused = process_refused,
	.lost = process_lost,
};

static void process_is_stuck(struct process *process) {
	const struct watch *culprit = map_find(&process->paths->watches, process->busy);
	struct watch_list watches;

	process->stuck = true;
	process->stuck_at_ns = INT64_MAX;
	log_warning("evloop-paths has not answered for 2 s, and is left to itself; it looks at %s",
		    culprit ? path_of(culprit) : "nothing");
	process_give_up(process, process->busy, &watches);
	watches_again(process->paths, &watches);
	process_settle(process);
}

int64_t paths_next(const struct paths *paths) {
	const struct process *process;
	int64_t next = INT64_MAX;

	LIST_FOREACH(process, &paths->processes, link)
	next = MIN(next, MIN(process->stuck_at_ns, process->leaves_at_ns));
	return next;
}

void paths_tick(struct paths *paths, int64_t boottime_ns) {
	struct process *process, *next;

	for (process = LIST_FIRST(&paths->processes); process; process = next) {
		next = LIST_NEXT(process, link);
		if (process->stuck_at_ns <= boottime_ns)
			process_is_stuck(process);
		if (process->leaves_at_ns <= boottime_ns) {
			process->leaves_at_ns = INT64_MAX;
			process->leaving = true;
			helper_end(process->helper);
		}
	}
}

/* ---- all of them ---- */

int paths_new(struct paths **ret, struct loop *loop, const char *exec_path) {
	struct paths *paths;
	int exec_fd = open(exec_path, O_PATH | O_CLOEXEC);

	if (exec_fd < 0)
		return -errno;
	paths = calloc(1, sizeof(*paths));
	if (!paths) {
		close_fd(exec_fd);
		return -ENOMEM;
	}
	paths->watcher = (struct path_watcher){ .add = add, .remove = remove_watch, .describe = describe };
	paths->loop = loop;
	paths->exec_fd = exec_fd;
	snprintf(paths->exec_path, sizeof(paths->exec_path), "/proc/self/fd/%d", exec_fd);
	file_time_init(&paths->file_time);
	map_memory_init(&paths->maps);
	map_init(&paths->watches, &paths->maps);
	paths->next_token = 1;
	LIST_INIT(&paths->processes);
	*ret = paths;
	return 0;
}

struct paths *paths_free(struct paths *paths) {
	struct process *process;

	if (!paths)
		return NULL;
	while ((process = LIST_FIRST(&paths->processes)))
		process_free(process);
	map_memory_deinit(&paths->maps);
	file_time_deinit(&paths->file_time);
	close_fd(paths->exec_fd);
	free(paths);
	return NULL;
}

struct path_watcher *paths_watcher(struct paths *paths) {
	return &paths->watcher;
}
