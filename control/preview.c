// SPDX-License-Identifier: BSD-3-Clause
#include "control/preview.h"

#include "control/rebuild_leaf.h"

#include <glib.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PARTS_MOST 500
#define TEXT_BYTES 65536      // of one part
#define TEXTS_BYTES (1 << 19) // of all

struct preview {
	json_t *parts;
	size_t room; // for text
	bool is_cut;
};

// From the charset that it says it is in, if it is of that, else as it stands.
static char *utf8_of(const struct rebuild_leaf *leaf, const char *text, size_t bytes)
{
	char *converted = NULL;
	char *valid;
	gsize n = 0;

	if (leaf->charset[0] != '\0' && g_ascii_strcasecmp(leaf->charset, "utf-8") != 0)
		converted = g_convert_with_fallback(
			text, (gssize)bytes, "UTF-8", leaf->charset, "?", NULL, &n, NULL);
	valid = converted != NULL ? g_utf8_make_valid(converted, (gssize)n)
				  : g_utf8_make_valid(text, (gssize)bytes);
	g_free(converted);
	return valid;
}

// *cut: there is more of it.
static json_t *text_of(
	struct preview *preview, const struct rebuild_leaf *leaf, const uint8_t *data, bool *cut)
{
	size_t most = preview->room < TEXT_BYTES ? preview->room : TEXT_BYTES;
	size_t bytes = 0;
	char *decoded = rebuild_leaf_decode(leaf, data, &bytes);
	char *text;
	json_t *string;

	*cut = bytes > most;
	bytes = *cut ? most : bytes;
	preview->room -= bytes;
	text = utf8_of(leaf, decoded, bytes);
	string = json_string(text);
	g_free(text);
	g_free(decoded);
	return string != NULL ? string : json_null();
}

static void add_part(struct preview *preview, const struct rebuild_leaf *leaf, const uint8_t *data)
{
	char digest[2 * REBUILD_DIGEST_BYTES + 1];
	char *name = g_utf8_make_valid(leaf->name, -1);
	char *type = g_utf8_make_valid(leaf->type, -1);
	json_t *text = json_null();
	bool cut = false;

	for (size_t i = 0; i < REBUILD_DIGEST_BYTES; i++)
		(void)snprintf(digest + 2 * i, 3, "%02x", leaf->sha256[i]);
	if (leaf->is_text && leaf->bytes > 0)
		text = text_of(preview, leaf, data, &cut);
	(void)json_array_append_new(preview->parts,
		json_pack("{s:s, s:s, s:I, s:b, s:s, s:o, s:b}", "type", type, "name", name,
			"bytes", (json_int_t)leaf->bytes, "attached", (int)leaf->is_attached,
			"sha256", digest, "text", text, "cut", (int)cut));
	g_free(name);
	g_free(type);
}

json_t *preview_new(const uint8_t *data, size_t bytes)
{
	struct preview preview = {.room = TEXTS_BYTES};
	struct rebuild_leaves leaves;

	if (rebuild_leaves_read(data, bytes, &leaves) != 0)
		return NULL;
	preview.parts = json_array();
	for (size_t i = 0; i < leaves.count && i < PARTS_MOST; i++)
		add_part(&preview, &leaves.list[i], data);
	preview.is_cut = leaves.count > PARTS_MOST;
	rebuild_leaves_fini(&leaves);
	return json_pack("{s:o, s:b}", "parts", preview.parts, "cut", (int)preview.is_cut);
}
