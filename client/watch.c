/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns watches on the client's side: of descriptors, processes and paths.  The daemon looks after them; here the user's words become
 * its message.  Must not know when events are acknowledged.
 */

#include "client/internal.h"

#include <limits.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "proto/limits.h"

static int check(struct evl *evl, const struct evl_watch *watch) {
	int n = (watch->fd >= 0) + (watch->pid != 0) + (watch->pid_fd >= 0) + (watch->path != NULL);

	if (n != 1)
		return error_set(evl, -EINVAL, "one of fd, pid, pid_fd and path is to be given, not %d", n);
	if (watch->events & ~(uint32_t)(EVL_READABLE | EVL_WRITABLE))
		return error_set(evl, -EINVAL, "events are EVL_READABLE and EVL_WRITABLE");
	if (watch->events && watch->fd < 0)
		return error_set(evl, -EINVAL, "events are of a descriptor");
	if (!watch->path && (watch->recursive || watch->exclude || watch->settle_ns))
		return error_set(evl, -EINVAL, "recursive, exclude and settle_ns are of a path");
	if (watch->limiter && !watch->path && watch->fd < 0)
		return error_set(evl, -EINVAL, "a process ends once, and no limiter can hold it up");
	if (watch->settle_ns < 0 || watch->settle_ns > TIME_NS_MAX)
		return error_set(evl, -ERANGE, "settle_ns is %lld", (long long)watch->settle_ns);
	if (watch->timeout_ns < 0 || watch->timeout_ns > TIME_NS_MAX)
		return error_set(evl, -ERANGE, "timeout_ns is %lld", (long long)watch->timeout_ns);
	return 0;
}

static int new_source(struct evl *evl, const struct evl_watch *watch, evl_callback callback, void *userdata,
		      struct evl_source **ret) {
	int r = source_new(evl, SOURCE_WATCH, callback, userdata, ret);

	if (r >= 0)
		(*ret)->rearm = watch->rearm;
	return r;
}

/* ---- descriptors ---- */

static int add_fd(struct evl *evl, struct evl_source **ret, const struct evl_watch *watch, Evloop__Gate *gate,
		  evl_callback callback, void *userdata) {
	Evloop__WatchFdRequest request = EVLOOP__WATCH_FD_REQUEST__INIT;
	struct evl_source *source;
	int r = new_source(evl, watch, callback, userdata, &source);

	if (r < 0)
		return r;
	request.handle = source->handle;
	/* Both sides have the same bits. */
	request.events = watch->events ? watch->events : EVL_READABLE;
	request.timeout_ns = watch->timeout_ns;
	request.gate = gate;
	return arming_begin(source, ret, EVLOOP__METHOD__METHOD_WATCH_FD, &request.base, watch->fd);
}

/* ---- processes ---- */

static int add_pid_fd(struct evl *evl, struct evl_source **ret, const struct evl_watch *watch, int pid_fd,
		      evl_callback callback, void *userdata) {
	Evloop__WatchPidRequest request = EVLOOP__WATCH_PID_REQUEST__INIT;
	struct evl_source *source;
	int r = new_source(evl, watch, callback, userdata, &source);

	if (r < 0)
		return r;
	source->pid = watch->pid;
	request.handle = source->handle;
	request.timeout_ns = watch->timeout_ns;
	return arming_begin(source, ret, EVLOOP__METHOD__METHOD_WATCH_PID, &request.base, pid_fd);
}

static int add_pid(struct evl *evl, struct evl_source **ret, const struct evl_watch *watch, evl_callback callback,
		   void *userdata) {
	_cleanup_close_ int pid_fd = pidfd_open(watch->pid, 0);

	if (pid_fd < 0)
		return error_set(evl, -errno, "pid %d: %s", (int)watch->pid, strerror(errno));
	return add_pid_fd(evl, ret, watch, pid_fd, callback, userdata);
}

