/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What is written for people: words of the protocol, commands, ages, and the end of standard output. */

#include "client/call.h"
#include "proto/base.h"

#define WORD_MAX 32

/* An enum's value without what all its names begin with, in small letters: KIND_AFTER is "after", OUTCOME_NOT_RUNNING "not-running". */
const char *text_enum(const ProtobufCEnumDescriptor *type, int value, char buffer[WORD_MAX]);

/* The bits of `flags`, whose names are those of the enum, joined by commas: "readable,hangup". */
#define FLAGS_MAX 96
const char *text_flags(const ProtobufCEnumDescriptor *type, uint32_t flags, char buffer[FLAGS_MAX]);

/*
 * A path as it is; but where it holds control characters, or goes to a terminal and does not print there, as text_command() would write
 * it, in one line in any case.  Allocated; NULL: no memory.
 */
char *text_path(const char *path);

/*
 * Words as a shell would read them back; what does not print in this locale (setlocale() is the caller's) is escaped, so
 * that no command line can play with the terminal.  Allocated; NULL: no memory.
 */
char *text_command(const ProtobufCBinaryData *words, size_t n_words);

/* Seconds with nine decimals: "0.000071000". */
#define SECONDS_MAX 32
const char *text_seconds(int64_t ns, char buffer[SECONDS_MAX]);

/* The name, or "-" where there is none. */
const char *text_name(const char *name);

/*
 * Send what has been printed.  To be called once at the end, and after each line of what goes on for long.
 * Return: false, after a complaint: it could not be written.
 */
bool text_flush(void);
