// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_catalogue.h"

#include <glib.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "#cordon:"
#define ID_KEY "virus_id="
#define COVERS_MOST 4096 // ids that a gateway takes in one update

// ---- one file -----------------------------------------------------------------------------------

// Which field, of those between colons, names the signature in files of this kind.
static unsigned int name_field(const char *file)
{
	static const char *const hashes[] = {".hdb", ".hsb", ".hdu", ".hsu"};
	static const char *const sections[] = {".mdb", ".msb", ".mdu", ".msu"};

	for (size_t i = 0; i < G_N_ELEMENTS(hashes); i++) {
		if (g_str_has_suffix(file, hashes[i]) || g_str_has_suffix(file, sections[i]))
			return 2;
	}
	return 0;
}

static char *signature_name(const char *line, unsigned int field)
{
	while (field > 0 && strchr(line, ':') != NULL) {
		line = strchr(line, ':') + 1;
		field--;
	}
	return g_strndup(line, strcspn(line, ":;= {\t"));
}

// The id that a comment gives to the next signature; freed by the caller; NULL: none.
static char *comment_id(const char *comment)
{
	char **pairs = g_strsplit(comment + strlen(PREFIX), ";", -1);
	char *found = NULL;

	for (size_t i = 0; pairs[i] != NULL && found == NULL; i++) {
		const char *pair = g_strstrip(pairs[i]);

		if (g_str_has_prefix(pair, ID_KEY) && pair[strlen(ID_KEY)] != '\0')
			found = g_strdup(pair + strlen(ID_KEY));
	}
	g_strfreev(pairs);
	return found;
}

static void add_cover(json_t *covers, const char *id, const char *name)
{
	json_t *names = json_object_get(covers, id);
	json_t *text = json_string(name);

	if (names == NULL && json_object_set_new(covers, id, json_array()) == 0)
		names = json_object_get(covers, id);
	(void)json_array_append_new(names, text != NULL ? text : json_string("?"));
}

static void read_covers(json_t *covers, const char *file, char *text)
{
	char *id = NULL;
	char *rest = NULL;

	for (char *line = strtok_r(text, "\r\n", &rest); line != NULL;
		line = strtok_r(NULL, "\r\n", &rest)) {
		if (g_str_has_prefix(line, PREFIX)) {
			g_free(id);
			id = comment_id(line);
		} else if (line[0] != '#') {
			char *name = signature_name(line, name_field(file));

			if (id != NULL)
				add_cover(covers, id, name);
			g_free(name);
			g_clear_pointer(&id, g_free);
		}
	}
	g_free(id);
}

static int add_file(
	json_t *catalogue, const char *folder, const char *file, char *why, size_t why_bytes)
{
	char *path = g_build_filename(folder, file, NULL);
	GError *mistake = NULL;
	char *text = NULL;
	gsize bytes = 0;
	char *digest;

	if (!g_file_get_contents(path, &text, &bytes, &mistake)) {
		(void)snprintf(why, why_bytes, "%s", mistake->message);
		g_error_free(mistake);
		g_free(path);
		return -EIO;
	}
	digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)text, bytes);
	(void)json_array_append_new(json_object_get(catalogue, "files"),
		json_pack("{s:s, s:I, s:s}", "name", file, "bytes", (json_int_t)bytes, "sha256",
			digest));
	// What is compressed or signed holds no comments: a NUL ends the look.
	if (!g_str_has_prefix(file, VENDOR_SELFTEST))
		read_covers(json_object_get(catalogue, "covers"), file, text);
	g_free(digest);
	g_free(text);
	g_free(path);
	return 0;
}

// ---- the folder ---------------------------------------------------------------------------------

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// Names of regular files go to files, each behind the prefix.
static void add_names(GPtrArray *files, GDir *dir, const char *folder, const char *prefix)
{
	const char *name;

	while ((name = g_dir_read_name(dir)) != NULL) {
		char *path = g_build_filename(folder, prefix, name, NULL);

		if (name[0] != '.' && g_file_test(path, G_FILE_TEST_IS_REGULAR))
			g_ptr_array_add(files, g_strconcat(prefix, name, NULL));
		g_free(path);
	}
}

static GPtrArray *list_files(const char *folder, char *why, size_t why_bytes)
{
	GError *mistake = NULL;
	GDir *dir = g_dir_open(folder, 0, &mistake);
	char *below = g_build_filename(folder, VENDOR_SELFTEST, NULL);
	GDir *selftest = g_dir_open(below, 0, NULL);
	GPtrArray *files = NULL;

	if (dir == NULL) {
		(void)snprintf(why, why_bytes, "%s", mistake->message);
		g_error_free(mistake);
	} else {
		files = g_ptr_array_new_with_free_func(g_free);
		add_names(files, dir, folder, "");
		g_dir_close(dir);
	}
	if (files != NULL && selftest != NULL)
		add_names(files, selftest, folder, VENDOR_SELFTEST);
	if (selftest != NULL)
		g_dir_close(selftest);
	if (files != NULL)
		g_ptr_array_sort(files, by_name);
	g_free(below);
	return files;
}

int vendor_catalogue_read(const char *folder, json_t **out, char *why, size_t why_bytes)
{
	GPtrArray *files = list_files(folder, why, why_bytes);
	json_t *catalogue;
	int err = 0;

	if (files == NULL)
		return -ENOENT;
	catalogue = json_pack("{s:[], s:{}}", "files", "covers");
	for (guint i = 0; i < files->len && err == 0; i++)
		err = add_file(catalogue, folder, g_ptr_array_index(files, i), why, why_bytes);
	g_ptr_array_unref(files);
	if (err == 0)
		*out = catalogue;
	else
		json_decref(catalogue);
	return err;
}

static json_t *list_ids(json_t *covers)
{
	json_t *ids = json_array();
	const char *id;
	json_t *names;

	json_object_foreach(covers, id, names)
	{
		(void)json_array_append_new(ids, json_string(id));
	}
	return ids;
}

static void add_urls(json_t *files, const char *url)
{
	json_t *entry;
	size_t i;

	json_array_foreach(files, i, entry)
	{
		char *name = g_uri_escape_string(
			json_string_value(json_object_get(entry, "name")), "/", FALSE);
		char *where = g_strconcat(url, g_str_has_suffix(url, "/") ? "" : "/", name, NULL);

		(void)json_object_set_new(entry, "url", json_string(where));
		g_free(where);
		g_free(name);
	}
}

int vendor_catalogue_update(const json_t *catalogue, const struct vendor_update *update,
	json_t **out, char *why, size_t why_bytes)
{
	json_t *covers = json_object_get(catalogue, "covers");
	json_t *files = json_deep_copy(json_object_get(catalogue, "files"));

	if (json_array_size(files) == 0 || json_object_size(covers) > COVERS_MOST) {
		(void)snprintf(why, why_bytes,
			json_array_size(files) == 0 ? "the folder has no signature files"
						    : "more virus ids than an update can cover");
		json_decref(files);
		return -EINVAL;
	}
	add_urls(files, update->url);
	*out = json_pack("{s:s, s:o, s:o}", "version", update->version, "covers", list_ids(covers),
		"files", files);
	if (*out != NULL && update->delta_from != NULL && update->delta_from[0] != '\0')
		(void)json_object_set_new(*out, "delta_from", json_string(update->delta_from));
	return *out != NULL ? 0 : -ENOMEM;
}
