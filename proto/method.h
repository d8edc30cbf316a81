/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A method's number on the wire, its name and its messages.  The numbers are those of enum Method in
 * evloop.proto: protobuf-c knows methods by their position, which must not become the wire format.
 */

#include <protobuf-c/protobuf-c.h>

#include "proto/base.h"

struct method {
	uint16_t number;
	const char *name; /* as the rpc in evloop.proto; events: "Event", "Refused", "TakenOver" */
	const ProtobufCMessageDescriptor *input; /* what the client sends; NULL: an event */
	const ProtobufCMessageDescriptor *output; /* what the daemon sends */
	unsigned max_fds; /* descriptors that a request may carry */
};

/* Return: the method, or NULL where there is none of that number. */
const struct method *method_find(uint16_t number);

/* The table, indexed by number; entries without a name are holes. */
const struct method *method_all(size_t *ret_n);