/* A child of ours can be asked, without taking it from whoever waits for it. */
static int32_t status_of_child(pid_t pid) {
	siginfo_t info = { 0 };

	if (pid <= 0 || waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid != pid)
		return -1;
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

int32_t watch_status(const struct evl_source *source, const Evloop__Event *e) {
	return e->status_known ? e->status : status_of_child(source->pid);
}

/* ---- paths ---- */

/* Append `path` without needless dots and slashes; `size` bytes are in `p`, without a slash behind them. */
static int append(char *p, size_t *size, const char *path) {
	while (*path) {
		size_t length = strcspn(path, "/");

		if (length > 0 && !(length == 1 && path[0] == '.')) {
			if (*size + 1 + length >= PATH_MAX)
				return -ENAMETOOLONG;
			p[(*size)++] = '/';
			memcpy(p + *size, path, length);
			*size += length;
		}
		path += length;
		path += strspn(path, "/");
	}
	return 0;
}

/* The path as the daemon wants it, which has another current directory.  Return: 0, -EINVAL, -ENAMETOOLONG, … of getcwd(3). */
static int make_absolute(const char *path, char ret[PATH_MAX], size_t *ret_size) {
	char directory[PATH_MAX];
	size_t size = 0;
	int r = 0;

	if (!path[0])
		return -EINVAL;
	if (path[0] != '/') {
		if (!getcwd(directory, sizeof(directory)))
			return -errno;
		r = append(ret, &size, directory);
	}
	if (r >= 0)
		r = append(ret, &size, path);
	if (size == 0)
		ret[size++] = '/';
	*ret_size = size;
	return r;
}

/* Return: 0, -EINVAL. */
static int fill_excludes(struct evl *evl, const char *const *exclude, ProtobufCBinaryData excludes[PATH_EXCLUDES_MAX],
			 Evloop__WatchPathRequest *request) {
	for (; exclude && *exclude; exclude++) {
		size_t length = strlen(*exclude);

		if (request->n_exclude == PATH_EXCLUDES_MAX || length > PATH_EXCLUDE_LENGTH_MAX)
			return error_set(evl, -EINVAL, "more than %d patterns, or one longer than %d bytes",
					 PATH_EXCLUDES_MAX, PATH_EXCLUDE_LENGTH_MAX);
		excludes[request->n_exclude++] = (ProtobufCBinaryData){ .data = (uint8_t *)*exclude, .len = length };
	}
	request->exclude = excludes;
	return 0;
}

static int add_path(struct evl *evl, struct evl_source **ret, const struct evl_watch *watch, Evloop__Gate *gate,
		    evl_callback callback, void *userdata) {
	Evloop__WatchPathRequest request = EVLOOP__WATCH_PATH_REQUEST__INIT;
	ProtobufCBinaryData excludes[PATH_EXCLUDES_MAX];
	struct evl_source *source;
	char path[PATH_MAX];
	int r = make_absolute(watch->path, path, &request.path.len);

	if (r < 0)
		return error_set(evl, r, "%s: %s", watch->path, strerror(-r));
	r = fill_excludes(evl, watch->exclude, excludes, &request);
	if (r >= 0)
		r = new_source(evl, watch, callback, userdata, &source);
	if (r < 0)
		return r;
	request.handle = source->handle;
	request.path.data = (uint8_t *)path;
	request.recursive = watch->recursive;
	request.settle_ns = watch->settle_ns;
	request.timeout_ns = watch->timeout_ns;
	request.gate = gate;
	return arming_begin(source, ret, EVLOOP__METHOD__METHOD_WATCH_PATH, &request.base, -1);
}

/* ---- all of them ---- */

int evl_watch_add(struct evl *evl, struct evl_source **ret, const struct evl_watch *given, evl_callback callback,
		  void *userdata) {
	Evloop__Gate gate = EVLOOP__GATE__INIT, *gate_if_any = NULL;
	struct evl_watch watch;
	int r = connection_begin(evl);

	if (r >= 0)
		r = structure_read(evl, "evl_watch", given, sizeof(*given), &watch, sizeof(watch));
	if (r >= 0)
		r = callback ? check(evl, &watch) : error_set(evl, -EINVAL, "no callback");
	if (r >= 0)
		r = gate_fill(evl, watch.limiter, watch.limiter_key, &gate, &gate_if_any);
	if (r < 0)
		return r;
	if (watch.fd >= 0)
		return add_fd(evl, ret, &watch, gate_if_any, callback, userdata);
	if (watch.path)
		return add_path(evl, ret, &watch, gate_if_any, callback, userdata);
	if (watch.pid_fd >= 0)
		return add_pid_fd(evl, ret, &watch, watch.pid_fd, callback, userdata);
	return add_pid(evl, ret, &watch, callback, userdata);
}

static int add_descriptor(struct evl *evl, struct evl_source **ret, int fd, uint32_t events, evl_callback callback,
			  void *userdata) {
	struct evl_watch watch = EVL_WATCH_INIT;

	if (fd < 0)
		return error_begin(evl, -EBADF);
	watch.fd = fd;
	watch.events = events;
	return evl_watch_add(evl, ret, &watch, callback, userdata);
}

int evl_add_reader(struct evl *evl, struct evl_source **ret, int fd, evl_callback callback, void *userdata) {
	return add_descriptor(evl, ret, fd, EVL_READABLE, callback, userdata);
}

int evl_add_writer(struct evl *evl, struct evl_source **ret, int fd, evl_callback callback, void *userdata) {
	return add_descriptor(evl, ret, fd, EVL_WRITABLE, callback, userdata);
}

int evl_watch_pid(struct evl *evl, struct evl_source **ret, pid_t pid, evl_callback callback, void *userdata) {
	struct evl_watch watch = EVL_WATCH_INIT;

	if (pid <= 0)
		return error_begin(evl, -ESRCH);
	watch.pid = pid;
	return evl_watch_add(evl, ret, &watch, callback, userdata);
}

int evl_watch_path(struct evl *evl, struct evl_source **ret, const char *path, evl_callback callback, void *userdata) {
	struct evl_watch watch = EVL_WATCH_INIT;

	watch.path = path;
	return evl_watch_add(evl, ret, &watch, callback, userdata);
}
