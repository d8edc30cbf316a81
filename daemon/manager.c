/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns everything that lives as long as the daemon, the order in which it is built, and what the loop does in each turn beside
 * timers: send, and look at the clocks of sessions, listeners and idleness.  Decides nothing else.
 */

#include "daemon/manager.h"

#include <malloc.h>
#include <signal.h>
#include <string.h>

#include "daemon/core/loop.h"
#include "daemon/core/scheduler.h"
#include "daemon/restart.h"
#include "daemon/rpc/state.h"
#include "daemon/statistics.h"
#include "daemon/svc/log.h"
#include "daemon/svc/memory-pressure.h"
#include "daemon/svc/paths.h"
#include "daemon/svc/state-file.h"
#include "daemon/svc/systemd.h"

#define TRIM_INTERVAL_NS (10 * NSEC_PER_SEC)
#define LAST_WORDS_NS NSEC_PER_SEC /* so long the journal may take what waits for it when the daemon ends */
#define LAST_WORDS_RESTART_NS (50 * NSEC_PER_MSEC) /* the same where the next one is started when this one has gone */
#define TRIM_TIMERS 65536 /* it takes so many to leave memory worth giving back */

/* ---- the turn ---- */

/* Most of many timers have gone: the allocator keeps their memory unless it is told. */
static void give_memory_back(struct manager *manager) {
	struct scheduler_stats stats;

	scheduler_stats(manager->scheduler, &stats);
	manager->most_timers = MAX(manager->most_timers, stats.timers);
	if (manager->most_timers < TRIM_TIMERS || stats.timers > manager->most_timers / 8)
		return;
	manager->most_timers = stats.timers;
	(void)malloc_trim(0);
}

static bool manager_flush(void *userdata) {
	struct manager *manager = userdata;
	bool more = sessions_flush(&manager->sessions);

	give_memory_back(manager);
	ids_look(&manager->ids, manager->loop, scheduler_next_id(manager->scheduler));
	return more;
}

/* When there will have been nothing to do for long enough. */
static int64_t next_idle(struct manager *manager) {
	int64_t idle_at = manager->exit_idle_ns > 0 && manager->sessions.n == 0 ? scheduler_idle_at(manager->scheduler)
										: INT64_MAX;

	if (idle_at == INT64_MAX) {
		manager->idle_since_ns = 0;
		return INT64_MAX;
	}
	if (manager->idle_since_ns == 0)
		manager->idle_since_ns = loop_now(manager->loop)->ns[TIMER_CLOCK_BOOTTIME];
	return MAX(manager->idle_since_ns, idle_at) + manager->exit_idle_ns;
}

static void count_status(struct manager *manager) {
	struct scheduler_stats stats;

	scheduler_stats(manager->scheduler, &stats);
	service_status_count(&manager->status, &(struct status_counts){
						       .sessions = manager->sessions.n,
						       .timers = stats.timers,
						       .jobs = stats.jobs,
						       .limiters = stats.limiters,
					       });
}

/* When the service manager is to be told how much there is to do, if it listens. */
static int64_t next_status(struct manager *manager) {
	if (!manager->supervised)
		return INT64_MAX;
	count_status(manager);
	return service_status_next(&manager->status);
}

static int64_t manager_next(void *userdata) {
	struct manager *manager = userdata;
	int64_t next = MIN(sessions_next(&manager->sessions), next_idle(manager));

	next = MIN(next, next_status(manager));
	next = MIN(next, crash_note_next(&manager->crash_note));
	next = MIN(next, holder_store_next(&manager->rpc.holders));
	if (manager->paths)
		next = MIN(next, paths_next(manager->paths));
	if (manager->starter)
		next = MIN(next, spawner_next(manager->starter));
	if (manager->journal)
		next = MIN(next, journal_next(manager->journal));
	for (size_t i = 0; i < manager->n_listeners; i++)
		next = MIN(next, listener_next(&manager->listeners[i]));
	return next;
}

static void manager_tick(void *userdata, int64_t boottime_ns) {
	struct manager *manager = userdata;

	sessions_tick(&manager->sessions, boottime_ns);
	for (size_t i = 0; i < manager->n_listeners; i++)
		listener_tick(&manager->listeners[i], boottime_ns);
	if (manager->paths)
		paths_tick(manager->paths, boottime_ns);
	if (manager->starter)
		spawner_tick(manager->starter, boottime_ns);
	if (manager->journal)
		journal_tick(manager->journal, boottime_ns);
	crash_note_tick(&manager->crash_note);
	holder_store_tick(&manager->rpc.holders, boottime_ns);
	if (manager->supervised)
		service_status_tick(&manager->status, boottime_ns);
	if (next_idle(manager) <= boottime_ns) {
		manager->idled = true;
		loop_stop(manager->loop);
	}
}

