// SPDX-License-Identifier: BSD-3-Clause
#include "control/rebuild_leaf.h"

#include "control/rebuild_embed.h"
#include "control/rebuild_signature.h"

#include <gmime/gmime.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MOST 64
#define CONTENT_PREFIX "Content-"

struct walk {
	const uint8_t *data;
	size_t bytes;
	GArray *leaves;
	unsigned int depth;
	enum rebuild_seal seal;
	bool is_outermost;
	int err;
};

// ---- one leaf -----------------------------------------------------------------------------------

// The end of a header field: its line and those that begin with a blank.
static size_t field_end(const struct walk *walk, size_t at)
{
	do {
		const uint8_t *end = memchr(walk->data + at, '\n', walk->bytes - at);

		if (end == NULL)
			return walk->bytes;
		at = (size_t)(end - walk->data) + 1;
	} while (at < walk->bytes && (walk->data[at] == ' ' || walk->data[at] == '\t'));
	return at;
}

// What GMime says must be what is there.
static bool is_field_at(const struct walk *walk, gint64 offset, const char *name)
{
	size_t n = strlen(name);

	return offset >= 0 && (uint64_t)offset < walk->bytes && n < walk->bytes - (size_t)offset &&
	       memcmp(walk->data + offset, name, n) == 0;
}

static void read_fields(struct walk *walk, GMimeObject *object, struct rebuild_leaf *leaf)
{
	GMimeHeaderList *headers = g_mime_object_get_header_list(object);
	int count = g_mime_header_list_get_count(headers);

	leaf->fields = calloc((size_t)count + 1, sizeof(*leaf->fields));
	if (leaf->fields == NULL) {
		walk->err = -ENOMEM;
		return;
	}
	for (int i = 0; i < count; i++) {
		GMimeHeader *header = g_mime_header_list_get_header_at(headers, i);
		const char *name = g_mime_header_get_name(header);
		gint64 offset = g_mime_header_get_offset(header);
		struct rebuild_range *field = &leaf->fields[leaf->fields_count];

		if (g_ascii_strncasecmp(name, CONTENT_PREFIX, strlen(CONTENT_PREFIX)) != 0)
			continue;
		if (!is_field_at(walk, offset, name)) {
			walk->err = -EBADMSG;
			return;
		}
		*field = (struct rebuild_range){(size_t)offset, field_end(walk, (size_t)offset)};
		if (field->end > leaf->content.begin)
			walk->err = -EBADMSG;
		leaf->fields_count++;
	}
}

// No control characters but those that text has; ESC is of ISO 2022.
static bool is_text(const uint8_t *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		if (data[i] < ' ' && strchr("\t\n\f\r\033", data[i]) == NULL)
			return false;
		if (data[i] == '\0')
			return false;
	}
	return true;
}

static void read_content(struct walk *walk, GMimeDataWrapper *content, struct rebuild_leaf *leaf)
{
	GMimeStream *decoded = g_mime_stream_mem_new();
	GByteArray *array = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(decoded));
	GChecksum *checksum = g_checksum_new(G_CHECKSUM_SHA256);
	gsize digest = sizeof(leaf->sha256);

	if (g_mime_data_wrapper_write_to_stream(content, decoded) < 0)
		walk->err = -EBADMSG;
	leaf->bytes = array->len;
	leaf->is_text = is_text(array->data, array->len);
	if (leaf->is_text) {
		leaf->embeds = rebuild_embed_in_text(array->data, array->len);
		leaf->embeds_html = !rebuild_embed_can_read(leaf->charset) ||
				    rebuild_embed_in_html(array->data, array->len);
	}
	leaf->is_signature = leaf->is_signature &&
			     rebuild_is_signature(leaf->type, leaf->name, array->data, array->len);
	g_checksum_update(checksum, array->data, (gssize)array->len);
	g_checksum_get_digest(checksum, leaf->sha256, &digest);
	g_checksum_free(checksum);
	g_object_unref(decoded);
}

static char *type_of(GMimeObject *object)
{
	GMimeContentType *type = g_mime_object_get_content_type(object);
	char *text = type != NULL ? g_mime_content_type_get_mime_type(type) : NULL;
	char *lower = g_ascii_strdown(text != NULL ? text : "text/plain", -1);

	g_free(text);
	return lower;
}

