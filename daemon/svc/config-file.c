/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns how a file of the configuration is read, and how it is told what is wrong in it: the first mistake, by file and line; and the
 * values that several kinds of files have.  Knows neither where such files are nor what becomes of what they define.
 */

#include "daemon/svc/config-file.h"

#include <ctype.h>
#include <fcntl.h>
#include <grp.h>
#include <ini.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/name.h"

#define DATABASE_BUFFER 16384 /* for an entry of the user database */
#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* some editors begin a file with it */

bool config_fail(struct config_parser *parser, const char *format, ...) {
	va_list arguments;
	int n;

	if (parser->error[0])
		return false;
	parser->error_line = parser->line;
	n = parser->line > 0 ? snprintf(parser->error, CONFIG_ERROR_MAX, "%s:%d: ", parser->path, parser->line)
			     : snprintf(parser->error, CONFIG_ERROR_MAX, "%s: ", parser->path);
	if (n < CONFIG_ERROR_MAX) {
		va_start(arguments, format);
		(void)vsnprintf(parser->error + n, (size_t)(CONFIG_ERROR_MAX - n), format, arguments);
		va_end(arguments);
	}
	return false;
}

/* ---- values ---- */

bool config_take_count(struct config_parser *parser, const char *key, const char *value, uint64_t most, uint64_t *ret) {
	char *end;

	errno = 0;
	*ret = strtoull(value, &end, 10);
	if (value[0] < '0' || value[0] > '9' || *end)
		return config_fail(parser, "%s=%s: a whole number is expected", key, value);
	if (errno != 0 || *ret < 1 || *ret > most)
		return config_fail(parser, "%s=%s: it is to be between 1 and %" PRIu64, key, value, most);
	return true;
}

bool config_take_yes(struct config_parser *parser, const char *key, const char *value, bool *ret) {
	static const char *const yes[] = { "yes", "true", "on", "1" }, *const no[] = { "no", "false", "off", "0" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		*ret = strcasecmp(value, yes[i]) == 0;
		if (*ret || strcasecmp(value, no[i]) == 0)
			return true;
	}
	return config_fail(parser, "%s=%s: yes or no is expected", key, value);
}

/* An id as a number.  Return: it is one. */
static bool is_id(const char *value, uint32_t *ret) {
	char *end;
	unsigned long long id;

	if (value[0] < '0' || value[0] > '9')
		return false;
	errno = 0;
	id = strtoull(value, &end, 10);
	*ret = (uint32_t)id;
	return !*end && errno == 0 && id < UINT32_MAX;
}

bool config_take_name(struct config_parser *parser, const char *key, const char *value) {
	const char *wrong = name_error(value);

	if (wrong)
		return config_fail(parser, "%s=%s: the name %s", key, value, wrong);
	(void)snprintf(parser->definition->name, sizeof(parser->definition->name), "%s", value);
	return true;
}

bool config_take_owner(struct config_parser *parser, const char *key, const char *value) {
	char buffer[DATABASE_BUFFER];
	struct passwd entry, *found = NULL;
	int r;

	if (is_id(value, &parser->definition->access.owner))
		return true;
	r = getpwnam_r(value, &entry, buffer, sizeof(buffer), &found);
	if (!found)
		return config_fail(parser, "%s=%s: %s", key, value, r ? strerror(r) : "there is no such user");
	parser->definition->access.owner = found->pw_uid;
	return true;
}

bool config_take_group(struct config_parser *parser, const char *key, const char *value) {
	char buffer[DATABASE_BUFFER];
	struct group entry, *found = NULL;
	int r;

	if (is_id(value, &parser->definition->access.group))
		return true;
	r = getgrnam_r(value, &entry, buffer, sizeof(buffer), &found);
	if (!found)
		return config_fail(parser, "%s=%s: %s", key, value, r ? strerror(r) : "there is no such group");
	parser->definition->access.group = found->gr_gid;
	return true;
}

bool config_take_mode(struct config_parser *parser, const char *key, const char *value) {
	char *end;
	unsigned long mode = strtoul(value, &end, 8);

	if (value[0] < '0' || value[0] > '7' || *end || (mode & ~0666UL) != 0)
		return config_fail(parser, "%s=%s: an octal mode made of %s is expected, as 0660", key, value,
				   parser->bits);
	parser->definition->access.mode = (mode_t)mode;
	return true;
}