static const struct loop_ops manager_loop_ops = {
	.flush = manager_flush,
	.next = manager_next,
	.tick = manager_tick,
};

/* ---- what requests need ---- */

static void manager_reload(void *userdata, struct deferred *deferred) {
	struct manager *manager = userdata;

	reload_start(&manager->reload, deferred);
}

static const struct rpc_ops manager_rpc_ops = {
	.reload = manager_reload,
};

/* ---- signals ---- */

static void manager_signal(void *userdata, int signal_number) {
	struct manager *manager = userdata;

	if (signal_number == SIGHUP) {
		reload_start(&manager->reload, NULL);
	} else if (signal_number == SIGUSR1) {
		statistics_log(&manager->sessions);
	} else {
		log_event(LOG_NOTICE, MESSAGE_STOPPED, NULL, "received %s: leaving",
			  signal_number == SIGTERM ? "SIGTERM" : "SIGINT");
		loop_stop(manager->loop);
	}
}

/* ---- memory ---- */

/* The system is short of it.  How often it says so is up to it. */
static void manager_trim(void *userdata) {
	struct manager *manager = userdata;
	int64_t now_ns = loop_now(manager->loop)->ns[TIMER_CLOCK_BOOTTIME];

	if (manager->trimmed_ns > 0 && now_ns - manager->trimmed_ns < TRIM_INTERVAL_NS)
		return;
	manager->trimmed_ns = now_ns;
	manager->most_timers = 0;
	(void)malloc_trim(0);
	log_event(LOG_NOTICE, MESSAGE_MEMORY_TRIMMED, NULL, "memory is short: gave back what was not in use");
}

static void add_memory_pressure(struct manager *manager) {
	int r = memory_pressure_new(&manager->pressure, manager->loop, manager_trim, manager);

	if (r < 0 && r != -ENOENT)
		log_warning("cannot hear when memory is short: %s", strerror(-r));
}

/* ---- what outlives the daemon ---- */

static int64_t keeper_next(void *userdata) {
	return fd_store_next(&((struct manager *)userdata)->fd_store);
}

static int keeper_keep(void *userdata, const char *name, int fd) {
	struct manager *manager = userdata;

	return fd_store_put(&manager->fd_store, name, fd, loop_now(manager->loop)->ns[TIMER_CLOCK_BOOTTIME]);
}

static void keeper_forget(void *userdata _unused_, const char *name) {
	fd_store_remove(name);
}

/* ---- building ---- */

