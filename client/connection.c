/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns a connection as a whole: its parts are made and unmade here, and its end is dealt with here, whether the
 * user closes it, the daemon goes, or the process forks.
 */

#include "client/internal.h"

#include <string.h>
#include <sys/mman.h>

/* A page that is 0 in a child after fork: one read, where getpid(2) would be a system call in every call. */
static int watch_fork(struct evl *evl) {
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	uint32_t *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return -errno;
	if (madvise(page, size, MADV_WIPEONFORK) < 0) {
		int r = -errno;

		(void)munmap(page, size);
		return r;
	}
	*page = 1;
	evl->alive = page;
	return 0;
}

static void free_found_paths(struct evl *evl) {
	while (!SLIST_EMPTY(&evl->found_paths)) {
		struct found_path *found = SLIST_FIRST(&evl->found_paths);

		SLIST_REMOVE_HEAD(&evl->found_paths, link);
		free(found);
	}
}

static void free_told_refusals(struct evl *evl) {
	while (!STAILQ_EMPTY(&evl->told_refusals)) {
		struct told_refusal *told = STAILQ_FIRST(&evl->told_refusals);

		STAILQ_REMOVE_HEAD(&evl->told_refusals, link);
		free(told);
	}
}

static void free_parts(struct evl *evl) {
	output_reset(&evl->output);
	input_deinit(&evl->input);
	handle_deinit(&evl->handles);
	loop_deinit(&evl->loop);
	evl->local_fd = close_fd(evl->local_fd);
	side_deinit(&evl->side);
	evl->socket = close_fd(evl->socket);
	if (evl->hello)
		evloop__hello_reply__free_unpacked(evl->hello, NULL);
	/* A limiter survives, and what is called with it forgets what the last one left. */
	if (evl->error)
		evloop__error__free_unpacked(TAKE_PTR(evl->error), NULL);
	free(evl->path);
	free_found_paths(evl);
	free_told_refusals(evl);
	free(evl->last_words);
	if (evl->alive)
		(void)munmap((void *)evl->alive, (size_t)sysconf(_SC_PAGESIZE));
	evl->alive = NULL;
}

static int init_parts(struct evl *evl, const char *path, unsigned flags) {
	int r;

	evl->socket = evl->local_fd = -1;
	evl->timeout_ns = DEFAULT_TIMEOUT_NS;
	evl->flags = flags;
	TAILQ_INIT(&evl->requests);
	STAILQ_INIT(&evl->unacked);
	STAILQ_INIT(&evl->told_refusals);
	output_init(&evl->output);
	debug_init(&evl->debug);
	side_init(&evl->side);
	r = loop_init(&evl->loop);
	if (r >= 0)
		r = input_init(&evl->input);
	if (r >= 0)
		r = local_init(&evl->local);
	if (r >= 0)
		r = watch_fork(evl);
	if (r >= 0 && path) {
		evl->path = strdup(path);
		r = evl->path ? 0 : -ENOMEM;
	}
	return r;
}

int evl_connect_explained(struct evl **ret, const char *path, unsigned flags, Evloop__Error **ret_refusal) {
	struct evl *evl;
	int r;

	*ret_refusal = NULL;
	if (flags & ~(unsigned)EVL_CONNECT_AUTOSTART)
		return -EINVAL;
	evl = calloc(1, sizeof(*evl));
	if (!evl)
		return -ENOMEM;
	r = init_parts(evl, path, flags);
	if (r >= 0)
		r = hello_open(evl, path, false);
	if (r < 0) {
		*ret_refusal = TAKE_PTR(evl->error);
		free_parts(evl);
		free(evl);
		return r;
	}
	*ret = evl;
	return 0;
}

int evl_connect_with(struct evl **ret, const char *path, unsigned flags) {
	Evloop__Error *refusal;
	int r = evl_connect_explained(ret, path, flags, &refusal);

	if (refusal)
		evloop__error__free_unpacked(refusal, NULL);
	return r;
}

