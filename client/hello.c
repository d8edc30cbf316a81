/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the way from a path to a session: looking at the places in order, connecting, starting a private daemon, hello. */

#include "client/internal.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define HELLO_TRIES 3
#define RETRY_NS (10 * NSEC_PER_MSEC) /* between looks at a daemon that somebody else is starting */

static int connect_error(int error) {
	switch (error) {
	case EACCES:
	case EPERM:
		return -EACCES;
	case EPROTOTYPE: /* there is a socket, of another kind */
		return -EPROTO;
	case ENOENT:
	case ENOTDIR:
	case ECONNREFUSED:
	case ENOTSOCK:
		return -ENOTCONN;
	case EAGAIN: /* the listener's queue has been full all the time */
		return -ETIMEDOUT;
	default:
		return -error;
	}
}

static int connect_to(const struct place *place, int64_t timeout_ns, int *ret_fd) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	/* The time that connect(2) may wait for a place in the listener's queue; sending never waits. */
	struct timeval patience = { .tv_sec = (time_t)MIN(timeout_ns / NSEC_PER_SEC, 3600),
				    .tv_usec = (suseconds_t)(timeout_ns % NSEC_PER_SEC / NSEC_PER_USEC) };
	_cleanup_close_ int fd = -1;
	int r;

	if (place->private) {
		r = locate_check_private(place->path);
		if (r < 0)
			return r == -ENOENT ? -ENOTCONN : r;
	}
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	memcpy(address.sun_path, place->path, sizeof(place->path));
	/* 0 would be for ever. */
	if (patience.tv_sec == 0 && patience.tv_usec == 0)
		patience.tv_usec = 1;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	do
		r = connect(fd, (struct sockaddr *)&address, sizeof(address));
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return connect_error(errno);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* The first place where a daemon listens.  Return: 0; else the first reason that is more than that there is none. */
static int connect_first(struct evl *evl, const struct places *places, const struct place **ret_place) {
	int first = -ENOTCONN;

	for (size_t i = 0; i < places->n; i++) {
		int r = connect_to(&places->place[i], MIN(evl->timeout_ns, DEFAULT_TIMEOUT_NS), &evl->socket);

		if (r == 0) {
			*ret_place = &places->place[i];
			return 0;
		}
		if (first == -ENOTCONN)
			first = r;
	}
	return first;
}

static bool may_start(const struct evl *evl, const struct places *places) {
	const char *setting = secure_getenv("EVLOOP_AUTOSTART");

	return (evl->flags & EVL_CONNECT_AUTOSTART) && places->place[0].private &&
	       !(setting && strcmp(setting, "0") == 0);
}

/* Whoever starts it, connect when it listens. */
static int start_and_connect(struct evl *evl, const struct places *places, const struct place **ret_place) {
	const struct timespec pause = { .tv_nsec = RETRY_NS };
	int64_t deadline_ns = clock_ns(CLOCK_MONOTONIC) + DEFAULT_TIMEOUT_NS;
	int r = autostart(deadline_ns);

	if (r == -ENOENT)
		return error_set(evl, -ENOTCONN, "cannot run evloopd to start a private daemon");
	if (r < 0)
		return error_set(evl, r, "a private daemon did not start");
	for (;;) {
		r = connect_first(evl, places, ret_place);
		if (r != -ENOTCONN || clock_ns(CLOCK_MONOTONIC) >= deadline_ns)
			return r;
		(void)nanosleep(&pause, NULL);
	}
}

/* Do both live in the same time namespace?  Where that cannot be known, they do. */
static bool same_clocks(const Evloop__HelloReply *hello) {
	struct stat st;

	return hello->time_namespace == 0 || stat("/proc/self/ns/time", &st) < 0 || st.st_ino == hello->time_namespace;
}

void hello_fill(Evloop__HelloRequest *request) {
	size_t length = strnlen(program_invocation_short_name, CLIENT_NAME_LENGTH_MAX + 1);

	request->version = PROTOCOL_VERSION;
	request->floor = PROTOCOL_FLOOR;
	request->resumes = true;
	if (length <= CLIENT_NAME_LENGTH_MAX && text_is_valid((uint8_t *)program_invocation_short_name, length))
		request->client_name = program_invocation_short_name;
}

int hello_accept(struct evl *evl, Evloop__HelloReply *reply) {
	if (!reply)
		return error_set(evl, -EPROTO, "the answer to hello cannot be read");
	if (evl->hello)
		evloop__hello_reply__free_unpacked(evl->hello, NULL);
	evl->hello = reply;
	if (reply->version < PROTOCOL_FLOOR || reply->version > PROTOCOL_VERSION)
		return error_set(evl, -EPROTO, "the daemon speaks version %u", reply->version);
	evl->relative = !same_clocks(reply);
	return 0;
}

static int say_hello(struct evl *evl, bool held) {
	Evloop__HelloRequest request = EVLOOP__HELLO_REQUEST__INIT;
	ProtobufCMessage *reply;
	int r;

	hello_fill(&request);
	if (held)
		evl->input.awaited = evl->serial + 1;
	r = call_sync(evl, EVLOOP__METHOD__METHOD_HELLO, &request.base, &reply);
	/* It would not have us, and has said why. */
	if ((r == -ECONNRESET || r == -ENOTCONN) && evl->error)
		return error_of(evl->error);
	if (r < 0)
		return r == -ECONNRESET ? -ENOTCONN : r;
	return hello_accept(evl, (Evloop__HelloReply *)reply);
}

/* Threads, and whoever borrowed it, may still read where the last one was found. */
static int remember_place(struct evl *evl, const struct place *place) {
	size_t size = strlen(place->path) + 1;
	struct found_path *found;

	SLIST_FOREACH(found, &evl->found_paths, link) {
		if (strcmp(found->path, place->path) == 0)
			break;
	}
	if (!found) {
		found = malloc(sizeof(*found) + size);
		if (!found)
			return -ENOMEM;
		memcpy(found->path, place->path, size);
		SLIST_INSERT_HEAD(&evl->found_paths, found, link);
	}
	evl->socket_path = found->path;
	return 0;
}

/* *ret_lost: the connection was, before there was an answer. */
static int open_once(struct evl *evl, const struct places *places, bool held, bool *ret_lost) {
	const struct place *place = NULL;
	int r = connect_first(evl, places, &place);

	*ret_lost = false;
	if (r == -ENOTCONN && may_start(evl, places))
		r = start_and_connect(evl, places, &place);
	if (r < 0)
		return r;
	takeover_forget(evl);
	evl->link = LINK_UP;
	evl->session++;
	r = remember_place(evl, place);
	if (r >= 0)
		r = loop_watch_socket(evl);
	if (r >= 0) {
		r = say_hello(evl, held);
		*ret_lost = r == -ENOTCONN && !evl->error;
	}
	if (r < 0) {
		evl->socket = close_fd(evl->socket);
		evl->link = LINK_DOWN;
		output_reset(&evl->output);
	}
	return r;
}

/* A daemon that dies, or leaves, takes along whoever has just connected; he has asked for nothing yet, and the next one may be there. */
int hello_open(struct evl *evl, const char *path, bool held) {
	struct places places;
	bool lost = true;
	int r = locate_places(path, &places);

	if (r < 0)
		return r;
	for (unsigned i = 0; lost && i < HELLO_TRIES; i++)
		r = open_once(evl, &places, held, &lost);
	return r;
}
