/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The way back from JSON to a message of evloop.proto, by its descriptor: what json.h writes is read, and a little more.
 *
 *     keys               names of fields; any other is refused, and a field that is lacking has its zero
 *     integers           whole numbers; sfixed64 also as a decimal string
 *     NAME for NAME_ns   the text of the command line: a duration ("1h30m"), or of sfixed64 a time ("tomorrow 09:00") since 1970
 *     enums              the word, with - or _; of bits a word, an array of words, or the number
 *     bytes              a string, or an array of numbers from 0 to 255
 *     Target             also a number (the id), or a string: a name, a pattern, or an id in digits
 *     LimiterRule        also a rate: "500/15min"
 */

#include <jansson.h>

#include "client/call.h"

#define JSON_PROBLEM_MAX 256

/*
 * *ret: free with protobuf_c_message_free_unpacked(); its bytes end in a NUL that they do not count.
 * Return: 0; -EINVAL: `problem` says what is wrong, and where; -ENOMEM.
 */
int json_to_message(json_t *object, const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret,
		    char problem[JSON_PROBLEM_MAX]);
