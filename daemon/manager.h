/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The composition root: builds the daemon from its parts, wires them, and takes them down in reverse. */

#include <sys/resource.h>

#include "daemon/crash-note.h"
#include "daemon/inherited.h"
#include "daemon/peer/listener.h"
#include "daemon/peer/quota.h"
#include "daemon/peer/session-store.h"
#include "daemon/reload.h"
#include "daemon/rpc/dispatch.h"
#include "daemon/svc/fd-store.h"
#include "daemon/svc/ids.h"
#include "daemon/svc/journal.h"
#include "daemon/svc/service-status.h"
#include "daemon/svc/spawn.h"

struct manager_options {
	const int *listen_fds; /* listening, non-blocking; borrowed */
	size_t n_listen_fds; /* <= LISTENERS_MAX */
	const struct settings *settings; /* at first */
	const struct settings_source
		*source; /* where reloading finds them again; borrowed as long as the manager lives */
	bool executes; /* a user's own instance */
	enum spawn_mode spawn_mode; /* who starts commands */
	const char *exec_helper; /* path of evloop-exec */
	const char *paths_helper; /* path of evloop-paths; NULL: no paths are watched */
	rlim_t descriptors; /* what commands get as their soft limit of descriptors; 0: the daemon's */
	const char *socket_path; /* for jobs: EVLOOP_SOCKET; NULL: unknown */
	const char *ids_path; /* NULL: ids are not remembered */
	const char *state_path; /* borrowed as long as the manager lives; NULL: limiters are not remembered */
	struct escrow *escrow; /* where the next daemon finds what this one has; borrowed; NULL: there is none */
	struct note *note; /* where it finds what this one has if this one dies; borrowed; NULL: there is none */
	struct kept_copy *sessions; /* sockets of sessions that were kept; borrowed but for the descriptors */
	size_t n_sessions;
	struct kept_copy *holders; /* pidfds of permits; as those */
	size_t n_holders;
	struct config *config; /* what files define; taken over */
};

struct manager {
	struct loop *loop;
	struct journal *journal; /* NULL: there is none */
	struct starter *starter; /* NULL: no commands */
	struct paths *paths; /* NULL: no paths are watched */
	struct scheduler *scheduler;
	struct quota quota;
	struct rpc rpc;
	struct sessions sessions;
	struct listener listeners[LISTENERS_MAX];
	size_t n_listeners;
	struct ids ids;
	const char *state_path;
	struct escrow *escrow;
	bool handed_over; /* all there was, to the next daemon */
	struct crash_note crash_note;
	struct fd_store fd_store;
	struct keeper keeper;
	struct service_status status;
	bool supervised; /* a service manager hears `status` */
	struct reload reload;
	int64_t exit_idle_ns; /* leave after being idle for so long; 0: stay */
	struct memory_pressure *pressure; /* NULL: nobody says when memory is short */
	int64_t trimmed_ns; /* boottime; 0: never */
	size_t most_timers; /* since memory was last given back */
	int64_t idle_since_ns; /* boottime; 0: not idle */
	bool idled; /* long enough to leave */
};

/* Return: 0, −errno.  On failure nothing is left. */
int manager_init(struct manager *manager, const struct manager_options *options);

/* Hand over or save all that there is, and serve nobody any more.  Return: the next daemon may begin; false: not before this process has
 * ended, for something hangs and may still write what that one reads. */
bool manager_finish(struct manager *manager);

/* After that; the journal has a while to take what waits for it. */
void manager_deinit(struct manager *manager);

/* Between two runs: nobody is accepted; one comes that was accepted elsewhere (taken over); accept at `fd` alone.
 * Return: 0, −errno. */
void manager_stop_listening(struct manager *manager);
void manager_accept(struct manager *manager, int fd);
int manager_listen(struct manager *manager, int fd);

/* Serve until SIGTERM, SIGINT or idleness; may be called again.  Return: 0: by a signal, MANAGER_E_IDLE, −errno. */
enum {
	MANAGER_E_IDLE = 1,
};
int manager_run(struct manager *manager);
