/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns what each descriptor that systemd passes is for, by its name. */

#include "daemon/inherited.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>

#include "daemon/svc/fd-store.h"
#include "daemon/svc/log.h"
#include "daemon/svc/systemd.h"

/* One that is to be listened at.  Return: 0, or an exit status. */
static int take_listener(struct inherited *inherited, int fd) {
	if (inherited->n_listen_fds == LISTENERS_MAX) {
		log_error("more than %d sockets are passed", LISTENERS_MAX);
		return EX_USAGE;
	}
	if (!systemd_is_listening(fd)) {
		log_error("descriptor %d is no listening socket of type SOCK_SEQPACKET", fd);
		return EX_USAGE;
	}
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	inherited->listen_fds[inherited->n_listen_fds++] = fd;
	return 0;
}

/* Sockets that units pass do listen; what does not was kept. */
static bool was_kept(int fd) {
	int listens = 0;
	socklen_t size = sizeof(listens);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens;
}

/* Of what is kept in any case; −1: it was not passed. */
struct always {
	int in, out, note;
};

static int take_one(struct inherited *inherited, const struct systemd_fd *passed, struct always *always) {
	uint64_t id;

	if (strcmp(passed->name, ESCROW_IN) == 0) {
		always->in = passed->fd;
	} else if (strcmp(passed->name, ESCROW_OUT) == 0) {
		always->out = passed->fd;
	} else if (strcmp(passed->name, NOTE_NAME) == 0) {
		always->note = passed->fd;
	} else if (session_store_parse_name(passed->name, &id)) {
		inherited->sessions[inherited->n_sessions++] = (struct kept_copy){ .id = id, .fd = passed->fd };
	} else if (holder_store_parse_name(passed->name, &id)) {
		inherited->holders[inherited->n_holders++] = (struct kept_copy){ .id = id, .fd = passed->fd };
	} else if (inherited->n_listen_fds > 0 && was_kept(passed->fd)) {
		log_warning("a daemon of another version has left a descriptor '%s', which is not known here",
			    passed->name);
		fd_store_remove(passed->name);
		(void)close_fd(passed->fd);
	} else {
		return take_listener(inherited, passed->fd);
	}
	return 0;
}

/* What systemd has kept for us since the daemon before, or keeps from now on for the next one. */
static void open_escrow(struct escrow *escrow, int in, int out) {
	int r = 0;

	if (in >= 0 && out >= 0)
		escrow_adopt(escrow, in, out);
	else if (systemd_listens())
		r = escrow_new(escrow);
	if (r < 0)
		log_warning("clients will notice a restart: %s", strerror(-r));
}

/* The same of the note of a daemon that may have died. */
static void open_note(struct note *note, int fd) {
	int r = 0;

	if (fd >= 0)
		r = note_adopt(note, fd);
	else if (systemd_listens())
		r = note_new(note);
	if (r == NOTE_E_UNKNOWN)
		log_warning("what a daemon of another version has noted is not used");
	else if (r < 0)
		log_warning("limiters will begin full after a crash: %s", strerror(-r));
}

static int take_all(struct inherited *inherited, const struct systemd_fds *passed) {
	struct always always = { -1, -1, -1 };
	int r = 0;

	inherited->sessions = calloc(MAX(passed->n, 1), sizeof(*inherited->sessions));
	inherited->holders = calloc(MAX(passed->n, 1), sizeof(*inherited->holders));
	if (!inherited->sessions || !inherited->holders)
		return EX_OSERR;
	for (size_t i = 0; i < passed->n && r == 0; i++)
		r = take_one(inherited, &passed->fd[i], &always);
	if (r == 0 && inherited->n_listen_fds == 0) {
		log_error(
			"nothing to listen on: systemd passed no socket, and neither --socket nor --private is given");
		r = EX_USAGE;
	}
	if (r == 0) {
		open_escrow(&inherited->escrow, always.in, always.out);
		open_note(&inherited->note, always.note);
	}
	return r;
}

int inherited_take(struct inherited *ret) {
	struct inherited inherited = INHERITED_INIT;
	struct systemd_fds passed;
	int r = systemd_take_fds(&passed);

	if (r < 0) {
		log_error("cannot use the sockets that are passed: %s", strerror(-r));
		return EX_USAGE;
	}
	r = take_all(&inherited, &passed);
	systemd_fds_free(&passed);
	if (r == 0)
		*ret = inherited;
	else
		inherited_free(&inherited);
	return r;
}

void inherited_free(struct inherited *inherited) {
	escrow_close(&inherited->escrow);
	note_close(&inherited->note);
	free(TAKE_PTR(inherited->sessions));
	free(TAKE_PTR(inherited->holders));
}
