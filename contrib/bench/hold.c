/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: hold SOCKET
 *
 * Keep a session open with one timer in it that is far from due, until standard input ends.  Says "ready" when it is so.
 */

#include <stdio.h>

#include "client/evloop.h"
#include "contrib/bench/measure.h"

static void note(struct evl_source *source _unused_, const struct evl_event *event _unused_, void *userdata _unused_) {
}

int main(int argc _unused_, char **argv) {
	struct evl *evl = NULL;

	measure_call("connect", evl_connect(&evl, argv[1]));
	measure_call("arm", evl_call_later(evl, NULL, EVL_SEC(3600), note, NULL));
	measure_call("roundtrip", evl_roundtrip(evl));
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	evl_close(evl);
}