static int add_signals(struct manager *manager) {
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		int r = loop_add_signal(manager->loop, signals[i], manager_signal, manager);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Everything, if the daemon before has handed it over.  Return: it has. */
static bool take_over(struct manager *manager) {
	int r = manager->escrow ? restart_take(manager->escrow, &manager->rpc, &manager->sessions) : -ENOENT;

	if (r < 0 && r != -ENOENT)
		log_event(LOG_ERR, MESSAGE_STATE_NOT_KEPT, NULL, "cannot take over from the daemon before: %s",
			  strerror(-r));
	return r >= 0;
}

/* Sockets that the service manager has kept: of sessions that were handed over, or of a daemon that has died. */
static void take_sessions(struct manager *manager, const struct manager_options *options) {
	size_t n = session_store_take(&manager->sessions, options->sessions, options->n_sessions);

	if (n > 0)
		log_event(LOG_WARNING, MESSAGE_DAEMON_DIED, NULL,
			  "the daemon before has died; clients that stay connected, and arm again what they had armed: "
			  "%zu",
			  n);
}

/* What the daemon before has left, if it has; if it has died, that is a note.  Whatever else it is, is gone once it has been looked at. */
static void load_state(struct manager *manager, const struct manager_options *options) {
	bool died = options->note && note_is_there(options->note), taken;
	FILE *file;
	int r;

	if (!died)
		crash_note_spoil(options->note);
	file = manager->state_path ? state_file_take(manager->state_path) : NULL;
	taken = take_over(manager);
	if (!file) {
		if (!taken && died)
			(void)crash_note_load(options->note, manager->scheduler, &manager->rpc.holders,
					      options->holders, options->n_holders);
		return;
	}
	r = taken ? 0 : state_load(manager->scheduler, file);
	(void)fclose(file);
	if (r < 0)
		log_event(LOG_WARNING, MESSAGE_STATE_NOT_KEPT, NULL, "cannot use %s: %s", manager->state_path,
			  strerror(-r));
	else if (r > 0)
		log_info("%d limiters go on where they were", r);
}

/* Sessions are gone by now, and with them all who waited.  Return: nothing is lost. */
static bool save_state(struct manager *manager) {
	struct scheduler_stats stats;
	FILE *file;
	int r;

	scheduler_stats(manager->scheduler, &stats);
	if (!manager->state_path || stats.limiters == 0)
		return stats.limiters == 0;
	(void)loop_refresh(manager->loop);
	file = state_file_begin(manager->state_path);
	r = file ? state_file_end(file, manager->state_path, state_save(manager->scheduler, file)) : -errno;
	if (r < 0)
		log_event(LOG_WARNING, MESSAGE_STATE_NOT_KEPT, NULL, "cannot write %s: limiters will begin full: %s",
			  manager->state_path, strerror(-r));
	return r >= 0;
}

/* Clients and all that is theirs go to the next process of the service, if there will be one.  Return: they do. */
static bool hand_over(struct manager *manager) {
	int r;

	if (!manager->escrow || !manager->sessions.buffers || systemd_stops_for_good(manager->starter))
		return false;
	if (manager->starter)
		spawner_settle(manager->starter);
	(void)loop_refresh(manager->loop);
	r = restart_give(manager->escrow, &manager->rpc, &manager->sessions);
	if (manager->starter)
		spawner_settle(manager->starter);
	if (r < 0)
		log_event(LOG_ERR, MESSAGE_STATE_NOT_KEPT, NULL, "cannot hand over to the next daemon: %s",
			  strerror(-r));
	return r >= 0;
}

/* Without it the daemon does all else. */
static void add_paths(struct manager *manager, const char *exec_path) {
	int r = paths_new(&manager->paths, manager->loop, exec_path);

	if (r < 0)
		log_warning("cannot use %s, which watches paths: %s", exec_path, strerror(-r));
	else
		scheduler_set_path_watcher(manager->scheduler, paths_watcher(manager->paths));
}

/* The core keeps some limits by itself. */
static void apply_limits(struct manager *manager) {
	const struct quota *quota = &manager->quota;

	scheduler_set_job_limit(manager->scheduler, MIN(quota->limits[QUOTA_JOBS], SIZE_MAX));
	scheduler_set_message_limits(manager->scheduler, MIN(quota->limits[QUOTA_MESSAGE_BYTES], SIZE_MAX),
				     MIN(quota->pools[QUOTA_MESSAGE_BYTES], SIZE_MAX));
}

/* The configuration was read again.  What is there already stays, though it may be more than is allowed now. */
static void manager_change(void *userdata, const struct settings *settings) {
	struct manager *manager = userdata;

	quota_change(&manager->quota, &settings->quota);
	apply_limits(manager);
	manager->exit_idle_ns = settings->exit_idle_ns;
	log_set_level(settings->log_level);
}

/* All of it is in force, and `systemctl reload` is about to hear so: who looks then shall see it. */
static void manager_changed(void *userdata) {
	struct manager *manager = userdata;

	if (!manager->supervised)
		return;
	count_status(manager);
	service_status_tell(&manager->status, loop_now(manager->loop)->ns[TIMER_CLOCK_BOOTTIME]);
}

static const struct reload_ops manager_reload_ops = {
	.change = manager_change,
	.changed = manager_changed,
};

static int add_scheduler(struct manager *manager, const struct manager_options *options) {
	int64_t first;
	int r;

	if (options->executes) {
		(void)journal_new(&manager->journal, JOURNAL_SOCKET, manager->loop); /* where there is one */
		r = spawner_new(&manager->starter, manager->loop,
				&(struct spawner_options){
					.mode = options->spawn_mode,
					.exec_path = options->exec_helper,
					.socket_path = options->socket_path,
					.descriptors = options->descriptors,
					.journal = manager->journal,
				});
		if (r < 0) {
			log_error("cannot use %s, which starts commands: %s", options->exec_helper, strerror(-r));
			return r;
		}
	}
	r = scheduler_new(&manager->scheduler, loop_refresh(manager->loop), manager->starter);
	if (r < 0)
		return r;
	apply_limits(manager);
	if (options->executes && options->paths_helper)
		add_paths(manager, options->paths_helper);
	first = ids_begin(&manager->ids, options->ids_path);
	if (first < 0)
		log_event(LOG_WARNING, MESSAGE_STATE_NOT_KEPT, NULL, "cannot write %s: ids may repeat after a restart",
			  options->ids_path);
	scheduler_set_first_id(manager->scheduler, first < 0 ? 1 : (uint64_t)first);
	loop_set_scheduler(manager->loop, manager->scheduler);
	return 0;
}

static int add_listeners(struct manager *manager, const struct manager_options *options) {
	for (size_t i = 0; i < options->n_listen_fds; i++) {
		int r = listener_init(&manager->listeners[i], &manager->sessions, options->listen_fds[i]);

		if (r < 0)
			return r;
		manager->n_listeners++;
	}
	return 0;
}

static int manager_build(struct manager *manager, const struct manager_options *options) {
	int r;

	r = loop_new(&manager->loop);
	if (r < 0)
		return r;
	r = add_signals(manager);
	if (r < 0)
		return r;
	r = add_scheduler(manager, options);
	if (r < 0)
		return r;
	r = rpc_init(&manager->rpc, manager->loop, manager->scheduler, &manager->quota, options->executes);
	if (r < 0)
		return r;
	manager->rpc.ops = &manager_rpc_ops;
	manager->rpc.userdata = manager;
	r = sessions_init(&manager->sessions, manager->loop, manager->scheduler, &manager->quota, &rpc_session_ops,
			  &manager->rpc);
	if (r < 0)
		return r;
	manager->state_path = options->state_path;
	manager->escrow = options->escrow;
	if (options->escrow) {
		manager->keeper = (struct keeper){
			.next = keeper_next, .keep = keeper_keep, .forget = keeper_forget, .userdata = manager
		};
		manager->sessions.kept.keeper = manager->rpc.holders.kept.keeper = &manager->keeper;
	}
	load_state(manager, options);
	holder_store_settle(&manager->rpc.holders, options->holders, options->n_holders);
	take_sessions(manager, options);
	reload_init(&manager->reload, manager->loop, manager->scheduler, options->source, &manager_reload_ops, manager);
	reload_apply(&manager->reload, options->config);
	manager->supervised = systemd_listens();
	service_status_init(&manager->status, systemd_notify, systemd_watchdog_ns(),
			    loop_now(manager->loop)->ns[TIMER_CLOCK_BOOTTIME]);
	add_memory_pressure(manager);
	crash_note_start(&manager->crash_note, options->note, manager->scheduler, &manager->rpc.holders);
	loop_set_ops(manager->loop, &manager_loop_ops, manager);
	return add_listeners(manager, options);
}

int manager_init(struct manager *manager, const struct manager_options *options) {
	int r;

	*manager = (struct manager){
		.quota = options->settings->quota,
		.exit_idle_ns = options->settings->exit_idle_ns,
	};
	r = manager_build(manager, options);
	if (r < 0) {
		(void)manager_finish(manager);
		manager_deinit(manager);
	}
	return r;
}

bool manager_finish(struct manager *manager) {
	bool kept, ended = true;

	manager_stop_listening(manager);
	reload_deinit(&manager->reload);
	manager->rpc.holders.kept.keeper = NULL; /* what is kept stays, and the next one sees what it is worth */
	kept = manager->handed_over = hand_over(manager);
	sessions_deinit(&manager->sessions);
	rpc_deinit(&manager->rpc);
	if (manager->scheduler) {
		kept |= save_state(manager);
		crash_note_end(&manager->crash_note, kept);
		ended = ids_end(&manager->ids, scheduler_next_id(manager->scheduler));
	}
	manager->pressure = memory_pressure_free(manager->pressure);
	if (manager->loop)
		loop_set_scheduler(manager->loop, NULL);
	manager->scheduler = scheduler_free(manager->scheduler);
	manager->paths = paths_free(manager->paths);
	manager->starter = spawner_free(manager->starter);
	return ended;
}

void manager_deinit(struct manager *manager) {
	if (manager->journal)
		journal_last_words(manager->journal, manager->handed_over ? LAST_WORDS_RESTART_NS : LAST_WORDS_NS);
	manager->journal = journal_free(manager->journal);
	manager->loop = loop_free(manager->loop);
}

void manager_stop_listening(struct manager *manager) {
	while (manager->n_listeners > 0)
		listener_deinit(&manager->listeners[--manager->n_listeners]);
}

void manager_accept(struct manager *manager, int fd) {
	sessions_accept(&manager->sessions, fd);
}

int manager_listen(struct manager *manager, int fd) {
	return add_listeners(manager, &(struct manager_options){ .listen_fds = &fd, .n_listen_fds = 1 });
}

int manager_run(struct manager *manager) {
	int r;

	manager->idled = false;
	manager->idle_since_ns = 0;
	r = loop_run(manager->loop);
	return r == 0 && manager->idled ? MANAGER_E_IDLE : r;
}