static enum rebuild_encoding encoding_of(GMimePart *part)
{
	switch (g_mime_part_get_content_encoding(part)) {
	case GMIME_CONTENT_ENCODING_DEFAULT:
	case GMIME_CONTENT_ENCODING_7BIT:
	case GMIME_CONTENT_ENCODING_8BIT:
	case GMIME_CONTENT_ENCODING_BINARY:
		return REBUILD_ENCODING_PLAIN;
	case GMIME_CONTENT_ENCODING_BASE64:
		return REBUILD_ENCODING_BASE64;
	case GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE:
		return REBUILD_ENCODING_QUOTED;
	case GMIME_CONTENT_ENCODING_UUENCODE:
		break;
	}
	return REBUILD_ENCODING_OTHER;
}

static char *charset_of(GMimeObject *object)
{
	GMimeContentType *type = g_mime_object_get_content_type(object);
	const char *charset =
		type != NULL ? g_mime_content_type_get_parameter(type, "charset") : NULL;

	return g_strdup(charset != NULL ? charset : "");
}

static void add_leaf(struct walk *walk, GMimePart *part, bool is_signature)
{
	GMimeObject *object = GMIME_OBJECT(part);
	GMimeDataWrapper *content = g_mime_part_get_content(part);
	GMimeStream *stream = content != NULL ? g_mime_data_wrapper_get_stream(content) : NULL;
	const char *name = g_mime_part_get_filename(part);
	const char *disposition = g_mime_object_get_disposition(object);
	struct rebuild_leaf leaf = {.seal = walk->seal, .is_outermost = walk->is_outermost};

	if (stream == NULL || stream->bound_start < 0 || stream->bound_end < stream->bound_start ||
		(uint64_t)stream->bound_end > walk->bytes) {
		walk->err = -EBADMSG;
		return;
	}
	// Before a boundary at the very end of the message GMime leaves half of the boundary's line end in the part.
	if (stream->bound_end > stream->bound_start && (uint64_t)stream->bound_end < walk->bytes &&
		walk->data[stream->bound_end - 1] == '\r' && walk->data[stream->bound_end] == '\n')
		g_mime_stream_set_bounds(stream, stream->bound_start, stream->bound_end - 1);
	leaf.content =
		(struct rebuild_range){(size_t)stream->bound_start, (size_t)stream->bound_end};
	leaf.type = type_of(object);
	leaf.name = g_strdup(name != NULL ? name : "");
	leaf.is_attached =
		disposition != NULL && g_ascii_strcasecmp(disposition, "attachment") == 0;
	leaf.is_signature = is_signature;
	leaf.encoding = encoding_of(part);
	leaf.charset = charset_of(object);
	if (strcmp(leaf.type, "application/pkcs7-mime") == 0 ||
		strcmp(leaf.type, "application/x-pkcs7-mime") == 0)
		leaf.seal = REBUILD_SEAL_ENCRYPTED;
	read_fields(walk, object, &leaf);
	if (walk->err == 0)
		read_content(walk, content, &leaf);
	g_array_append_val(walk->leaves, leaf);
}

// ---- the tree -----------------------------------------------------------------------------------

static enum rebuild_seal seal_of(GMimeObject *object, enum rebuild_seal around)
{
	if (GMIME_IS_MULTIPART_SIGNED(object))
		return REBUILD_SEAL_SIGNED;
	return GMIME_IS_MULTIPART_ENCRYPTED(object) ? REBUILD_SEAL_ENCRYPTED : around;
}

// What an attached message consists of; NULL: object is none, or an empty one.
static GMimeObject *inner_of(GMimeObject *object)
{
	GMimeMessage *message = GMIME_IS_MESSAGE_PART(object) ? g_mime_message_part_get_message(
									GMIME_MESSAGE_PART(object))
							      : NULL;

	return message != NULL ? g_mime_message_get_mime_part(message) : NULL;
}