/* ---- lines ---- */

/* For inih.  Return: 0: it is wrong. */
static int take_line(void *userdata, const char *section, const char *key, const char *value) {
	struct config_parser *parser = userdata;

	return !parser->error[0] && parser->take(parser, section, key, value);
}

/* inih tells of sections only with what is in them.  Return: false: config_fail() has been called. */
static bool begin_section(struct config_parser *parser, const char *line) {
	char section[CONFIG_SECTION_MAX + 1];
	size_t n = strcspn(line + 1, "]");

	if (line[0] != '[' || line[1 + n] != ']')
		return true; /* what else it is, or that it is none, is seen by inih */
	if (n > CONFIG_SECTION_MAX)
		return config_fail(parser, "the name of the section has more than %d bytes", CONFIG_SECTION_MAX);
	(void)snprintf(section, sizeof(section), "%.*s", (int)n, line + 1);
	return parser->begin(parser, section);
}

/* For inih, which would take an indented line for more of the value before, and a long one for two. */
static char *read_line(char *line, int size, void *userdata) {
	struct config_parser *parser = userdata;
	size_t n, blank = 0;

	if (parser->error[0] || !fgets(line, size, parser->file))
		return NULL;
	parser->line++;
	n = strlen(line);
	if ((n == 0 || line[n - 1] != '\n') && !feof(parser->file)) {
		(void)config_fail(parser, "the line has more than %d bytes, or a NUL", size - 2);
		return NULL;
	}
	if (parser->line == 1 && strncmp(line, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
		blank = strlen(BYTE_ORDER_MARK);
	for (; isspace((unsigned char)line[blank]); blank++)
		;
	memmove(line, line + blank, n - blank + 1);
	return begin_section(parser, line) ? line : NULL;
}

/* The file cannot be read.  Return: CONFIG_E_*. */
static int fail_to_read(struct config_parser *parser, int error) {
	parser->line = 0;
	(void)config_fail(parser, "%s", strerror(error));
	return error == EIO ? CONFIG_E_IO : CONFIG_E_INVALID;
}

int config_read_file(struct config_parser *parser, const char *path) {
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;
	struct stat st;
	bool broken;

	parser->path = path;
	parser->line = 0;
	if (fd < 0 || fstat(fd, &st) < 0 || !(parser->file = fdopen(fd, "r"))) {
		r = fail_to_read(parser, errno);
		(void)close_fd(fd);
		return r;
	}
	if (S_ISCHR(st.st_mode) || (S_ISREG(st.st_mode) && st.st_size == 0)) {
		(void)fclose(parser->file);
		return CONFIG_E_MASKED;
	}
	r = S_ISREG(st.st_mode) ? ini_parse_stream(read_line, parser, take_line, parser) : 0;
	if (!S_ISREG(st.st_mode))
		(void)config_fail(parser, "it is no regular file");
	broken = ferror(parser->file);
	(void)fclose(parser->file);
	if (r < 0)
		return -ENOMEM;
	if (broken)
		return fail_to_read(parser, EIO);
	if (r > 0 && (!parser->error[0] || r < parser->error_line)) {
		parser->error[0] = '\0';
		parser->line = r;
		(void)config_fail(parser, "the line is neither a [Section] nor Key=Value");
	}
	return parser->error[0] ? CONFIG_E_INVALID : 0;
}

/* ---- the whole ---- */

int config_parse(struct config_parser *parser, const struct config_source *source, struct definition *definition,
		 char error[static CONFIG_ERROR_MAX]) {
	int r;

	parser->definition = definition;
	parser->error = error;
	error[0] = '\0';
	definition->access = (struct access){ .owner = geteuid(), .group = getegid(), .mode = 0666 };
	definition->path = strdup(source->path);
	if (!definition->path)
		return -ENOMEM;
	r = config_read_file(parser, source->path);
	for (size_t i = 0; i < source->n_drop_ins && r == 0; i++) {
		r = config_read_file(parser, source->drop_ins[i]);
		if (r == CONFIG_E_MASKED)
			r = 0;
	}
	parser->path = source->path;
	parser->line = 0;
	if (r == 0 && !definition->name[0] && !config_take_name(parser, "Name", source->name))
		r = CONFIG_E_INVALID;
	return r;
}

struct definition *definition_free(struct definition *definition) {
	if (definition)
		free(definition->path);
	free(definition);
	return NULL;
}
