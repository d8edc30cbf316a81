/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the file system that hangs, and the process that serves it. */

#undef NDEBUG
#define FUSE_USE_VERSION 34

#include "tests/hostile/fuse-server.h"

#include <assert.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "proto/base.h"

#define FILE_INODE 2
#define FILE_NAME "file"

static bool hangs; /* the file has been opened */

static struct stat attributes(fuse_ino_t inode) {
	return (struct stat){ .st_ino = inode,
			      .st_mode = inode == FILE_INODE ? S_IFREG | 0666 : S_IFDIR | 0777,
			      .st_nlink = 1 };
}

/* Nothing is valid for longer than it takes to say it, so everybody has to ask. */
static void lookup(fuse_req_t request, fuse_ino_t parent _unused_, const char *name) {
	struct fuse_entry_param entry = { .ino = FILE_INODE, .attr = attributes(FILE_INODE) };

	if (hangs)
		return;
	if (strcmp(name, FILE_NAME) == 0)
		(void)fuse_reply_entry(request, &entry);
	else
		(void)fuse_reply_err(request, ENOENT);
}

static void get_attributes(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file _unused_) {
	struct stat st = attributes(inode);

	if (!hangs)
		(void)fuse_reply_attr(request, &st, 0);
}

static void open_file(fuse_req_t request, fuse_ino_t inode _unused_, struct fuse_file_info *file) {
	hangs = true;
	(void)fuse_reply_open(request, file);
}

static void hang_when_closed(fuse_req_t request _unused_, fuse_ino_t inode _unused_,
			     struct fuse_file_info *file _unused_) {
}

static void hang_when_polled(fuse_req_t request _unused_, fuse_ino_t inode _unused_,
			     struct fuse_file_info *file _unused_, struct fuse_pollhandle *handle) {
	if (handle)
		fuse_pollhandle_destroy(handle);
}

static const struct fuse_lowlevel_ops operations = {
	.lookup = lookup,
	.getattr = get_attributes,
	.open = open_file,
	.flush = hang_when_closed,
	.release = hang_when_closed,
	.poll = hang_when_polled,
};

static _Noreturn void serve(const char *directory, int ready_fd) {
	char *words[] = { (char *)"fuse-server" };
	struct fuse_args args = FUSE_ARGS_INIT(ARRAY_SIZE(words), words);
	struct fuse_session *session = fuse_session_new(&args, &operations, sizeof(operations), NULL);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!session || fuse_session_mount(session, directory) != 0)
		_exit(1);
	(void)!write(ready_fd, "", 1);
	(void)fuse_session_loop(session);
	_exit(0);
}

const char *fuse_server_start(struct fuse_server *server) {
	int fds[2];
	char byte;
	bool ready;

	if (access("/dev/fuse", R_OK | W_OK) < 0)
		return "/dev/fuse is not for us";
	strcpy(server->directory, "/tmp/test-fuse-XXXXXX");
	assert(mkdtemp(server->directory) && pipe2(fds, O_CLOEXEC) == 0);
	fflush(stdout);
	server->pid = fork();
	assert(server->pid >= 0);
	if (server->pid == 0)
		serve(server->directory, fds[1]);
	close_fd(fds[1]);
	ready = read(fds[0], &byte, 1) == 1;
	close_fd(fds[0]);
	if (ready)
		return NULL;
	fuse_server_stop(server);
	return "nothing can be mounted here";
}

int fuse_server_open(const struct fuse_server *server) {
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/" FILE_NAME, server->directory);
	return open(path, O_RDWR | O_CLOEXEC);
}

void fuse_server_stop(struct fuse_server *server) {
	(void)kill(server->pid, SIGKILL);
	(void)waitpid(server->pid, NULL, 0);
	if (umount2(server->directory, MNT_DETACH) < 0 && errno == EPERM) {
		char command[96];

		(void)snprintf(command, sizeof(command), "fusermount3 -uz %s", server->directory);
		(void)!system(command);
	}
	(void)rmdir(server->directory);
}