int evl_connect(struct evl **ret, const char *path) {
	return evl_connect_with(ret, path, 0);
}

void connection_unpin(struct evl *evl) {
	if (--evl->n_pins > 0 || !evl->closed)
		return;
	if (evl->alive)
		free_parts(evl);
	if (evl->n_sources == 0)
		free(evl);
}

void connection_drop_source(struct evl *evl) {
	evl->n_sources--;
	if (evl->closed && evl->n_sources == 0 && evl->n_pins == 0)
		free(evl);
}

/* All, or those that end with the session.  The destructor of each may close, cancel and free others, so nothing is remembered from one to the next. */
static void end_sources(struct evl *evl, bool all) {
	for (size_t i = 0; i < evl->handles.n_slots; i++) {
		struct evl_source *source = handle_in_slot(&evl->handles, i);

		if (!source || (!all && (source->rearm || !source_at_daemon(source))))
			continue;
		source_retire(source);
		source_settle(source);
	}
}

struct evl *evl_close(struct evl *evl) {
	if (!evl || evl->closed)
		return NULL;
	connection_pin(evl);
	if (*evl->alive && evl->link == LINK_UP)
		(void)output_send_until(evl, call_deadline(evl));
	evl->closed = true;
	call_fail_all(evl, -ECONNRESET);
	end_sources(evl, true);
	executor_end(evl);
	ack_drop(evl);
	local_deinit(evl);
	evl->socket = close_fd(evl->socket);
	evl->link = LINK_DOWN;
	connection_unpin(evl);
	return NULL;
}

void connection_lost(struct evl *evl, int error) {
	if (evl->link != LINK_UP)
		return;
	evl->link = LINK_LOST;
	evl->loss = error;
	evl->loss_returned = false;
	/* The daemon may have said something before it went. */
	while (input_receive(evl))
		;
	evl->socket = close_fd(evl->socket);
	output_reset(&evl->output);
	call_fail_all(evl, error);
}

void connection_note_last_words(struct evl *evl) {
	free(evl->last_words);
	evl->last_words = strdup(evl->message);
}

static const char *loss_message(const struct evl *evl) {
	return evl->last_words ? evl->last_words : "the connection is lost";
}

int connection_error(struct evl *evl) {
	if (evl->loss_returned)
		return error_set(evl, -ENOTCONN, NULL);
	evl->loss_returned = true;
	return error_set(evl, evl->loss, "%s", loss_message(evl));
}

int connection_settle(struct evl *evl) {
	evl->link = LINK_DOWN;
	end_sources(evl, false);
	if (!evl->closed && evl->error_handler)
		evl->error_handler(evl, NULL, evl->loss, loss_message(evl), evl->error_userdata);
	return evl->closed || evl->link == LINK_UP ? 1 : connection_error(evl);
}

int evl_reconnect(struct evl *evl) {
	bool held;
	int r;

	error_begin(evl, 0);
	if (!*evl->alive)
		return -ECHILD;
	if (evl->link == LINK_UP)
		return -EISCONN;
	connection_pin(evl);
	if (evl->link == LINK_LOST) {
		evl->link = LINK_DOWN;
		end_sources(evl, false);
	}
	if (!evl->closed)
		ack_drop(evl);
	if (evl->closed) {
		connection_unpin(evl);
		return -ENOTCONN;
	}
	free(TAKE_PTR(evl->last_words));
	/* What was received before the loss is called back before it is known what there is to be armed again. */
	held = !input_is_empty(&evl->input);
	r = hello_open(evl, evl->path, held);
	if (r >= 0)
		takeover_reconnect(evl, held);
	loop_update(evl);
	connection_unpin(evl);
	return r;
}

const char *evl_socket_path(struct evl *evl) {
	return evl->socket_path;
}

const char *evl_daemon_version(struct evl *evl) {
	return evl->hello->daemon_version;
}

const char *evl_version(void) {
	return PACKAGE_VERSION;
}
