/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns how values look to people.  Knows nothing of what they mean to a verb. */

#include "client/cli/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <wchar.h>

#include "client/cli/error.h"

/* How many letters all names of the type have in common, up to and with an underscore. */
static size_t common_prefix(const ProtobufCEnumDescriptor *type) {
	const char *first = type->values[0].name;
	size_t n = strlen(first), prefix = 0;

	for (unsigned i = 1; i < type->n_values; i++)
		for (size_t j = 0; j < n; j++)
			if (type->values[i].name[j] != first[j])
				n = j;
	for (size_t j = 0; j < n; j++)
		if (first[j] == '_')
			prefix = j + 1;
	return prefix;
}

const char *text_enum(const ProtobufCEnumDescriptor *type, int value, char buffer[WORD_MAX]) {
	const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(type, value);
	size_t i = 0;

	/* Of a later protocol. */
	if (!found) {
		snprintf(buffer, WORD_MAX, "%d", value);
		return buffer;
	}
	for (const char *p = found->name + common_prefix(type); *p && i + 1 < WORD_MAX; p++)
		buffer[i++] = *p == '_' ? '-' : (char)tolower((unsigned char)*p);
	buffer[i] = '\0';
	return buffer;
}

const char *text_flags(const ProtobufCEnumDescriptor *type, uint32_t flags, char buffer[FLAGS_MAX]) {
	char word[WORD_MAX];
	size_t n = 0;

	buffer[0] = '\0';
	for (unsigned i = 0; i < 32; i++) {
		uint32_t bit = UINT32_C(1) << i;

		/* Bits of a later protocol have no name. */
		if ((flags & bit) && protobuf_c_enum_descriptor_get_value(type, (int)bit) && n < FLAGS_MAX)
			n += (size_t)snprintf(buffer + n, FLAGS_MAX - n, "%s%s", n > 0 ? "," : "",
					      text_enum(type, (int)bit, word));
	}
	return buffer;
}

/* How many bytes the character at `p` has in this locale; 0: none, or one without a width, as controls and marks of direction are. */
static size_t character(const uint8_t *p, size_t size) {
	mbstate_t state = {};
	wchar_t c;
	size_t n = mbrtowc(&c, (const char *)p, size, &state);

	return n > 0 && n <= size && wcwidth(c) > 0 ? n : 0;
}

static bool is_plain(const ProtobufCBinaryData *word) {
	for (size_t i = 0; i < word->len; i++)
		if (!isalnum(word->data[i]) && !strchr("%+,-./:=@_^", word->data[i]))
			return false;
	return word->len > 0;
}

static bool is_printable(const ProtobufCBinaryData *word) {
	size_t n;

	for (size_t i = 0; i < word->len; i += n) {
		n = character(word->data + i, word->len - i);
		if (n == 0)
			return false;
	}
	return true;
}

/* 'it'\''s' */
static void write_quoted(FILE *f, const ProtobufCBinaryData *word) {
	fputc('\'', f);
	for (size_t i = 0; i < word->len; i++)
		if (word->data[i] == '\'')
			fputs("'\\''", f);
		else
			fputc(word->data[i], f);
	fputc('\'', f);
}

/* $'a\nb\xff' */
static void write_escaped(FILE *f, const ProtobufCBinaryData *word) {
	size_t n;

	fputs("$'", f);
	for (size_t i = 0; i < word->len; i += MAX(n, (size_t)1)) {
		uint8_t byte = word->data[i];

		n = character(word->data + i, word->len - i);
		if (byte == '\'' || byte == '\\')
			fprintf(f, "\\%c", byte);
		else if (n > 0)
			fwrite(word->data + i, 1, n, f);
		else if (byte == '\n')
			fputs("\\n", f);
		else if (byte == '\t')
			fputs("\\t", f);
		else
			fprintf(f, "\\%03o", byte);
	}
	fputc('\'', f);
}

static void write_word(FILE *f, const ProtobufCBinaryData *word) {
	if (is_plain(word))
		fwrite(word->data, 1, word->len, f);
	else if (is_printable(word))
		write_quoted(f, word);
	else
		write_escaped(f, word);
}

char *text_command(const ProtobufCBinaryData *words, size_t n_words) {
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (size_t i = 0; i < n_words; i++) {
		if (i > 0)
			fputc(' ', f);
		write_word(f, &words[i]);
	}
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

char *text_path(const char *path) {
	ProtobufCBinaryData word = { .data = (uint8_t *)path, .len = strlen(path) };
	bool plain = true;

	for (const char *p = path; *p; p++)
		plain &= !iscntrl((unsigned char)*p);
	if (plain && (is_printable(&word) || !isatty(STDOUT_FILENO)))
		return strdup(path);
	return text_command(&word, 1);
}

const char *text_seconds(int64_t ns, char buffer[SECONDS_MAX]) {
	uint64_t size = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;

	snprintf(buffer, SECONDS_MAX, "%s%" PRIu64 ".%09" PRIu64, ns < 0 ? "-" : "", size / NSEC_PER_SEC,
		 size % NSEC_PER_SEC);
	return buffer;
}

const char *text_name(const char *name) {
	return name[0] ? name : "-";
}

bool text_flush(void) {
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	complain("write error: %s", strerror(errno));
	/* Said once; what is left would only fail again. */
	__fpurge(stdout);
	clearerr(stdout);
	return false;
}
