/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the sources that requests have made, and how their ids find them. */

#include <search.h>
#include <string.h>

#include "client/cli/bridge.h"

/* 7 and "7" are different ids.  NULL: no memory. */
static char *key_of(const json_t *request) {
	return json_dumps(request, JSON_ENCODE_ANY | JSON_COMPACT);
}

static int compare(const void *a, const void *b) {
	return strcmp(((const struct bridge_source *)a)->key, ((const struct bridge_source *)b)->key);
}

struct bridge_source *bridge_source_find(struct bridge *bridge, json_t *request) {
	struct bridge_source wanted = { .key = key_of(request) };
	void *found = wanted.key ? tfind(&wanted, &bridge->named, compare) : NULL;

	free(wanted.key);
	return found ? *(struct bridge_source **)found : NULL;
}

static int add_name(struct bridge_source *source, json_t *request) {
	struct bridge_source **found;

	source->key = key_of(request);
	if (!source->key)
		return -ENOMEM;
	found = tsearch(source, &source->bridge->named, compare);
	if (!found || *found != source) {
		free(TAKE_PTR(source->key));
		return found ? -EEXIST : -ENOMEM;
	}
	source->request = json_incref(request);
	return 0;
}

int bridge_source_new(struct bridge *bridge, json_t *request, struct bridge_source **ret) {
	struct bridge_source *source = calloc(1, sizeof(*source));
	int r;

	if (!source)
		return -ENOMEM;
	source->bridge = bridge;
	source->fd = -1;
	LIST_INSERT_HEAD(&bridge->sources, source, link);
	r = request ? add_name(source, request) : 0;
	if (r == 0)
		r = bridge->ops->handle(bridge->evl, &source->handle, bridge_event, source);
	if (r < 0) {
		bridge_source_free(source);
		return r;
	}
	*ret = source;
	return 0;
}

void bridge_source_free(struct bridge_source *source) {
	if (source->handle)
		source->bridge->ops->drop(source->bridge->evl, source->handle);
	if (source->key)
		(void)tdelete(source, &source->bridge->named, compare);
	LIST_REMOVE(source, link);
	json_decref(source->request);
	(void)close_fd(source->fd);
	free(source->key);
	free(source);
}

void bridge_sources_free(struct bridge *bridge) {
	while (!LIST_EMPTY(&bridge->sources))
		bridge_source_free(LIST_FIRST(&bridge->sources));
}
