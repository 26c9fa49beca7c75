// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/seal_json.h"

#include <jansson.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct complaint {
	char *text;
	size_t bytes;
};

static int complain(const struct complaint *complaint, const char *member, const char *what)
{
	(void)snprintf(complaint->text, complaint->bytes, "%s: %s", member, what);
	return -EINVAL;
}

static int read_text(const json_t *object, const char *member, char out[SEAL_TEXT_BYTES],
	const struct complaint *complaint)
{
	const json_t *value = json_object_get(object, member);
	size_t n = json_string_length(value);

	if (value == NULL)
		return 0;
	if (!json_is_string(value) || n >= SEAL_TEXT_BYTES || strlen(json_string_value(value)) != n)
		return complain(complaint, member, "must be a text of at most 128 bytes");
	memcpy(out, json_string_value(value), n + 1);
	return 0;
}

static int read_bytes(
	const json_t *object, const char *member, uint64_t *out, const struct complaint *complaint)
{
	const json_t *value = json_object_get(object, member);

	if (value == NULL)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return complain(complaint, member, "must be a number of bytes");
	*out = (uint64_t)json_integer_value(value);
	return 0;
}

static int read_scope(const json_t *scope, struct seal *seal, const struct complaint *complaint)
{
	static const char *const known[] = {"sender", "recipient", "min_bytes", "max_bytes",
		"file_type", "name", "subject", "body"};
	size_t understood = 0;
	int err = 0;

	if (scope == NULL)
		return 0;
	if (!json_is_object(scope))
		return complain(complaint, "scope", "must be an object");
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		understood += json_object_get(scope, known[i]) != NULL;
	if (understood != json_object_size(scope))
		return complain(complaint, "scope", "has a condition that is not known");
	if (read_text(scope, "sender", seal->sender, complaint) != 0 ||
		read_text(scope, "recipient", seal->recipient, complaint) != 0 ||
		read_text(scope, "file_type", seal->file_type, complaint) != 0 ||
		read_text(scope, "name", seal->name, complaint) != 0 ||
		read_text(scope, "subject", seal->subject, complaint) != 0 ||
		read_text(scope, "body", seal->body, complaint) != 0 ||
		read_bytes(scope, "min_bytes", &seal->min_bytes, complaint) != 0 ||
		read_bytes(scope, "max_bytes", &seal->max_bytes, complaint) != 0)
		err = -EINVAL;
	return err;
}

static int read_directions(const json_t *list, struct seal *seal, const struct complaint *complaint)
{
	size_t n = json_array_size(list);

	seal->directions = SEAL_INBOUND | SEAL_OUTBOUND;
	if (list == NULL)
		return 0;
	seal->directions = 0;
	for (size_t i = 0; i < n; i++) {
		const char *name = json_string_value(json_array_get(list, i));

		if (name != NULL && strcmp(name, "inbound") == 0)
			seal->directions |= SEAL_INBOUND;
		else if (name != NULL && strcmp(name, "outbound") == 0)
			seal->directions |= SEAL_OUTBOUND;
		else
			n = 0;
	}
	if (n == 0)
		return complain(complaint, "directions", "must name inbound, outbound or both");
	return 0;
}

static int read_seal(const json_t *object, struct seal *seal, const struct complaint *complaint)
{
	char mode[SEAL_TEXT_BYTES] = "";

	if (!json_is_object(object))
		return complain(complaint, "seals", "must be objects");
	if (read_text(object, "virus_id", seal->virus_id, complaint) != 0 ||
		read_text(object, "mode", mode, complaint) != 0)
		return -EINVAL;
	if (seal->virus_id[0] == '\0')
		return complain(complaint, "virus_id", "is missing");
	if (!seal_mode_parse(mode, &seal->mode))
		return complain(
			complaint, "mode", "must be hold, hold-attachments, strip or tempfail");
	if (read_directions(json_object_get(object, "directions"), seal, complaint) != 0)
		return -EINVAL;
	return read_scope(json_object_get(object, "scope"), seal, complaint);
}

static int read_root(
	const json_t *root, struct engine_seals **out, const struct complaint *complaint)
{
	const json_t *generation = json_object_get(root, "generation");
	const json_t *list = json_object_get(root, "seals");
	size_t n = json_array_size(list);
	struct engine_seals *seals;

	if (!json_is_integer(generation) || json_integer_value(generation) < 0)
		return complain(complaint, "generation", "must be a number");
	if (!json_is_array(list) || n > SEALS_MAX)
		return complain(complaint, "seals", "must be a list of at most 64");
	seals = calloc(1, sizeof(*seals) + n * sizeof(seals->seals[0]));
	if (seals == NULL)
		return -ENOMEM;
	seals->generation = (uint64_t)json_integer_value(generation);
	for (; seals->count < n; seals->count++) {
		if (read_seal(json_array_get(list, seals->count), &seals->seals[seals->count],
			    complaint) == 0)
			continue;
		free(seals);
		return -EINVAL;
	}
	*out = seals;
	return 0;
}

int seals_parse(
	const char *text, size_t bytes, struct engine_seals **out, char *error, size_t error_bytes)
{
	const struct complaint complaint = {error, error_bytes};
	json_error_t where;
	json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &where);
	int err;

	if (root == NULL)
		return complain(&complaint, "not JSON", where.text);
	err = read_root(root, out, &complaint);
	json_decref(root);
	return err;
}

int seals_none(struct engine_seals **out)
{
	*out = calloc(1, sizeof(**out));
	return *out != NULL ? 0 : -ENOMEM;
}

int seals_read(
	const char *path, struct engine_seals **out, char **text, char *error, size_t error_bytes)
{
	const size_t room = 1u << 20;
	FILE *file = fopen(path, "rbe");
	char *data;
	size_t n;
	int err;

	*text = NULL;
	if (file == NULL && errno == ENOENT)
		return seals_none(out);
	if (file == NULL) {
		err = -errno;
		(void)snprintf(error, error_bytes, "cannot be read");
		return err;
	}
	data = malloc(room + 1);
	n = data != NULL ? fread(data, 1, room, file) : 0;
	err = data == NULL ? -ENOMEM : ferror(file) != 0 ? -EIO : 0;
	if (err == 0)
		err = seals_parse(data, n, out, error, error_bytes);
	else
		(void)snprintf(error, error_bytes, "cannot be read");
	if (err == 0) {
		data[n] = '\0';
		*text = data;
	} else {
		free(data);
	}
	(void)fclose(file);
	return err;
}
