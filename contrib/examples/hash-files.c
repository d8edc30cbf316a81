/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hash-files [FILE…]: reading and hashing happen on the threads of the library's executor, printing in the loop. */

#include <errno.h>
#include <evloop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct file {
	const char *path;
	uint32_t hash; /* FNV-1a */
	size_t size;
};

/* On another thread; what it writes to `file` is there when the callback runs. */
static void *hash(void *userdata) {
	struct file *file = userdata;
	FILE *stream = fopen(file->path, "re");
	unsigned char data[16384];
	size_t n;

	if (!stream)
		return NULL;
	file->hash = UINT32_C(2166136261);
	while ((n = fread(data, 1, sizeof(data), stream)) > 0) {
		for (size_t i = 0; i < n; i++)
			file->hash = (file->hash ^ data[i]) * UINT32_C(16777619);
		file->size += n;
	}
	fclose(stream);
	return file;
}

static void print(struct evl_source *source, const struct evl_event *event, void *userdata) {
	const struct file *file = userdata;

	(void)source;
	if (event->result)
		printf("%08x %zu bytes %s\n", (unsigned)file->hash, file->size, file->path);
	else
		printf("cannot read %s\n", file->path);
}

int main(int argc, char **argv) {
	char self[] = "/proc/self/exe", none[] = "/no/such/file", *own[] = { self, none };
	char **paths = argc > 1 ? argv + 1 : own;
	size_t n = argc > 1 ? (size_t)argc - 1 : 2;
	struct file *files = calloc(n, sizeof(*files));
	struct evl *evl = NULL;
	int r = files ? evl_connect(&evl, NULL) : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < n; i++) {
		files[i].path = paths[i];
		r = evl_run_in_executor(evl, NULL, hash, print, &files[i]);
	}
	if (r >= 0)
		r = evl_run(evl); /* ends when all have been printed */
	if (r < 0)
		fprintf(stderr, "hash-files: %s: %s\n", strerror(-r),
			evl ? evl_error_message(evl) : "see 'evloop ping'");
	evl_close(evl); /* waits for threads that have a file */
	free(files);
	return r < 0;
}
