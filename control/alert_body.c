// SPDX-License-Identifier: BSD-3-Clause
#include "control/alert_body.h"

#include "dataplane/dataplane.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MOST 255
#define URL_MOST 2048

// Lower-case hexadecimal of so many bytes.
static bool is_digest(const char *text, size_t bytes)
{
	return strlen(text) == 2 * bytes && strspn(text, "0123456789abcdef") == 2 * bytes;
}

// Texts in a list that may be missing.
static int check_texts(const struct alert_reader *reader, const json_t *object, const char *name)
{
	const json_t *list = json_object_get(object, name);
	json_t *value;
	size_t i;

	if (list == NULL)
		return 0;
	if (!json_is_array(list) || json_array_size(list) > ALERT_LIST_MOST)
		return alert_refuse(
			reader, "%s: must be a list of at most %d", name, ALERT_LIST_MOST);
	json_array_foreach(list, i, value)
	{
		if (!json_is_string(value) || json_string_length(value) == 0 ||
			json_string_length(value) > NAME_MOST)
			return alert_refuse(
				reader, "%s: must hold texts of 1 to %d bytes", name, NAME_MOST);
	}
	return 0;
}

// ---- seal ---------------------------------------------------------------------------------------

// What mode and scope mean is the dataplane's to say: seals_set asks it.
int alert_check_seal(const struct alert_reader *reader, const json_t *body)
{
	static const char *const names[] = {"mode", "scope", "directions", "max_seconds", NULL};
	const char *mode = NULL;
	uint64_t seconds;
	int err = alert_only(reader, body, "seal", names);

	if (err == 0)
		err = alert_text(reader, body, "mode", 32, &mode);
	if (err == 0 && json_object_get(body, "max_seconds") != NULL)
		err = alert_number(reader, body, "max_seconds", 1, ALERT_NUMBER_MOST, &seconds);
	return err;
}

// ---- screen -------------------------------------------------------------------------------------

// What entries are is screen_json.h's to say; that of an alert all are of its virus id.
int alert_check_screen(const struct alert_reader *reader, const json_t *body)
{
	struct screen_list list;
	json_t *whole;
	char *text;
	int err;

	if (!json_is_array(body) || json_array_size(body) == 0 ||
		json_array_size(body) > ALERT_SCREEN_MOST)
		return alert_refuse(reader, "screen: must be a list of 1 to %d", ALERT_SCREEN_MOST);
	whole = json_pack("{s:s, s:O}", "virus_id", "the alert's", "screen", body);
	text = whole != NULL ? json_dumps(whole, JSON_COMPACT) : NULL;
	json_decref(whole);
	if (text == NULL)
		return -ENOMEM;
	err = screen_list_parse(text, strlen(text), &list, reader->error, reader->error_bytes);
	free(text);
	if (err == 0)
		screen_list_free(&list);
	return err;
}

// ---- update -------------------------------------------------------------------------------------

// A name of one file in a folder, or in the one folder that may be in it, and not of another place.
static bool is_plain_name(const char *name)
{
	size_t folder = strlen(ALERT_SELFTEST);

	if (strncmp(name, ALERT_SELFTEST, folder) == 0)
		name += folder;
	return name[0] != '\0' && name[0] != '.' && strpbrk(name, "/\\") == NULL;
}

static int check_file(const struct alert_reader *reader, const json_t *file)
{
	static const char *const names[] = {"name", "bytes", "sha256", "url", NULL};
	const char *name = NULL;
	const char *digest = NULL;
	const char *url = NULL;
	uint64_t bytes;
	int err = alert_only(reader, file, "files", names);

	if (err == 0)
		err = alert_text(reader, file, "name", NAME_MOST, &name);
	if (err == 0)
		err = alert_text(reader, file, "sha256", 64, &digest);
	if (err == 0)
		err = alert_text(reader, file, "url", URL_MOST, &url);
	if (err == 0)
		err = alert_number(reader, file, "bytes", 0, ALERT_NUMBER_MOST, &bytes);
	if (err == 0 && !is_plain_name(name))
		err = alert_refuse(reader, "files: \"%s\" is not the name of a file", name);
	if (err == 0 && !is_digest(digest, 32))
		err = alert_refuse(reader, "sha256: must be lower-case hexadecimal of 32 bytes");
	return err;
}

int alert_check_update(const struct alert_reader *reader, const json_t *body)
{
	static const char *const names[] = {"version", "covers", "files", "delta_from", NULL};
	const json_t *files = json_object_get(body, "files");
	const char *text = NULL;
	json_t *file;
	size_t i;
	int err = alert_only(reader, body, "update", names);

	if (err == 0)
		err = alert_text(reader, body, "version", NAME_MOST, &text);
	if (err == 0 && json_object_get(body, "delta_from") != NULL)
		err = alert_text(reader, body, "delta_from", NAME_MOST, &text);
	if (err == 0)
		err = check_texts(reader, body, "covers");
	if (err != 0)
		return err;
	if (!json_is_array(files) || json_array_size(files) == 0 ||
		json_array_size(files) > ALERT_LIST_MOST)
		return alert_refuse(reader, "files: must be a list of 1 to %d", ALERT_LIST_MOST);
	json_array_foreach(files, i, file)
	{
		err = check_file(reader, file);
		if (err != 0)
			return err;
	}
	return 0;
}

// ---- revoke -------------------------------------------------------------------------------------

int alert_check_revoke(const struct alert_reader *reader, const json_t *body)
{
	static const char *const names[] = {"signatures", "digests", "undo", NULL};
	const json_t *undo = json_object_get(body, "undo");
	int err = alert_only(reader, body, "revoke", names);

	if (err == 0 && undo != NULL && !json_is_boolean(undo))
		err = alert_refuse(reader, "undo: must be true or false");
	if (err == 0)
		err = check_texts(reader, body, "signatures");
	if (err == 0)
		err = check_texts(reader, body, "digests");
	if (err == 0 && json_array_size(json_object_get(body, "signatures")) +
					json_array_size(json_object_get(body, "digests")) ==
				0)
		err = alert_refuse(reader, "revoke: names neither signatures nor digests");
	return err;
}
