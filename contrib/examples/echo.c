/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An echo server whose sockets are watched by the daemon: one event, one callback, and the next event when that has returned.
 * A child plays the client.
 */

#include <evloop.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct server {
	struct evl *evl;
	int listen_fd, client_fd;
};

static void echo(struct evl_source *source, const struct evl_event *event, void *userdata) {
	struct server *server = userdata;
	char data[512];
	ssize_t n = event->revents & EVL_READABLE ? read(server->client_fd, data, sizeof(data)) : 0;

	if (n > 0 && write(server->client_fd, data, (size_t)n) == n)
		return;
	printf("the client is gone\n");
	evl_cancel(source); /* and the daemon closes its copy */
	close(server->client_fd);
	evl_stop(server->evl);
}

static void accept_one(struct evl_source *source, const struct evl_event *event, void *userdata) {
	struct server *server = userdata;

	(void)source;
	(void)event;
	server->client_fd = accept(server->listen_fd, NULL, NULL);
	if (server->client_fd < 0 || evl_add_reader(server->evl, NULL, server->client_fd, echo, server) < 0)
		evl_stop(server->evl);
}

static int talk(const struct sockaddr_un *address) {
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char data[64] = "";

	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 || write(fd, "hello", 5) != 5 ||
	    read(fd, data, sizeof(data) - 1) < 0)
		return 1;
	printf("the server says: %s\n", data);
	fflush(stdout);
	return 0;
}

int main(void) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct server server = { .listen_fd = socket(AF_UNIX, SOCK_STREAM, 0) };
	pid_t child = -1;
	int r;

	/* A name that is no file, and goes with the socket. */
	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "evloop-echo-%d", (int)getpid());
	if (bind(server.listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(server.listen_fd, 8) < 0)
		return 1;
	r = evl_connect(&server.evl, NULL);
	if (r >= 0)
		r = evl_add_reader(server.evl, NULL, server.listen_fd, accept_one, &server);
	if (r >= 0) {
		child = fork();
		if (child == 0)
			_exit(talk(&address));
	}
	if (r >= 0)
		r = evl_run(server.evl);
	if (r < 0)
		fprintf(stderr, "echo: %s: %s\n", strerror(-r),
			server.evl ? evl_error_message(server.evl) : "see 'evloop ping'");
	evl_close(server.evl);
	if (child > 0)
		waitpid(child, NULL, 0);
	return r < 0;
}