static void walk_object(struct walk *walk, GMimeObject *object, bool is_signature)
{
	enum rebuild_seal around = walk->seal;
	int count = 0;

	if (walk->err != 0)
		return;
	if (walk->depth == DEPTH_MOST) {
		walk->err = -EBADMSG;
		return;
	}
	if (GMIME_IS_PART(object)) {
		add_leaf(walk, GMIME_PART(object), is_signature);
		return;
	}
	walk->depth++;
	walk->is_outermost = false;
	walk->seal = seal_of(object, around);
	if (GMIME_IS_MULTIPART(object))
		count = g_mime_multipart_get_count(GMIME_MULTIPART(object));
	else if (inner_of(object) != NULL)
		walk_object(walk, inner_of(object), false);
	for (int i = 0; i < count; i++)
		walk_object(walk, g_mime_multipart_get_part(GMIME_MULTIPART(object), i),
			walk->seal == REBUILD_SEAL_SIGNED && around != walk->seal && i == 1);
	walk->seal = around;
	walk->depth--;
}

static void read_message(struct walk *walk, GMimeMessage *message, struct rebuild_leaves *out)
{
	GMimeObject *object = GMIME_OBJECT(message);

	out->has_dkim = g_mime_object_get_header(object, "DKIM-Signature") != NULL;
	out->has_version = g_mime_object_get_header(object, "MIME-Version") != NULL;
	object = g_mime_message_get_mime_part(message);
	if (object == NULL)
		return;
	walk_object(walk, object, false);
	if (GMIME_IS_MULTIPART(object) &&
		g_mime_content_type_is_type(
			g_mime_object_get_content_type(object), "multipart", "mixed"))
		out->boundary = g_strdup(g_mime_multipart_get_boundary(GMIME_MULTIPART(object)));
}

char *rebuild_leaf_decode(const struct rebuild_leaf *leaf, const uint8_t *data, size_t *bytes)
{
	static const GMimeContentEncoding encodings[] = {
		[REBUILD_ENCODING_PLAIN] = GMIME_CONTENT_ENCODING_8BIT,
		[REBUILD_ENCODING_BASE64] = GMIME_CONTENT_ENCODING_BASE64,
		[REBUILD_ENCODING_QUOTED] = GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE,
		[REBUILD_ENCODING_OTHER] = GMIME_CONTENT_ENCODING_UUENCODE,
	};
	size_t n = leaf->content.end - leaf->content.begin;
	GMimeEncoding state;
	char *out;

	g_mime_encoding_init_decode(&state, encodings[leaf->encoding]);
	out = g_malloc(g_mime_encoding_outlen(&state, n) + 1);
	*bytes = g_mime_encoding_flush(&state, (const char *)data + leaf->content.begin, n, out);
	return out;
}

int rebuild_leaves_read(const uint8_t *data, size_t bytes, struct rebuild_leaves *out)
{
	struct walk walk = {.data = data, .bytes = bytes, .is_outermost = true};
	GByteArray *array = g_byte_array_sized_new(0);
	GMimeStream *stream;
	GMimeParser *parser;
	GMimeMessage *message;

	g_mime_init();
	*out = (struct rebuild_leaves){0};
	walk.leaves = g_array_new(FALSE, TRUE, sizeof(struct rebuild_leaf));
	g_byte_array_append(array, data, (guint)bytes);
	stream = g_mime_stream_mem_new_with_byte_array(array);
	parser = g_mime_parser_new_with_stream(stream);
	g_mime_parser_set_persist_stream(parser, TRUE);
	message = g_mime_parser_construct_message(parser, NULL);
	if (message != NULL) {
		read_message(&walk, message, out);
		g_object_unref(message);
	} else {
		walk.err = -EBADMSG;
	}
	g_object_unref(parser);
	g_object_unref(stream);
	out->count = walk.leaves->len;
	out->list = (struct rebuild_leaf *)(void *)g_array_free(walk.leaves, FALSE);
	if (walk.err != 0)
		rebuild_leaves_fini(out);
	return walk.err;
}

void rebuild_leaves_fini(struct rebuild_leaves *leaves)
{
	for (size_t i = 0; i < leaves->count; i++) {
		free(leaves->list[i].fields);
		g_free(leaves->list[i].type);
		g_free(leaves->list[i].name);
		g_free(leaves->list[i].charset);
	}
	g_free(leaves->list);
	g_free(leaves->boundary);
	*leaves = (struct rebuild_leaves){0};
}
