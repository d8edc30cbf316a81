/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the connection to the user's bus and the messages to the service manager there.  Which bus is a matter of the uid, not of the
 * environment: a daemon that cron has started finds the same one.  Calls have no time limit here; who cannot wait looks at the clock.
 */

#include "daemon/svc/user-manager.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>

#include "proto/limits.h"

#define MESSAGES_PER_TURN 128

#define DESTINATION "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER_INTERFACE "org.freedesktop.systemd1.Manager"
#define SERVICE_INTERFACE "org.freedesktop.systemd1.Service"
#define UNIT_PATH "/org/freedesktop/systemd1/unit"

struct user_manager {
	struct loop *loop;
	sd_bus *bus;
	struct loop_io *io;
	const struct user_manager_ops *ops;
	void *userdata;
	bool busy;
};

struct user_manager_call {
	sd_bus_slot *slot;
	user_manager_answer answer;
	void *userdata;
};

static void unref_message(sd_bus_message **message) {
	sd_bus_message_unref(*message);
}

#define _cleanup_bus_message_ _cleanup_(unref_message)

/* ---- what it says ---- */

/* The value of a property, if it is one of ours.  Return: 0, −errno. */
static int read_property(sd_bus_message *message, const char *name, struct unit_state *state, int *code) {
	if (strcmp(name, "ExecMainPID") == 0) {
		uint32_t pid;
		int r = sd_bus_message_read(message, "v", "u", &pid);

		state->pid = r < 0 ? 0 : (pid_t)pid;
		return r;
	}
	if (strcmp(name, "ExecMainCode") == 0)
		return sd_bus_message_read(message, "v", "i", code);
	if (strcmp(name, "ExecMainStatus") == 0)
		return sd_bus_message_read(message, "v", "i", &state->status);
	return sd_bus_message_skip(message, "v");
}

/* a{sv}.  Return: >= 0, −errno. */
static int read_state(sd_bus_message *message, struct unit_state *state) {
	int code = 0, r;

	*state = (struct unit_state){ 0 };
	r = sd_bus_message_enter_container(message, 'a', "{sv}");
	while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
		const char *name;

		r = sd_bus_message_read(message, "s", &name);
		if (r >= 0)
			r = read_property(message, name, state, &code);
		if (r >= 0)
			r = sd_bus_message_exit_container(message);
	}
	/* As waitid(2) has it. */
	state->ended = code != 0;
	if (code == CLD_KILLED || code == CLD_DUMPED)
		state->status += 128;
	return r;
}

static int service_changed(sd_bus_message *message, void *userdata, sd_bus_error *error _unused_) {
	struct user_manager *manager = userdata;
	_cleanup_free_ char *unit = NULL;
	struct unit_state state;

	if (sd_bus_path_decode(sd_bus_message_get_path(message), UNIT_PATH, &unit) > 0 &&
	    sd_bus_message_skip(message, "s") >= 0 && read_state(message, &state) >= 0)
		manager->ops->changed(manager->userdata, unit, &state);
	return 0;
}

static int answered(sd_bus_message *message, void *userdata, sd_bus_error *ret_error _unused_) {
	struct user_manager_call *call = userdata;
	const sd_bus_error *error = sd_bus_message_get_error(message);
	bool has_state = !error && sd_bus_message_has_signature(message, "a{sv}");
	struct unit_state state;

	if (has_state && read_state(message, &state) < 0)
		has_state = false;
	call->answer(call->userdata, error ? error->name : NULL, error ? error->message : NULL,
		     has_state ? &state : NULL);
	return 0;
}

/* ---- the connection ---- */

static void update_events(struct user_manager *manager) {
	int events = sd_bus_get_events(manager->bus);

	if (events >= 0)
		(void)loop_io_set(manager->io, (events & POLLIN ? LOOP_READ : 0) | (events & POLLOUT ? LOOP_WRITE : 0));
}

void user_manager_dispatch(struct user_manager *manager) {
	int r = 1;

	for (unsigned i = 0; i < MESSAGES_PER_TURN && r > 0; i++)
		r = sd_bus_process(manager->bus, NULL);
	manager->busy = r > 0;
	if (r >= 0 && sd_bus_is_open(manager->bus) > 0)
		update_events(manager);
	else
		manager->ops->lost(manager->userdata, r < 0 ? strerror(-r) : "it has hung up");
}

static void bus_is_ready(void *userdata, int fd _unused_, int events _unused_) {
	user_manager_dispatch(userdata);
}

