/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Records of proto/state.proto, one behind the other. */

#include <stdio.h>

#include "proto/state.pb-c.h"

enum record {
	RECORD_CLOCK = 1,
	RECORD_LIMITER,
	RECORD_BUCKET,
	RECORD_SESSION,
	RECORD_TIMER,
	RECORD_ATTACHMENT,
	RECORD_CLAIM,
	RECORD_WATCH,
	RECORD_PATH,
	RECORD_SUBSCRIPTION,
	RECORD_PENDING,
	RECORD_MAIL,
	RECORD_GATE,
};

/* Return: 0, −errno. */
int record_write(FILE *file, enum record record, const ProtobufCMessage *message);

/* Return: the message, to be freed; NULL: the end, or nothing that makes sense any more.  What a newer daemon has written and this one does not know is passed over. */
ProtobufCMessage *record_read(FILE *file, enum record *ret);
