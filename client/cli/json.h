/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * JSON of any message of evloop.proto, by its descriptor:
 *
 *     keys               the names of the fields, all of them; a message that is absent is left out
 *     durations, counts  integers (int64: nanoseconds where the name ends in _ns)
 *     sfixed64           absolute values of a clock: decimal strings; of the realtime clock also as RFC 3339, under the
 *                        name without _ns (null: none)
 *     enums              the word, as text_enum() has it; where a number is made of bits of one, an array of words
 *     bytes              a string, or an array of numbers where they are not UTF-8
 */

#include <jansson.h>

#include "client/call.h"

/* Return: an object, or NULL: no memory. */
json_t *json_of_message(const ProtobufCMessage *message);

/* The enum that the bits of that field have their names from; NULL: the field is no such number. */
const ProtobufCEnumDescriptor *json_flags(const ProtobufCMessageDescriptor *message, const char *field);

/* Bytes as above. */
json_t *json_of_bytes(const void *data, size_t size);

/* Print in one line and drop the reference.  Return: false, after a complaint: no memory, or not written. */
bool json_print(json_t *value);

/* json_print(json_of_message()). */
bool json_print_message(const ProtobufCMessage *message);
