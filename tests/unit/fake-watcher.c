/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns what a watcher of paths was asked for. */

#include "tests/unit/fake-watcher.h"

#include "tests/unit/test.h"

static int fake_add(struct path_watcher *watcher, struct path_watch *watch, const struct path_spec *spec,
		    void **ret_token) {
	struct fake_watcher *fake = container_of(watcher, struct fake_watcher, watcher);

	fake->adds++;
	if (fake->result != 0)
		return fake->result;
	snprintf(fake->path, sizeof(fake->path), "%s", spec->path);
	snprintf(fake->exclude, sizeof(fake->exclude), "%s", spec->n_exclude > 0 ? spec->exclude[0] : "");
	fake->recursive = spec->recursive;
	fake->n_exclude = spec->n_exclude;
	fake->watch = watch;
	*ret_token = watch;
	return 0;
}

static void fake_remove(struct path_watcher *watcher, void *token) {
	struct fake_watcher *fake = container_of(watcher, struct fake_watcher, watcher);

	fake->removes++;
	if (fake->watch == token)
		fake->watch = NULL;
}

void fake_watcher_init(struct fake_watcher *fake) {
	*fake = (struct fake_watcher){ .watcher = { .add = fake_add, .remove = fake_remove } };
}
