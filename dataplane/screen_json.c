// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/screen_json.h"

#include <jansson.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_FILE_BYTES (1ull << 30)

static const struct {
	const char *name;
	unsigned int algorithm;
	size_t bytes;
} algorithms[] = {
	{"md5", DIGEST_MD5, 16}, {"sha1", DIGEST_SHA1, 20}, {"sha256", DIGEST_SHA256, 32}};

#define ALGORITHMS (sizeof(algorithms) / sizeof(algorithms[0]))

struct reader {
	size_t entry;
	char *error;
	size_t error_bytes;
};

static int refuse(const struct reader *reader, const char *member, const char *why)
{
	(void)snprintf(reader->error, reader->error_bytes, "entry %zu: %s: %s", reader->entry + 1,
		member, why);
	return -EINVAL;
}

// ---- reading -------------------------------------------------------------------------------------

static int read_text(
	const struct reader *reader, const json_t *object, const char *member, const char **out)
{
	const json_t *value = json_object_get(object, member);

	if (value == NULL)
		return 0;
	if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
		return refuse(reader, member, "must be a text");
	*out = json_string_value(value);
	return 0;
}

static int read_number(const struct reader *reader, const json_t *object, const char *member,
	uint64_t most, uint64_t *out)
{
	const json_t *value = json_object_get(object, member);

	if (value == NULL)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
		(uint64_t)json_integer_value(value) > most)
		return refuse(reader, member, "must be a number, and not too large");
	*out = (uint64_t)json_integer_value(value);
	return 0;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(const char *text, uint8_t *out, size_t bytes)
{
	if (strlen(text) != 2 * bytes)
		return false;
	for (size_t i = 0; i < bytes; i++) {
		int high = digit_of(text[2 * i]);
		int low = digit_of(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static int read_digest(
	const struct reader *reader, const json_t *object, struct screen_entry *entry)
{
	const char *algorithm = NULL;
	const char *digest = NULL;
	size_t i = 0;

	if (read_text(reader, object, "algorithm", &algorithm) != 0 ||
		read_text(reader, object, "digest", &digest) != 0)
		return -EINVAL;
	while (i < ALGORITHMS && (algorithm == NULL || strcmp(algorithm, algorithms[i].name) != 0))
		i++;
	if (i == ALGORITHMS)
		return refuse(reader, "algorithm", "must be md5, sha1 or sha256");
	entry->algorithm = algorithms[i].algorithm;
	if (digest == NULL || !read_hex(digest, entry->digest, algorithms[i].bytes))
		return refuse(reader, "digest", "must be lower-case hexadecimal of the algorithm");
	return 0;
}

static int read_rolling(
	const struct reader *reader, const json_t *object, struct screen_entry *entry)
{
	const char *text = NULL;
	uint8_t bytes[8];

	if (read_text(reader, object, "rolling", &text) != 0)
		return -EINVAL;
	if (text == NULL)
		return entry->kind != SCREEN_WINDOW
			       ? 0
			       : refuse(reader, "rolling",
					 "is missing: no window is found without");
	if (!read_hex(text, bytes, sizeof(bytes)))
		return refuse(reader, "rolling", "must be 16 lower-case hexadecimal digits");
	for (size_t i = 0; i < sizeof(bytes); i++)
		entry->rolling = entry->rolling << 8 | bytes[i];
	return 0;
}

static int read_names(const struct reader *reader, const json_t *object, struct screen_entry *entry)
{
	const char *kind = NULL;
	const char *action = NULL;
	const char *from = NULL;

	if (read_text(reader, object, "kind", &kind) != 0 ||
		read_text(reader, object, "action", &action) != 0 ||
		read_text(reader, object, "from", &from) != 0 ||
		read_text(reader, object, "name", &entry->name) != 0 ||
		read_text(reader, object, "virus_id", &entry->virus_id) != 0 ||
		read_text(reader, object, "file_type", &entry->file_type) != 0)
		return -EINVAL;
	if (kind == NULL || !screen_kind_by_name(kind, &entry->kind))
		return refuse(
			reader, "kind", "must be file, body, message, range, section or window");
	if (action != NULL && !screen_action_by_name(action, &entry->action))
		return refuse(reader, "action", "must be default, quarantine or discard");
	if (from != NULL && strcmp(from, "start") != 0 && strcmp(from, "end") != 0)
		return refuse(reader, "from", "must be start or end");
	entry->from_end = from != NULL && strcmp(from, "end") == 0;
	return 0;
}

static int read_members(const struct reader *reader, const json_t *object)
{
	static const char *const known[] = {"kind", "algorithm", "digest", "bytes", "offset",
		"length", "from", "name", "action", "file_type", "section", "rolling", "virus_id",
		"id"};
	const char *member;
	json_t *value;

	if (!json_is_object(object))
		return refuse(reader, "entry", "must be an object");
	json_object_foreach((json_t *)(uintptr_t)object, member, value)
	{
		size_t i = 0;

		while (i < sizeof(known) / sizeof(known[0]) && strcmp(known[i], member) != 0)
			i++;
		if (i == sizeof(known) / sizeof(known[0]))
			return refuse(reader, member, "is not known");
	}
	return 0;
}

static int read_entry(const struct reader *reader, const json_t *object, const char *virus_id,
	struct screen_entry *entry)
{
	uint64_t section = SCREEN_ANY_SECTION;
	char why[256];
	int err = read_members(reader, object);

	*entry = (struct screen_entry){.virus_id = virus_id, .name = "", .file_type = ""};
	if (err == 0)
		err = read_names(reader, object, entry);
	if (err == 0)
		err = read_digest(reader, object, entry);
	if (err == 0)
		err = read_rolling(reader, object, entry);
	if (err == 0)
		err = read_number(reader, object, "bytes", INT64_MAX, &entry->bytes);
	if (err == 0)
		err = read_number(reader, object, "offset", INT64_MAX, &entry->offset);
	if (err == 0)
		err = read_number(reader, object, "length", INT64_MAX, &entry->length);
	if (err == 0)
		err = read_number(reader, object, "section", UINT16_MAX, &section);
	if (err != 0)
		return err;
	entry->section = (uint32_t)section;
	if (screen_check(entry, why, sizeof(why)) == 0)
		return 0;
	(void)snprintf(reader->error, reader->error_bytes, "entry %zu: %s", reader->entry + 1, why);
	return -EINVAL;
}

static int read_list(json_t *root, struct screen_list *out, char *error, size_t error_bytes)
{
	const json_t *list = json_is_object(root) ? json_object_get(root, "screen") : root;
	const char *virus_id = json_string_value(json_object_get(root, "virus_id"));
	struct reader reader = {.error = error, .error_bytes = error_bytes};
	int err = 0;

	if (!json_is_array(list) || json_array_size(list) > SCREEN_MAX_ENTRIES) {
		(void)snprintf(error, error_bytes, "must be a list of at most %u entries",
			SCREEN_MAX_ENTRIES);
		return -EINVAL;
	}
	out->count = json_array_size(list);
	out->entries = calloc(out->count + 1, sizeof(*out->entries));
	if (out->entries == NULL)
		return -ENOMEM;
	for (; err == 0 && reader.entry < out->count; reader.entry++)
		err = read_entry(&reader, json_array_get(list, reader.entry),
			virus_id != NULL ? virus_id : "", &out->entries[reader.entry]);
	return err;
}

int screen_list_parse(
	const char *text, size_t bytes, struct screen_list *out, char *error, size_t error_bytes)
{
	struct screen_list list = {0};
	json_error_t mistake;
	json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &mistake);
	int err;

	if (root == NULL) {
		(void)snprintf(error, error_bytes, "line %d: %s", mistake.line, mistake.text);
		return -EINVAL;
	}
	list.texts = root;
	err = read_list(root, &list, error, error_bytes);
	if (err != 0) {
		screen_list_free(&list);
		return err;
	}
	*out = list;
	return 0;
}

int screen_list_read(const char *path, struct screen_list *out, char *error, size_t error_bytes)
{
	FILE *file = fopen(path, "rbe");
	char *text = NULL;
	size_t bytes = 0;
	size_t room = 0;
	int err = file != NULL ? 0 : -errno;

	while (err == 0 && !feof(file)) {
		if (bytes == room) {
			char *grown = realloc(text, room = room * 2 + 65536);

			if (grown == NULL || room > MOST_FILE_BYTES) {
				err = grown == NULL ? -ENOMEM : -EFBIG;
				text = grown != NULL ? grown : text;
				break;
			}
			text = grown;
		}
		bytes += fread(text + bytes, 1, room - bytes, file);
		if (ferror(file))
			err = -EIO;
	}
	if (file != NULL)
		(void)fclose(file);
	if (err == 0)
		err = screen_list_parse(text, bytes, out, error, error_bytes);
	else
		(void)snprintf(error, error_bytes, "%s", strerrordesc_np(-err));
	free(text);
	return err;
}

void screen_list_free(struct screen_list *list)
{
	free(list->entries);
	json_decref(list->texts);
	*list = (struct screen_list){0};
}

// ---- writing -------------------------------------------------------------------------------------

static json_t *hex_of(const uint8_t *bytes, size_t n)
{
	char text[2 * SCREEN_DIGEST_BYTES + 1] = "";

	for (size_t i = 0; i < n; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return json_string(text);
}

static json_t *hex_of_number(uint64_t number)
{
	char text[17];

	(void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)number);
	return json_string(text);
}

static void put_text(json_t *object, const char *member, const char *text)
{
	if (text != NULL && text[0] != '\0')
		(void)json_object_set_new(object, member, json_string(text));
}

static void put_number(json_t *object, const char *member, uint64_t number)
{
	if (number != 0)
		(void)json_object_set_new(object, member, json_integer((json_int_t)number));
}

static json_t *object_of(const struct screen_entry *entry, bool with_id)
{
	json_t *object = json_object();
	size_t i = 0;

	while (i + 1 < ALGORITHMS && algorithms[i].algorithm != entry->algorithm)
		i++;
	if (with_id)
		(void)json_object_set_new(object, "id", hex_of_number(screen_id(entry)));
	put_text(object, "kind", screen_kind_name(entry->kind));
	put_text(object, "algorithm", algorithms[i].name);
	(void)json_object_set_new(object, "digest", hex_of(entry->digest, algorithms[i].bytes));
	put_number(object, "bytes", entry->bytes);
	put_text(object, "file_type", entry->file_type);
	if (entry->kind == SCREEN_RANGE) {
		(void)json_object_set_new(
			object, "offset", json_integer((json_int_t)entry->offset));
		put_text(object, "from", entry->from_end ? "end" : "start");
	}
	put_number(object, "length", entry->length);
	if (entry->section != SCREEN_ANY_SECTION)
		(void)json_object_set_new(object, "section", json_integer(entry->section));
	if (entry->kind == SCREEN_WINDOW)
		(void)json_object_set_new(object, "rolling", hex_of_number(entry->rolling));
	put_text(object, "name", entry->name);
	put_text(object, "virus_id", entry->virus_id);
	if (entry->action != SCREEN_ACTION_DEFAULT)
		put_text(object, "action", screen_action_name(entry->action));
	return object;
}

char *screen_list_print(const struct screen_entry *entries, size_t count, bool with_id)
{
	json_t *list = json_array();
	char *text;

	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(list, object_of(&entries[i], with_id));
	text = json_dumps(list, JSON_INDENT(1));
	json_decref(list);
	return text;
}