/* Return: 0, −errno. */
static int check_peer(int fd) {
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	if (peer.uid != geteuid())
		return -EPERM;
	return peer.pid > 0 ? 0 : -EXDEV;
}

static int start_bus(struct user_manager *manager) {
	unsigned long uid = geteuid();
	char text[64];
	int r;

	/* Is it there at all?  The bus may be somebody else's who runs no services. */
	snprintf(text, sizeof(text), "/run/user/%lu/systemd/private", uid);
	if (access(text, W_OK) < 0)
		return -errno;
	snprintf(text, sizeof(text), "unix:path=/run/user/%lu/bus", uid);
	r = sd_bus_new(&manager->bus);
	if (r >= 0)
		r = sd_bus_set_address(manager->bus, text);
	if (r >= 0)
		r = sd_bus_set_bus_client(manager->bus, true);
	if (r >= 0)
		r = sd_bus_negotiate_fds(manager->bus, true);
	if (r >= 0)
		r = sd_bus_start(manager->bus);
	return r < 0 ? r : check_peer(sd_bus_get_fd(manager->bus));
}

static int build(struct user_manager *manager) {
	int r = start_bus(manager);

	if (r >= 0)
		r = sd_bus_add_match_async(manager->bus, NULL,
					   "type='signal',sender='" DESTINATION "',path_namespace='" UNIT_PATH "',"
					   "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',"
					   "arg0='" SERVICE_INTERFACE "'",
					   service_changed, NULL, manager);
	if (r >= 0)
		r = loop_add_io(manager->loop, &manager->io, sd_bus_get_fd(manager->bus), LOOP_READ, bus_is_ready,
				manager);
	if (r >= 0)
		update_events(manager);
	return r < 0 ? r : 0;
}

int user_manager_new(struct user_manager **ret, struct loop *loop, const struct user_manager_ops *ops, void *userdata) {
	struct user_manager *manager = calloc(1, sizeof(*manager));
	int r;

	if (!manager)
		return -ENOMEM;
	*manager = (struct user_manager){ .loop = loop, .ops = ops, .userdata = userdata };
	r = build(manager);
	if (r < 0) {
		user_manager_free(manager);
		return r;
	}
	*ret = manager;
	return 0;
}

struct user_manager *user_manager_free(struct user_manager *manager) {
	if (!manager)
		return NULL;
	manager->io = loop_io_remove(manager->io);
	sd_bus_close(manager->bus);
	sd_bus_unref(manager->bus);
	free(manager);
	return NULL;
}

bool user_manager_is_ready(const struct user_manager *manager) {
	return sd_bus_is_ready(manager->bus) > 0;
}

bool user_manager_is_busy(const struct user_manager *manager) {
	return manager->busy;
}

/* ---- what it is asked ---- */

static int new_call(const struct user_manager *manager, sd_bus_message **ret, const char *member) {
	return sd_bus_message_new_method_call(manager->bus, ret, DESTINATION, MANAGER_PATH, MANAGER_INTERFACE, member);
}

static int send_call(struct user_manager *manager, struct user_manager_call **ret, sd_bus_message *message,
		     user_manager_answer answer, void *userdata) {
	struct user_manager_call *call = calloc(1, sizeof(*call));
	int r;

	if (!call)
		return -ENOMEM;
	call->answer = answer;
	call->userdata = userdata;
	r = sd_bus_call_async(manager->bus, &call->slot, message, answered, call, UINT64_MAX);
	if (r < 0) {
		free(call);
		return r;
	}
	update_events(manager);
	*ret = call;
	return 0;
}

struct user_manager_call *user_manager_call_free(struct user_manager_call *call) {
	if (!call)
		return NULL;
	sd_bus_slot_unref(call->slot);
	free(call);
	return NULL;
}

static int append_command(sd_bus_message *message, const struct unit_definition *definition) {
	return sd_bus_message_append(message, "(sv)", "ExecStart", "a(sasb)", 1, definition->exec_path, 2,
				     definition->program, definition->argument, 0);
}

static int append_descriptors(sd_bus_message *message, const struct unit_definition *definition) {
	return sd_bus_message_append(message, "(sv)(sv)(sv)", "StandardInputFileDescriptor", "h", definition->input_fd,
				     "StandardOutputFileDescriptor", "h", definition->output_fd,
				     "StandardErrorFileDescriptor", "h", definition->output_fd);
}

