/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns the words that go with an error code, whose they are, and the daemon's last refusal. */

#include "client/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/status.h"

int error_set(struct evl *evl, int error, const char *format, ...) {
	va_list args;

	evl->message[0] = '\0';
	if (format) {
		va_start(args, format);
		(void)vsnprintf(evl->message, sizeof(evl->message), format, args);
		va_end(args);
	}
	return error;
}

int error_begin(struct evl *evl, int error) {
	atomic_store_explicit(&evl->thread, pthread_self(), memory_order_relaxed);
	evl->message[0] = '\0';
	return error;
}

bool error_begin_threadsafe(struct evl *evl) {
	if (!pthread_equal(atomic_load_explicit(&evl->thread, memory_order_relaxed), pthread_self()))
		return false;
	evl->message[0] = '\0';
	return true;
}

int error_of(const Evloop__Error *refusal) {
	int error = refusal ? status_info((int)refusal->status)->error : 0;

	return error ? -error : -EPROTO;
}

int error_take(struct evl *evl, Evloop__Error *refusal) {
	if (evl->error)
		evloop__error__free_unpacked(evl->error, NULL);
	evl->error = refusal;
	return error_set(evl, error_of(refusal), "%s", refusal ? refusal->message : "");
}

const char *evl_error_message(struct evl *evl) {
	return evl->message;
}

void evl_set_error_handler(struct evl *evl, evl_error_callback callback, void *userdata) {
	evl->error_handler = callback;
	evl->error_userdata = userdata;
}
