// SPDX-License-Identifier: BSD-3-Clause
#include "control/alert_part.h"

#include "control/envelope.h"

#include <gmime/gmime.h>

#include <string.h>

struct walk {
	const char *type;
	bool takes_text;
	alert_part_fn each;
	void *ctx;
	unsigned int count;
};

static bool is_wanted(const struct walk *walk, GMimeObject *object)
{
	char *type = g_mime_content_type_get_mime_type(g_mime_object_get_content_type(object));
	bool same = g_ascii_strcasecmp(type, walk->type) == 0 ||
		    (walk->takes_text && g_ascii_strcasecmp(type, "text/plain") == 0);

	g_free(type);
	return same;
}

static void look(GMimeObject *parent, GMimeObject *object, gpointer ctx)
{
	struct walk *walk = ctx;
	GMimeDataWrapper *content;
	GMimeStream *stream;

	(void)parent;
	if (!GMIME_IS_PART(object) || !is_wanted(walk, object) || walk->count >= ALERT_PART_MOST)
		return;
	content = g_mime_part_get_content(GMIME_PART(object));
	if (content == NULL)
		return;
	stream = g_mime_stream_mem_new();
	if (g_mime_data_wrapper_write_to_stream(content, stream) > 0) {
		const GByteArray *bytes =
			g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream));

		walk->count++;
		walk->each(walk->ctx, bytes->data, bytes->len);
	}
	g_object_unref(stream);
}

static void look_at_mail(const void *data, size_t bytes, struct walk *walk)
{
	GMimeStream *stream = g_mime_stream_mem_new_with_buffer(data, bytes);
	GMimeParser *parser = g_mime_parser_new_with_stream(stream);
	GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);

	if (message != NULL) {
		GMimeObject *top = g_mime_message_get_mime_part(message);

		if (GMIME_IS_MULTIPART(top))
			g_mime_multipart_foreach(GMIME_MULTIPART(top), look, walk);
		else if (top != NULL)
			look(NULL, top, walk);
		g_object_unref(message);
	}
	g_object_unref(parser);
	g_object_unref(stream);
}

static unsigned int each_part(const void *data, size_t bytes, struct walk *walk)
{
	const char *text = data;
	size_t at = 0;

	if (bytes > ALERT_PART_MAIL_BYTES)
		return 0;
	while (at < bytes && text[at] != '\0' && strchr(" \t\r\n", text[at]) != NULL)
		at++;
	if (at < bytes && text[at] == '{') {
		walk->each(walk->ctx, text + at, bytes - at);
		return 1;
	}
	g_mime_init();
	look_at_mail(data, bytes, walk);
	return walk->count;
}

unsigned int alert_part_each(const void *data, size_t bytes, alert_part_fn each, void *ctx)
{
	struct walk walk = {.type = ENVELOPE_ALERT, .each = each, .ctx = ctx};

	return each_part(data, bytes, &walk);
}

unsigned int alert_part_receipts(const void *data, size_t bytes, alert_part_fn each, void *ctx)
{
	struct walk walk = {.type = ENVELOPE_RECEIPT, .takes_text = true, .each = each, .ctx = ctx};

	return each_part(data, bytes, &walk);
}