/* What the manager itself has to say of the unit then has them too. */
static int append_fields(sd_bus_message *message, const char *const *fields) {
	int r;

	r = sd_bus_message_open_container(message, 'r', "sv");
	if (r >= 0)
		r = sd_bus_message_append(message, "s", "LogExtraFields");
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'v', "aay");
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'a', "ay");
	for (; r >= 0 && *fields; fields++)
		r = sd_bus_message_append_array(message, 'y', *fields, strlen(*fields));
	for (unsigned i = 0; r >= 0 && i < 3; i++)
		r = sd_bus_message_close_container(message);
	return r;
}

/* A run is over when its process is, and what it has left behind goes on; and it is to notice as little as possible that it is a
 * service: a closed pipe ends it, and a child of it that has taken all memory ends alone. */
static int append_service(sd_bus_message *message) {
	return sd_bus_message_append(message, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)", "Type", "s", "exec", "Slice", "s",
				     "app.slice", "CollectMode", "s", "inactive-or-failed", "AddRef", "b", 1,
				     "KillMode", "s", "process", "IgnoreSIGPIPE", "b", 0, "OOMPolicy", "s", "continue",
				     "TimeoutStopUSec", "t", (uint64_t)(JOB_KILL_DELAY_NS / NSEC_PER_USEC));
}

static int append_unit(sd_bus_message *message, const struct unit_definition *definition) {
	int r;

	r = sd_bus_message_append(message, "ss", definition->name, "fail");
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'a', "(sv)");
	if (r >= 0)
		r = sd_bus_message_append(message, "(sv)", "Description", "s", definition->description);
	if (r >= 0)
		r = append_service(message);
	if (r >= 0)
		r = append_command(message, definition);
	if (r >= 0)
		r = append_descriptors(message, definition);
	if (r >= 0)
		r = append_fields(message, definition->fields);
	if (r >= 0)
		r = sd_bus_message_close_container(message);
	return r < 0 ? r : sd_bus_message_append(message, "a(sa(sv))", 0);
}

int user_manager_start(struct user_manager *manager, struct user_manager_call **ret,
		       const struct unit_definition *definition, user_manager_answer answer, void *userdata) {
	_cleanup_bus_message_ sd_bus_message *message = NULL;
	int r;

	r = new_call(manager, &message, "StartTransientUnit");
	if (r >= 0)
		r = append_unit(message, definition);
	return r < 0 ? r : send_call(manager, ret, message, answer, userdata);
}

int user_manager_kill(struct user_manager *manager, struct user_manager_call **ret, const char *unit, int signal_number,
		      user_manager_answer answer, void *userdata) {
	_cleanup_bus_message_ sd_bus_message *message = NULL;
	int r;

	r = new_call(manager, &message, "KillUnit");
	if (r >= 0)
		r = sd_bus_message_append(message, "ssi", unit, "all", signal_number);
	return r < 0 ? r : send_call(manager, ret, message, answer, userdata);
}

int user_manager_ask(struct user_manager *manager, struct user_manager_call **ret, const char *unit,
		     user_manager_answer answer, void *userdata) {
	_cleanup_bus_message_ sd_bus_message *message = NULL;
	_cleanup_free_ char *path = NULL;
	int r;

	r = sd_bus_path_encode(UNIT_PATH, unit, &path);
	if (r >= 0)
		r = sd_bus_message_new_method_call(manager->bus, &message, DESTINATION, path,
						   "org.freedesktop.DBus.Properties", "GetAll");
	if (r >= 0)
		r = sd_bus_message_append(message, "s", SERVICE_INTERFACE);
	return r < 0 ? r : send_call(manager, ret, message, answer, userdata);
}

static void tell(struct user_manager *manager, const char *member, const char *unit) {
	_cleanup_bus_message_ sd_bus_message *message = NULL;
	int r;

	r = new_call(manager, &message, member);
	if (r >= 0)
		r = sd_bus_message_append(message, "s", unit);
	if (r >= 0)
		r = sd_bus_message_set_expect_reply(message, 0);
	if (r >= 0)
		r = sd_bus_send(manager->bus, message, NULL);
	if (r >= 0)
		update_events(manager);
}

void user_manager_hold(struct user_manager *manager, const char *unit) {
	tell(manager, "RefUnit", unit);
}

void user_manager_release(struct user_manager *manager, const char *unit) {
	tell(manager, "UnrefUnit", unit);
}
