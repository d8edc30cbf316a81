/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owns what a file.topic may say.  Knows neither where such files are nor what becomes of their topics. */

#include "daemon/svc/topic-file.h"

#include <string.h>

static const struct {
	const char *key;
	bool (*take)(struct config_parser *parser, const char *key, const char *value);
} topic_keys_table[] = {
	{ "Name", config_take_name },
	{ "Owner", config_take_owner },
	{ "Group", config_take_group },
	{ "Mode", config_take_mode },
};

static bool begin_section(struct config_parser *parser, const char *section) {
	return strcmp(section, "Topic") == 0 || config_fail(parser, "there is no section [%s], but [Topic]", section);
}

static bool take_line(struct config_parser *parser, const char *section, const char *key, const char *value) {
	if (strcmp(section, "Topic") != 0)
		return config_fail(parser, "%s= is in no section [Topic]", key);
	for (size_t i = 0; i < ARRAY_SIZE(topic_keys_table); i++)
		if (strcmp(key, topic_keys_table[i].key) == 0)
			return topic_keys_table[i].take(parser, key, value);
	return config_fail(parser, "[Topic] has no key %s", key);
}

static int topic_file_read(const struct config_source *source, struct definition **ret,
			   char error[static CONFIG_ERROR_MAX]) {
	struct config_parser parser = { .begin = begin_section,
					.take = take_line,
					.bits = "subscribe (4) and emit (2)" };
	struct definition *definition = calloc(1, sizeof(*definition));
	int r;

	if (!definition)
		return -ENOMEM;
	r = config_parse(&parser, source, definition, error);
	if (r != 0)
		definition_free(definition);
	else
		*ret = definition;
	return r;
}

const struct config_kind topic_kind = { .folder = "topics.d", .suffix = ".topic", .read = topic_file_read };
