// SPDX-License-Identifier: BSD-3-Clause
#include "control/revoked.h"

#include "control/alert_body.h"
#include "control/durable.h"

#include <glib.h>

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_BYTES (16u << 20)

// A line of its own, in each of these files, without anything that would mean something else there.
static bool is_signature_name(const char *name)
{
	if (name[0] == '#' || name[0] == '\0')
		return false;
	for (; *name != '\0'; name++) {
		if ((unsigned char)*name <= ' ' || *name == 0x7f || *name == ':')
			return false;
	}
	return true;
}

static bool is_digest(const char *text)
{
	size_t n = strlen(text);

	return (n == 32 || n == 40 || n == 64) && strspn(text, "0123456789abcdef") == n;
}

int revoked_check(const json_t *body, char *why, size_t why_bytes)
{
	const struct alert_reader reader = {why, why_bytes};
	int err = alert_check_revoke(&reader, body);
	json_t *value;
	size_t i;

	if (err != 0)
		return err;
	json_array_foreach(json_object_get(body, "signatures"), i, value)
	{
		if (!is_signature_name(json_string_value(value)))
			return alert_refuse(&reader, "signatures: not the name of one");
	}
	json_array_foreach(json_object_get(body, "digests"), i, value)
	{
		if (!is_digest(json_string_value(value)))
			return alert_refuse(&reader, "digests: must be lower-case hexadecimal of "
						     "16, 20 or 32 bytes");
	}
	return 0;
}

// The file with these lines as its last ones, or without them; others stay as they are. Text begins with a
// line end that is not the file's.
static void change_text(GString *text, GPtrArray *lines, bool is_undo)
{
	for (guint i = 0; i < lines->len; i++) {
		char *line = g_strdup_printf("\n%s\n", (const char *)lines->pdata[i]);
		const char *found = strstr(text->str, line);

		if (found != NULL && is_undo)
			(void)g_string_erase(text, found - text->str, (gssize)strlen(line) - 1);
		else if (found == NULL && !is_undo)
			(void)g_string_append(text, line + 1);
		g_free(line);
	}
}

static int change_file(const char *folder, const char *name, GPtrArray *lines, bool is_undo)
{
	GString *text = g_string_new("\n");
	char path[PATH_MAX];
	size_t bytes = 0;
	char *old = NULL;
	int err;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		path[0] = '\0';
	err = lines->len > 0 ? durable_read(path, FILE_BYTES, &old, &bytes) : 0;
	if (err == -ENOENT)
		err = 0;
	if (old != NULL)
		(void)g_string_append(text, old);
	change_text(text, lines, is_undo);
	if (err == 0 && lines->len > 0 && text->len - 1 != bytes)
		err = durable_write(path, text->str + 1, text->len - 1);
	free(old);
	(void)g_string_free(text, TRUE);
	return err;
}

static int change(const char *folder, const json_t *body, bool is_undo, char *why, size_t why_bytes)
{
	const json_t *signatures = json_object_get(body, "signatures");
	const json_t *digests = json_object_get(body, "digests");
	GPtrArray *names;
	GPtrArray *md5;
	GPtrArray *sha;
	json_t *value;
	size_t i;
	int err = revoked_check(body, why, why_bytes);

	if (err == 0 && mkdir(folder, 0750) != 0 && errno != EEXIST)
		err = -errno;
	if (err != 0)
		return err;
	names = g_ptr_array_new_with_free_func(g_free);
	md5 = g_ptr_array_new_with_free_func(g_free);
	sha = g_ptr_array_new_with_free_func(g_free);
	json_array_foreach(signatures, i, value)
	{
		g_ptr_array_add(names, g_strdup(json_string_value(value)));
	}
	json_array_foreach(digests, i, value)
	{
		const char *digest = json_string_value(value);

		// Of objects of any size.
		g_ptr_array_add(strlen(digest) == 32 ? md5 : sha,
			g_strdup_printf("%s:*:Revoked.%.16s:73", digest, digest));
	}
	err = change_file(folder, "revoked.ign2", names, is_undo);
	if (err == 0)
		err = change_file(folder, "revoked.fp", md5, is_undo);
	if (err == 0)
		err = change_file(folder, "revoked.sfp", sha, is_undo);
	g_ptr_array_unref(names);
	g_ptr_array_unref(md5);
	g_ptr_array_unref(sha);
	return err;
}

int revoked_add(const char *folder, const json_t *body, char *why, size_t why_bytes)
{
	return change(folder, body, false, why, why_bytes);
}

int revoked_remove(const char *folder, const json_t *body, char *why, size_t why_bytes)
{
	return change(folder, body, true, why, why_bytes);
}
