/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What C lacks, and nothing else: ownership helpers, container_of, time units.
 *
 * The convention for errors, here because everybody includes this file (after dbus-broker):
 *
 *     < 0   −errno.  Fatal to what the function works on; the caller forwards it unchanged
 *           and never compares it, but at the few places that are documented to do so.
 *     0     fine.
 *     > 0   an outcome of that one function (MODULE_E_…), documented where it is declared
 *           and handled by the direct caller, never forwarded.
 *
 * Out-parameters are named ret_x and are written only on success.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define NSEC_PER_USEC INT64_C(1000)
#define NSEC_PER_MSEC INT64_C(1000000)
#define NSEC_PER_SEC INT64_C(1000000000)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _unused_ __attribute__((unused))

/* Hand a pointer or a descriptor over to somebody else: the variable forgets it. */
#define TAKE_PTR(p)                                                                                                    \
	({                                                                                                             \
		typeof(p) taken_ = (p);                                                                                \
		(p) = NULL;                                                                                            \
		taken_;                                                                                                \
	})
#define TAKE_FD(fd)                                                                                                    \
	({                                                                                                             \
		int taken_ = (fd);                                                                                     \
		(fd) = -1;                                                                                             \
		taken_;                                                                                                \
	})

static inline void freep(void *p) {
	free(*(void **)p);
}

/* Close if open; errno stays as it was.  Returns -1, for `fd = close_fd(fd)`. */
static inline int close_fd(int fd) {
	if (fd >= 0) {
		int saved = errno;
		(void)close(fd);
		errno = saved;
	}
	return -1;
}

static inline void close_fdp(int *fd) {
	*fd = close_fd(*fd);
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(close_fdp)
