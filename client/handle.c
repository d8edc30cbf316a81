/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the table from handles to sources.  A handle is made here, so that nothing needs hashing: its low
 * bits are the slot, the rest is a count that rises with every reuse of a slot, so that no handle comes twice.
 * When the last source leaves, the memory goes too.
 */

#include "client/internal.h"

#define SLOT_BITS 24
#define SLOTS_MAX (UINT64_C(1) << SLOT_BITS)
#define SLOTS_FIRST 64

static int grow(struct handle_table *table) {
	size_t capacity = table->capacity ? table->capacity * 2 : SLOTS_FIRST;
	struct handle_slot *slots;

	if (capacity > SLOTS_MAX)
		return -ENOMEM;
	slots = reallocarray(table->slots, capacity, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	if (table->capacity == 0) {
		/* Slot 0 stays free for ever: 0 is no handle. */
		slots[0] = (struct handle_slot){ 0 };
		table->n_slots = 1;
	}
	table->slots = slots;
	table->capacity = capacity;
	return 0;
}

int handle_add(struct handle_table *table, struct evl_source *source, uint64_t *ret_handle) {
	struct handle_slot *slot;

	if (table->free) {
		slot = &table->slots[table->free - 1];
		table->free = slot->next_free;
		table->generation++;
	} else {
		if (table->n_slots == table->capacity) {
			int r = grow(table);

			if (r < 0)
				return r;
		}
		slot = &table->slots[table->n_slots++];
	}
	slot->source = source;
	slot->handle = table->generation << SLOT_BITS | (uint64_t)(slot - table->slots);
	table->n_used++;
	*ret_handle = slot->handle;
	return 0;
}

static struct handle_slot *find(const struct handle_table *table, uint64_t handle) {
	size_t i = handle & (SLOTS_MAX - 1);

	return handle != 0 && i < table->n_slots && table->slots[i].handle == handle ? &table->slots[i] : NULL;
}

void handle_remove(struct handle_table *table, uint64_t handle) {
	struct handle_slot *slot = find(table, handle);

	if (!slot)
		return;
	if (--table->n_used == 0) {
		handle_deinit(table);
		return;
	}
	slot->handle = 0;
	slot->next_free = table->free;
	table->free = (uintptr_t)(slot - table->slots) + 1;
}

struct evl_source *handle_find(const struct handle_table *table, uint64_t handle) {
	const struct handle_slot *slot = find(table, handle);

	return slot ? slot->source : NULL;
}

struct evl_source *handle_in_slot(const struct handle_table *table, size_t slot) {
	return table->slots[slot].handle != 0 ? table->slots[slot].source : NULL;
}

void handle_deinit(struct handle_table *table) {
	free(table->slots);
	*table = (struct handle_table){ .generation = table->generation + 1 };
}
