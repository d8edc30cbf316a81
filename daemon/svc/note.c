/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns the layout of the memory and the order of writing: a place is invalid from before the first byte of it until after the last, and
 * becomes valid by one store.  That this is seen in order is all that it takes: the process may die, the kernel stays.
 *
 *     0             head: magic, and of each of the two places its number and size
 *     4 KiB         marks
 *     1 GiB, 2 GiB  the two places; what lies between is a hole, and no memory
 */

#include "daemon/svc/note.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "daemon/core/marks.h"
#include "daemon/svc/systemd.h"

#define MAGIC "evloopd note 1\n"
#define MARKS_OFFSET 4096
#define MAPPED_SIZE (MARKS_OFFSET + MARKS_MAX * sizeof(uint64_t))
#define PLACE_SIZE (INT64_C(1) << 30)

struct place {
	_Atomic uint64_t number; /* of the note that is in it: the highest is the last one; 0: none */
	uint64_t size;
};

struct note_head {
	char magic[sizeof(MAGIC)];
	struct place places[2];
};

static off_t offset_of(unsigned place) {
	return (off_t)(place + 1) * PLACE_SIZE;
}

static int map(struct note *note) {
	uint8_t *memory = mmap(NULL, MAPPED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, note->fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	note->head = (struct note_head *)memory;
	note->marks = (uint64_t *)(memory + MARKS_OFFSET);
	return 0;
}

/* Blank, whatever was there. */
static int format(int fd) {
	static const struct note_head head = { .magic = MAGIC };

	if (ftruncate(fd, 0) < 0 || ftruncate(fd, (off_t)MAPPED_SIZE) < 0)
		return -errno;
	return pwrite(fd, &head, sizeof(head), 0) == sizeof(head) ? 0 : -EIO;
}

static bool is_known(int fd) {
	struct note_head head;
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size >= (off_t)MAPPED_SIZE &&
	       pread(fd, &head, sizeof(head), 0) == sizeof(head) && memcmp(head.magic, MAGIC, sizeof(head.magic)) == 0;
}

int note_new(struct note *ret) {
	struct note note = { .fd = memfd_create("evloopd-note", MFD_CLOEXEC) };
	int r = note.fd < 0 ? -errno : format(note.fd);

	if (r == 0)
		r = map(&note);
	if (r == 0)
		r = systemd_store(NOTE_NAME, note.fd);
	if (r == 0)
		*ret = note;
	else
		note_close(&note);
	return r;
}

int note_adopt(struct note *ret, int fd) {
	struct note note = { .fd = fd };
	bool known = is_known(fd);
	int r = known ? 0 : format(fd);

	if (r == 0)
		r = map(&note);
	if (r < 0) {
		note_close(&note);
		return r;
	}
	*ret = note;
	return known ? 0 : NOTE_E_UNKNOWN;
}

void note_close(struct note *note) {
	if (note->head)
		(void)munmap(note->head, MAPPED_SIZE);
	(void)close_fd(note->fd);
	*note = (struct note)NOTE_INIT;
}

static uint64_t number_of(const struct note *note, unsigned place) {
	return atomic_load_explicit(&note->head->places[place].number, memory_order_acquire);
}

/* The place of the last note. */
static unsigned last_place(const struct note *note) {
	return number_of(note, 1) > number_of(note, 0);
}

static int write_all(int fd, const uint8_t *data, size_t size, off_t offset) {
	while (size > 0) {
		ssize_t n = pwrite(fd, data, size, offset);

		if (n < 0)
			return -errno;
		data += n;
		size -= (size_t)n;
		offset += n;
	}
	return 0;
}

static size_t pages(size_t size) {
	return (size + 4095) / 4096;
}

int note_write(struct note *note, const void *data, size_t size) {
	unsigned last = last_place(note), other = !last;
	struct place *place = &note->head->places[other];
	bool shrinks = pages(size) < pages(place->size);
	int r;

	if (size > PLACE_SIZE)
		return -EFBIG;
	atomic_store_explicit(&place->number, 0, memory_order_seq_cst);
	r = write_all(note->fd, data, size, offset_of(other));
	if (r < 0)
		return r;
	/* What a thousand limiters took that are gone is given back. */
	if (shrinks)
		(void)fallocate(note->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset_of(other) + (off_t)size,
				PLACE_SIZE - (off_t)size);
	place->size = size;
	atomic_store_explicit(&place->number, number_of(note, last) + 1, memory_order_release);
	return 0;
}

bool note_is_there(const struct note *note) {
	return number_of(note, last_place(note)) > 0;
}

int note_read(const struct note *note, void **ret_data, size_t *ret_size) {
	unsigned last = last_place(note);
	size_t size = note->head->places[last].size;
	_cleanup_free_ uint8_t *data = NULL;

	if (!note_is_there(note))
		return -ENOENT;
	if (size > PLACE_SIZE)
		return -EPROTO;
	data = malloc(size + 1);
	if (!data)
		return -ENOMEM;
	if (pread(note->fd, data, size, offset_of(last)) != (ssize_t)size)
		return -EIO;
	*ret_data = TAKE_PTR(data);
	*ret_size = size;
	return 0;
}

void note_clear(struct note *note) {
	unsigned last = last_place(note);

	/* The older one first: it must never be taken for the last. */
	atomic_store_explicit(&note->head->places[!last].number, 0, memory_order_seq_cst);
	atomic_store_explicit(&note->head->places[last].number, 0, memory_order_seq_cst);
}
