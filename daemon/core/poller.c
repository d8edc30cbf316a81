/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the inner epoll, and the table by which an event finds its item.  An event may have been fetched already when its item goes
 * and another one takes the slot; a generation tells them apart.
 *
 * Knows nothing of what the descriptors are, nor of who is told.
 */

#include "daemon/core/poller.h"

#include <assert.h>
#include <sys/epoll.h>

#define SLOTS_MIN 16u
#define NO_SLOT UINT32_MAX

struct slot {
	struct poll_item *item; /* NULL: free */
	union {
		uint32_t generation; /* of this item */
		uint32_t next_free; /* NO_SLOT: none */
	};
};

struct poller {
	int fd;
	struct slot *slots;
	uint32_t n_slots, first_free;
	uint32_t generation; /* of the last item */
	size_t used;
	bool armed; /* something was, since poller_dispatch() */
};

int poller_new(struct poller **ret) {
	struct poller *poller = calloc(1, sizeof(*poller));

	if (!poller)
		return -ENOMEM;
	poller->first_free = NO_SLOT;
	poller->fd = epoll_create1(EPOLL_CLOEXEC);
	if (poller->fd < 0) {
		int r = -errno;

		free(poller);
		return r;
	}
	*ret = poller;
	return 0;
}

struct poller *poller_free(struct poller *poller) {
	if (!poller)
		return NULL;
	assert(poller->used == 0);
	poller->fd = close_fd(poller->fd);
	free(poller->slots);
	free(poller);
	return NULL;
}

int poller_fd(const struct poller *poller) {
	return poller->fd;
}

/* Make free slots.  Return: 0, -ENOMEM. */
static int grow(struct poller *poller) {
	uint32_t n = MAX(2 * poller->n_slots, SLOTS_MIN);
	struct slot *slots = reallocarray(poller->slots, n, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	poller->slots = slots;
	while (poller->n_slots < n) {
		slots[poller->n_slots] = (struct slot){ .next_free = poller->first_free };
		poller->first_free = poller->n_slots++;
	}
	return 0;
}

static void release(struct poller *poller, uint32_t slot) {
	poller->slots[slot] = (struct slot){ .next_free = poller->first_free };
	poller->first_free = slot;
	poller->used--;
}

static int control(const struct poll_item *item, int operation, uint32_t events) {
	const struct slot *slot = &item->poller->slots[item->slot];
	struct epoll_event event = {
		.events = events | EPOLLONESHOT,
		.data.u64 = (uint64_t)slot->generation << 32 | item->slot,
	};

	if (epoll_ctl(item->poller->fd, operation, item->fd, &event) < 0)
		return -errno;
	item->poller->armed = item->poller->armed || operation != EPOLL_CTL_DEL;
	return 0;
}

int poller_add(struct poller *poller, struct poll_item *item, int fd, uint32_t events,
	       void (*ready)(struct poll_item *item, uint32_t events)) {
	uint32_t slot;
	int r;

	if (poller->first_free == NO_SLOT) {
		r = grow(poller);
		if (r < 0)
			return r;
	}
	slot = poller->first_free;
	poller->first_free = poller->slots[slot].next_free;
	poller->slots[slot] = (struct slot){ .item = item, .generation = ++poller->generation };
	poller->used++;
	*item = (struct poll_item){ .poller = poller, .fd = fd, .slot = slot, .ready = ready };
	r = control(item, EPOLL_CTL_ADD, events);
	if (r < 0) {
		release(poller, slot);
		item->poller = NULL;
	}
	return r;
}

int poller_arm(struct poll_item *item, uint32_t events) {
	return control(item, EPOLL_CTL_MOD, events);
}

void poller_remove(struct poll_item *item) {
	if (!item->poller)
		return;
	(void)control(item, EPOLL_CTL_DEL, 0);
	release(item->poller, item->slot);
	item->poller = NULL;
}

void poller_dispatch(struct poller *poller) {
	struct epoll_event events[POLLER_EVENTS_PER_TURN];
	int n = epoll_wait(poller->fd, events, ARRAY_SIZE(events), 0);

	poller->armed = false;
	for (int i = 0; i < n; i++) {
		const struct slot *slot = &poller->slots[(uint32_t)events[i].data.u64];

		if (slot->item && slot->generation == (uint32_t)(events[i].data.u64 >> 32))
			slot->item->ready(slot->item, events[i].events);
	}
}

void poller_dispatch_armed(struct poller *poller) {
	if (poller->armed)
		poller_dispatch(poller);
}
