/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an administrator writes.  The first byte says which kind of file: S evloopd.conf, L a limiter, T a topic; behind it are the file
 * and, each behind a record separator (036), its drop-ins.  Files are in memory.  What is accepted comes into force.
 */

#undef NDEBUG

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/core/scheduler.h"
#include "daemon/settings.h"
#include "daemon/svc/config.h"
#include "daemon/svc/limit-file.h"
#include "daemon/svc/topic-file.h"
#include "proto/name.h"
#include "tests/fuzz/fuzz.h"

#define FILES_MAX 4
#define SEPARATOR '\036'

int fuzz_accepted;

static struct {
	int fd[FILES_MAX];
	char path[FILES_MAX][32];
	char *drop_ins[FILES_MAX - 1];
	size_t n; /* that this input has */
} files;

static void make_files(void) {
	for (size_t i = 0; i < FILES_MAX; i++) {
		files.fd[i] = memfd_create("fuzz-config", MFD_CLOEXEC);
		assert(files.fd[i] >= 0);
		snprintf(files.path[i], sizeof(files.path[i]), "/proc/self/fd/%d", files.fd[i]);
		if (i > 0)
			files.drop_ins[i - 1] = files.path[i];
	}
}

/* The last of them has the rest. */
static void fill_files(const uint8_t *data, size_t size) {
	if (files.fd[0] == 0)
		make_files();
	for (files.n = 0; files.n < FILES_MAX; files.n++) {
		const uint8_t *end = files.n < FILES_MAX - 1 ? memchr(data, SEPARATOR, size) : NULL;
		size_t n = end ? (size_t)(end - data) : size;

		assert(ftruncate(files.fd[files.n], 0) == 0);
		assert(pwrite(files.fd[files.n], data, n, 0) == (ssize_t)n);
		if (!end)
			break;
		data += n + 1;
		size -= n + 1;
	}
}

/* A mistake is told in one line that says where. */
static void check_error(int r, const char *error) {
	assert(r == 0 || r == CONFIG_E_MASKED || r == CONFIG_E_INVALID);
	assert((r == CONFIG_E_INVALID) == (error[0] != '\0'));
	assert(r != CONFIG_E_INVALID || strncmp(error, "/proc/self/fd/", 14) == 0);
	assert(strlen(error) < CONFIG_ERROR_MAX);
}

static int read_settings(void) {
	struct settings_source source = { .credential = files.path[0], .exit_idle_ns = -1, .log_level = -1 };
	char error[CONFIG_ERROR_MAX];
	struct settings settings;
	int r;

	for (unsigned system = 0; system < 2; system++) {
		source.system = system;
		r = settings_read(&source, &settings, error);
		check_error(r, error);
		assert(r != 0 || (settings.exit_idle_ns >= 0 && settings.log_level >= 0 && settings.log_level < 8));
	}
	return r;
}

/* Twice, for the second time it is there. */
static void apply(struct definition *definition, bool limit) {
	const struct config_set set = { .definitions = &definition, .n = 1 };
	const struct config config = { .limits = limit ? set : (struct config_set)CONFIG_SET_INIT,
				       .topics = limit ? (struct config_set)CONFIG_SET_INIT : set },
			    none = CONFIG_INIT;
	const struct instant now = { .ns = { 1, 1, 1 } };
	struct scheduler *scheduler;

	assert(scheduler_new(&scheduler, &now, NULL) == 0);
	assert(config_apply(&config, scheduler) == 0);
	assert(config_apply(&config, scheduler) == 0);
	assert(config_apply(&none, scheduler) == 0);
	scheduler_free(scheduler);
}

static int read_definition(const struct config_kind *kind) {
	const struct config_source source = {
		.path = files.path[0], .name = "fuzz", .drop_ins = files.drop_ins, .n_drop_ins = files.n
	};
	struct definition *definition = NULL;
	char error[CONFIG_ERROR_MAX];
	int r = kind->read(&source, &definition, error);

	check_error(r, error);
	assert((r == 0) == (definition != NULL));
	if (r == 0) {
		assert(!name_error(definition->name) && (definition->access.mode & ~0666U) == 0);
		apply(definition, kind == &limit_kind);
	}
	definition_free(definition);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	int r = CONFIG_E_INVALID;

	fuzz_accepted = 0;
	if (size == 0)
		return 0;
	fill_files(data + 1, size - 1);
	switch (data[0]) {
	case 'S':
		r = read_settings();
		break;
	case 'L':
		r = read_definition(&limit_kind);
		break;
	case 'T':
		r = read_definition(&topic_kind);
		break;
	}
	fuzz_accepted = r == 0;
	return 0;
}

/* ---- seeds ---- */

static const struct {
	const char *name, *text;
} seeds[] = {
	{ "y_settings",
	  "S[Daemon]\nExitIdleSec=5min\nLogLevel=debug\n[Limits]\nSessions=10\nCommandBytes=5\n[Pool]\nTimers=7\n" },
	{ "y_comments", "S# comment\n\n; another\n  [Daemon]\r\n\tLogLevel = info ; behind it\n" },
	{ "y_rate",
	  "L[Limiter]\nRate=10/s\nBurst=20\nMaxDebt=3\nMaxWaiters=9\nOwner=0\nGroup=12\nMode=0660\nName=a.b:c@d/e\n" },
	{ "y_rules", "L[Limiter]\nRate=10/s\n[Rule day]\nRate=5000/d\nBurst=1000\n\036[Rule "
		     "day]\nBurst=5\n\036[Limiter]\nRate=1/h\n" },
	{ "y_places", "L[Limiter]\nConcurrency=3\nKeyed=yes\nMaxKeys=10\nOnFull=deny\n" },
	{ "y_unlimited", "L[Limiter]\nRate=unlimited\n" },
	{ "y_topic", "T[Topic]\nName=news\nOwner=root\nGroup=root\nMode=0664\n\036\036[Topic]\nMode=0666\n" },
	{ "n_nothing", "L" },
	{ "n_kind", "X[Limiter]\nRate=1/s\n" },
	{ "n_slow", "L[Limiter]\nRate=1/d\nBurst=18446744073709551615\n" },
	{ "n_both", "L[Limiter]\nRate=1/s\nConcurrency=1\n" },
	{ "n_mode", "T[Topic]\nMode=0777\n" },
	{ "n_user", "T[Topic]\nOwner=no such user\n" },
	{ "n_line", "S[Daemon]\nneither nor\n" },
	{ "n_section", "SSessions=5\n[Nonsense]\nA=b\n" },
	{ "n_drop_in", "L[Limiter]\nRate=1/s\n\036[Limiter]\nRate=\n" },
};

void fuzz_seeds(seed_taker take, void *userdata) {
	for (size_t i = 0; i < ARRAY_SIZE(seeds); i++)
		take(userdata, seeds[i].name, (const uint8_t *)seeds[i].text, strlen(seeds[i].text));
}
