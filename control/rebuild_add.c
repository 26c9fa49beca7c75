// SPDX-License-Identifier: BSD-3-Clause
#include "control/rebuild_add.h"

#include <errno.h>
#include <string.h>

#define CONTENT_PREFIX "Content-"
#define DIGITS 24 // of a boundary that is made here

static void put(GByteArray *out, const void *data, size_t bytes)
{
	if (bytes > 0)
		g_byte_array_append(out, data, (guint)bytes);
}

static void put_text(GByteArray *out, const char *text)
{
	put(out, text, strlen(text));
}

static size_t line_end(const GByteArray *message, size_t at)
{
	const uint8_t *end = memchr(message->data + at, '\n', message->len - at);

	return end != NULL ? (size_t)(end - message->data) + 1 : message->len;
}

static bool is_empty(const GByteArray *message, size_t at, size_t end)
{
	return end - at == 1 || (end - at == 2 && message->data[at] == '\r');
}

// Where the empty line behind the header is; the length of the message when there is none.
static size_t find_body(const GByteArray *message)
{
	size_t at = 0;

	while (at < message->len) {
		size_t end = line_end(message, at);

		if (message->data[end - 1] == '\n' && is_empty(message, at, end))
			return at;
		at = end;
	}
	return message->len;
}

// ---- one that has parts -------------------------------------------------------------------------

// The line "--boundary--", from `at` on; the length of the message when there is none.
static size_t find_close(const GByteArray *message, size_t at, const char *boundary)
{
	char *line = g_strdup_printf("--%s--", boundary);
	size_t bytes = strlen(line);

	for (; at < message->len; at = line_end(message, at)) {
		size_t end = line_end(message, at);
		size_t rest = at + bytes;

		if (end < rest || memcmp(message->data + at, line, bytes) != 0)
			continue;
		while (rest < end && strchr(" \t\r\n", message->data[rest]) != NULL &&
			message->data[rest] != '\0')
			rest++;
		if (rest == end)
			break;
	}
	g_free(line);
	return at;
}

static void put_part(GByteArray *out, const char *boundary, const struct rebuild_note *note)
{
	put_text(out, "--");
	put_text(out, boundary);
	put_text(out, note->eol);
	put_text(out, note->header);
	put_text(out, note->eol);
	put_text(out, note->text);
}

static void put_close(GByteArray *out, const char *boundary, const struct rebuild_note *note)
{
	put_text(out, "--");
	put_text(out, boundary);
	put_text(out, "--");
	put_text(out, note->eol);
}

static void add_behind(
	GByteArray *message, size_t body, const char *boundary, const struct rebuild_note *note)
{
	GByteArray *rest = g_byte_array_new();
	size_t close = find_close(message, body, boundary);

	put(rest, message->data + close, message->len - close);
	g_byte_array_set_size(message, (guint)close);
	// Of one that never ends the last line is the last part's.
	if (rest->len == 0)
		put_text(message, note->eol);
	put_part(message, boundary, note);
	if (rest->len == 0)
		put_close(message, boundary, note);
	put(message, rest->data, rest->len);
	(void)g_byte_array_free(rest, TRUE);
}

// ---- any other ----------------------------------------------------------------------------------

// One that is not in the message; the same message gives the same.
static char *make_boundary(const GByteArray *message)
{
	char *boundary = NULL;

	for (unsigned int salt = 0;; salt++) {
		GChecksum *checksum = g_checksum_new(G_CHECKSUM_SHA256);

		g_checksum_update(checksum, (const guchar *)&salt, sizeof(salt));
		g_checksum_update(checksum, message->data, (gssize)message->len);
		boundary =
			g_strdup_printf("=_cordon_%.*s", DIGITS, g_checksum_get_string(checksum));
		g_checksum_free(checksum);
		if (memmem(message->data, message->len, boundary, strlen(boundary)) == NULL)
			return boundary;
		g_free(boundary);
	}
}

static size_t field_end(const GByteArray *message, size_t at, size_t body)
{
	do {
		at = line_end(message, at);
	} while (at < body && (message->data[at] == ' ' || message->data[at] == '\t'));
	return at;
}

// The fields that tell of the content go to inner, the others to outer.
static void part_header(
	const GByteArray *message, size_t body, GByteArray *outer, GByteArray *inner)
{
	size_t end;

	for (size_t at = 0; at < body; at = end) {
		const char *field = (const char *)message->data + at;
		bool is_content;

		end = field_end(message, at, body);
		is_content =
			end - at > strlen(CONTENT_PREFIX) &&
			g_ascii_strncasecmp(field, CONTENT_PREFIX, strlen(CONTENT_PREFIX)) == 0;
		put(is_content ? inner : outer, field, end - at);
	}
}

static void wrap(const struct rebuild_leaves *leaves, GByteArray *message, size_t body,
	const struct rebuild_note *note)
{
	GByteArray *out = g_byte_array_new();
	GByteArray *inner = g_byte_array_new();
	char *boundary = make_boundary(message);
	char *type = g_strdup_printf("Content-Type: multipart/mixed;%s\tboundary=\"%s\"%s",
		note->eol, boundary, note->eol);

	part_header(message, body, out, inner);
	if (!leaves->has_version) {
		put_text(out, "MIME-Version: 1.0");
		put_text(out, note->eol);
	}
	put_text(out, type);
	put_text(out, note->eol);
	put_text(out, "--");
	put_text(out, boundary);
	put_text(out, note->eol);
	put(out, inner->data, inner->len);
	put(out, message->data + body, message->len - body);
	put_text(out, note->eol);
	put_part(out, boundary, note);
	put_close(out, boundary, note);
	g_byte_array_set_size(message, 0);
	put(message, out->data, out->len);
	g_free(type);
	g_free(boundary);
	(void)g_byte_array_free(inner, TRUE);
	(void)g_byte_array_free(out, TRUE);
}

int rebuild_add_part(
	const struct rebuild_leaves *leaves, const struct rebuild_note *note, GByteArray *message)
{
	size_t body = find_body(message);

	if (body == message->len)
		return -EBADMSG;
	if (leaves->boundary != NULL)
		add_behind(message, body, leaves->boundary, note);
	else
		wrap(leaves, message, body, note);
	return 0;
}
