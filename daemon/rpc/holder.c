/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the pidfds of processes that hold permits.  A stranger's descriptor is one only if the kernel says so: any other one could be
 * slow to close, or readable when it likes.
 *
 * Knows nothing of limiters.
 */

#include "daemon/rpc/holder.h"

#include "daemon/core/process.h"
#include "daemon/rpc/descriptor.h"
#include "daemon/rpc/holder-store.h"

static void ended(void *userdata, int fd _unused_, int events _unused_) {
	struct holder *holder = userdata;

	(void)loop_refresh(holder->store->kept.loop);
	(void)claim_end(holder->claim); /* frees the holder */
}

static void held(struct claim_binding *binding) {
	holder_store_offer(container_of(binding, struct holder, binding));
}

static void unbind(struct claim_binding *binding) {
	holder_free(container_of(binding, struct holder, binding));
}

int holder_new(struct holder **ret, struct holder_store *store, int pid_fd) {
	struct descriptor descriptor;
	struct holder *holder;
	pid_t pid;
	int r;

	descriptor_look(&descriptor, pid_fd);
	pid = descriptor.kind == DESCRIPTOR_PIDFD ? process_of(pid_fd) : 0;
	if (pid == 0)
		return HOLDER_E_NO_PIDFD;
	if (pid < 0 || process_has_ended(pid_fd))
		return HOLDER_E_ENDED;
	holder = calloc(1, sizeof(*holder));
	if (!holder)
		return -ENOMEM;
	*holder = (struct holder){
		.binding = { .pid = (uint64_t)pid, .held = held, .unbind = unbind },
		.store = store,
		.pid_fd = -1,
	};
	r = loop_add_io(store->kept.loop, &holder->io, pid_fd, 0, ended, holder);
	if (r < 0) {
		free(holder);
		return r;
	}
	holder->pid_fd = pid_fd;
	*ret = holder;
	return 0;
}

void holder_free(struct holder *holder) {
	if (!holder)
		return;
	holder_store_withdraw(holder);
	holder->io = loop_io_remove(holder->io);
	holder->pid_fd = close_fd(holder->pid_fd);
	free(holder);
}

void holder_bind(struct holder *holder, struct claim *claim) {
	holder->claim = claim;
	claim_bind(claim, &holder->binding);
	(void)loop_io_set(holder->io, LOOP_READ);
}

int holder_pid_fd(const struct claim_binding *binding) {
	return container_of(binding, struct holder, binding)->pid_fd;
}

int holder_bind_again(struct holder_store *store, struct claim *claim, int pid_fd) {
	struct holder *holder;
	int r = holder_new(&holder, store, pid_fd);

	if (r == 0) {
		holder_bind(holder, claim);
		return 0;
	}
	(void)close_fd(pid_fd);
	(void)claim_end(claim);
	return r == HOLDER_E_ENDED ? 0 : r;
}
