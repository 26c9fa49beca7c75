// SPDX-License-Identifier: BSD-3-Clause
#include "control/rebuild_code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHA256_BYTES 32
#define LINE_MOST 998  // RFC 5322 section 2.1.1
#define QUOTED_MOST 76 // RFC 2045 section 6.7
#define BYTES_MOST                                                                                 \
	(64u << 20) // of a content that is looked at byte by byte: each takes nine of memory

// The bytes of a part, and where each of them is written.
struct decoded {
	uint8_t *data;
	size_t bytes;
	uint32_t *from; // in the content; NULL: it is not known for each byte
	uint32_t *to;
};

static void decoded_fini(struct decoded *decoded)
{
	free(decoded->data);
	free(decoded->from);
	free(decoded->to);
}

static bool is_of_digest(const struct decoded *decoded, const uint8_t *sha256)
{
	GChecksum *checksum = g_checksum_new(G_CHECKSUM_SHA256);
	uint8_t found[SHA256_BYTES];
	gsize bytes = sizeof(found);

	g_checksum_update(checksum, decoded->data, (gssize)decoded->bytes);
	g_checksum_get_digest(checksum, found, &bytes);
	g_checksum_free(checksum);
	return memcmp(found, sha256, sizeof(found)) == 0;
}

static void put(GByteArray *out, const void *data, size_t bytes)
{
	if (bytes > 0)
		g_byte_array_append(out, data, (guint)bytes);
}

// ---- base64 -------------------------------------------------------------------------------------

static int value_of(uint8_t c)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c != '\0' ? strchr(alphabet, c) : NULL;

	return at != NULL ? (int)(at - alphabet) : -1;
}

static bool is_of_code(uint8_t c)
{
	return c == '=' || value_of(c) >= 0;
}

static int base64_decode(const struct rebuild_code *code, struct decoded *out)
{
	uint32_t bits = 0;
	unsigned int count = 0;

	out->data = malloc(code->bytes + 1);
	if (out->data == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < code->bytes && code->content[i] != '='; i++) {
		int value = value_of(code->content[i]);

		if (value < 0)
			continue;
		bits = bits << 6 | (uint32_t)value;
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		out->data[out->bytes++] = (uint8_t)(bits >> count);
	}
	return 0;
}

// The characters of text take the places of those that were there: lines keep their lengths. What was
// between characters that are not needed any more goes, but for what follows the last of all.
static void base64_fill(
	const struct rebuild_code *code, const char *text, size_t bytes, GByteArray *out)
{
	size_t between = 0; // where it begins
	size_t used = 0;

	for (size_t i = 0; i < code->bytes; i++) {
		if (!is_of_code(code->content[i]))
			continue;
		if (used < bytes) {
			put(out, code->content + between, i - between);
			put(out, text + used++, 1);
		}
		between = i + 1;
	}
	put(out, code->content + between, code->bytes - between);
}

// Some leave the padding out.
static bool is_padded(const struct rebuild_code *code)
{
	size_t count = 0;

	for (size_t i = 0; i < code->bytes; i++)
		count += is_of_code(code->content[i]);
	return count % 4 == 0;
}

static void base64_write(
	const struct rebuild_code *code, const struct decoded *decoded, GByteArray *out)
{
	gchar *text = g_base64_encode(decoded->data, decoded->bytes);
	size_t bytes = strlen(text);

	if (!is_padded(code))
		while (bytes > 0 && text[bytes - 1] == '=')
			bytes--;
	base64_fill(code, text, bytes, out);
	g_free(text);
}

static bool base64_is_regular(const struct rebuild_code *code, const struct decoded *decoded)
{
	GByteArray *again = g_byte_array_new();
	bool same;

	base64_write(code, decoded, again);
	same = again->len == code->bytes &&
	       (code->bytes == 0 || memcmp(again->data, code->content, code->bytes) == 0);
	(void)g_byte_array_free(again, TRUE);
	return same;
}

static int base64_repair(const struct rebuild_code *code, const struct recipe *recipes,
	size_t count, GByteArray *out)
{
	struct decoded decoded = {0};
	int err = base64_decode(code, &decoded);

	if (err == 0 &&
		(!is_of_digest(&decoded, code->sha256) || !base64_is_regular(code, &decoded)))
		err = -ENOTSUP;
	for (size_t i = 0; err == 0 && i < count; i++)
		err = recipe_apply(&recipes[i], decoded.data, &decoded.bytes);
	if (err == 0)
		base64_write(code, &decoded, out);
	decoded_fini(&decoded);
	return err;
}

// ---- what is written byte by byte ---------------------------------------------------------------

static int hex_of(uint8_t c)
{
	return g_ascii_xdigit_value((gchar)c);
}

// Of the soft line break at `at`, its bytes; 0: there is none.
static size_t soft_break(const struct rebuild_code *code, size_t at)
{
	size_t end = at + 1;

	if (code->content[at] != '=')
		return 0;
	while (end < code->bytes && (code->content[end] == ' ' || code->content[end] == '\t'))
		end++;
	if (end < code->bytes && code->content[end] == '\r')
		end++;
	if (end < code->bytes && code->content[end] == '\n')
		return end + 1 - at;
	return 0;
}

static void quoted_decode(const struct rebuild_code *code, struct decoded *out)
{
	const uint8_t *content = code->content;

	for (size_t at = 0; at < code->bytes;) {
		size_t skip = soft_break(code, at);
		bool is_pair = content[at] == '=' && code->bytes - at > 2 &&
			       hex_of(content[at + 1]) >= 0 && hex_of(content[at + 2]) >= 0;
		size_t n = is_pair ? 3 : 1;

		if (skip > 0) {
			at += skip;
			continue;
		}
		out->from[out->bytes] = (uint32_t)at;
		out->to[out->bytes] = (uint32_t)(at + n);
		out->data[out->bytes] = content[at];
		if (is_pair)
			out->data[out->bytes] =
				(uint8_t)((unsigned int)hex_of(content[at + 1]) << 4 |
					  (unsigned int)hex_of(content[at + 2]));
		out->bytes++;
		at += n;
	}
}

static void plain_decode(const struct rebuild_code *code, struct decoded *out)
{
	for (; out->bytes < code->bytes; out->bytes++) {
		out->data[out->bytes] = code->content[out->bytes];
		out->from[out->bytes] = (uint32_t)out->bytes;
		out->to[out->bytes] = (uint32_t)out->bytes + 1;
	}
}

// What is being written, and how long its last line is.
struct writer {
	const struct rebuild_code *code;
	GByteArray *out;
	size_t line; // where it begins
};

static void follow(struct writer *writer, const void *data, size_t bytes)
{
	put(writer->out, data, bytes);
	for (size_t i = writer->out->len - bytes; i < writer->out->len; i++) {
		if (writer->out->data[i] == '\n')
			writer->line = i + 1;
	}
}

// So that a line of quoted-printable does not grow too long by what comes next.
static void make_room(struct writer *writer, size_t next)
{
	size_t line = writer->out->len - writer->line;

	if (writer->code->encoding != REBUILD_ENCODING_QUOTED || line == 0 ||
		line + next <= QUOTED_MOST)
		return;
	follow(writer, "=", 1);
	follow(writer, writer->code->eol, strlen(writer->code->eol));
}

static void write_byte(struct writer *writer, uint8_t byte)
{
	char pair[4];

	if (writer->code->encoding != REBUILD_ENCODING_QUOTED ||
		(byte > ' ' && byte < 127 && byte != '=')) {
		make_room(writer, 2); // a soft line break may have to follow
		follow(writer, &byte, 1);
		return;
	}
	(void)g_snprintf(pair, sizeof(pair), "=%02X", byte);
	make_room(writer, 4);
	follow(writer, pair, 3);
}

// What is left of the line behind a repair may not fit behind what is there now.
static void write_rest(struct writer *writer, size_t from, size_t to)
{
	const uint8_t *content = writer->code->content;
	const uint8_t *end = memchr(content + from, '\n', to - from);
	size_t rest = (end != NULL ? (size_t)(end - content) : to) - from;

	if (rest > 0 && end != NULL && content[from + rest - 1] == '\r')
		rest--;
	if (rest > 0)
		make_room(writer, rest);
	follow(writer, content + from, to - from);
}

// What the recipe is about is written anew, or left out.
static void write_repaired(const struct rebuild_code *code, const struct decoded *decoded,
	const struct recipe *recipe, GByteArray *out)
{
	struct writer writer = {code, out, out->len};
	size_t begin = 0;
	size_t end = 0;

	// The caller has seen that it has them.
	if (recipe_range(recipe, decoded->bytes, &begin, &end) != 0)
		return;
	follow(&writer, code->content, decoded->from[begin]);
	for (size_t i = begin; recipe->kind == RECIPE_OVERWRITE && i < end; i++)
		write_byte(&writer, recipe->fill[(i - begin) % recipe->fill_bytes]);
	write_rest(&writer, decoded->to[end - 1], code->bytes);
}

static int decode_bytes(const struct rebuild_code *code, struct decoded *out)
{
	if (code->bytes > BYTES_MOST)
		return -ENOTSUP;
	out->data = malloc(code->bytes + 1);
	out->from = calloc(code->bytes + 1, sizeof(*out->from));
	out->to = calloc(code->bytes + 1, sizeof(*out->to));
	if (out->data == NULL || out->from == NULL || out->to == NULL)
		return -ENOMEM;
	if (code->encoding == REBUILD_ENCODING_QUOTED)
		quoted_decode(code, out);
	else
		plain_decode(code, out);
	return 0;
}

// What a transfer of such a content must not meet, as a set of bits.
static unsigned int faults_of(const uint8_t *data, size_t bytes)
{
	unsigned int faults = 0;
	size_t line = 0;

	for (size_t i = 0; i < bytes; i++) {
		bool is_end = data[i] == '\n';

		if (data[i] == '\0')
			faults |= 1u;
		if ((data[i] & 0x80) != 0)
			faults |= 2u;
		if (data[i] == '\r' && (i + 1 == bytes || data[i + 1] != '\n'))
			faults |= 4u;
		if (is_end && (i == 0 || data[i - 1] != '\r'))
			faults |= 8u;
		if (!is_end && i - line >= LINE_MOST + 1)
			faults |= 16u;
		if (is_end)
			line = i + 1;
	}
	return faults;
}

// One recipe, on a content that decodes to what it should.
static int repair_once(
	const struct rebuild_code *code, const struct recipe *recipe, GByteArray *out)
{
	struct decoded decoded = {0};
	struct decoded again = {0};
	struct rebuild_code now = *code;
	size_t at = out->len;
	size_t begin;
	size_t end;
	int err = decode_bytes(code, &decoded);

	if (err == 0)
		err = recipe_range(recipe, decoded.bytes, &begin, &end);
	if (err == 0) {
		write_repaired(code, &decoded, recipe, out);
		now.bytes = out->len - at;
		// An array without bytes has no memory.
		now.content = now.bytes > 0 ? out->data + at : code->content;
		err = decode_bytes(&now, &again);
	}
	if (err == 0)
		err = recipe_apply(recipe, decoded.data, &decoded.bytes);
	// It must say what it should, and nothing that such a part could not say before.
	if (err == 0 && (again.bytes != decoded.bytes ||
				memcmp(again.data, decoded.data, again.bytes) != 0 ||
				(faults_of(now.content, now.bytes) &
					~faults_of(code->content, code->bytes)) != 0))
		err = -ENOTSUP;
	decoded_fini(&decoded);
	decoded_fini(&again);
	return err;
}

static int bytes_repair(const struct rebuild_code *code, const struct recipe *recipes, size_t count,
	GByteArray *out)
{
	struct decoded decoded = {0};
	struct rebuild_code now = *code;
	GByteArray *last = NULL;
	int err = decode_bytes(code, &decoded);

	if (err == 0 && !is_of_digest(&decoded, code->sha256))
		err = -ENOTSUP;
	decoded_fini(&decoded);
	for (size_t i = 0; err == 0 && i < count; i++) {
		GByteArray *next = g_byte_array_new();

		err = repair_once(&now, &recipes[i], next);
		if (last != NULL)
			(void)g_byte_array_free(last, TRUE);
		last = next;
		now.content = last->data;
		now.bytes = last->len;
	}
	if (err == 0)
		put(out, now.content, now.bytes);
	if (last != NULL)
		(void)g_byte_array_free(last, TRUE);
	return err;
}

int rebuild_code_repair(const struct rebuild_code *code, const struct recipe *recipes, size_t count,
	GByteArray *out)
{
	switch (code->encoding) {
	case REBUILD_ENCODING_BASE64:
		return base64_repair(code, recipes, count, out);
	case REBUILD_ENCODING_PLAIN:
	case REBUILD_ENCODING_QUOTED:
		return bytes_repair(code, recipes, count, out);
	case REBUILD_ENCODING_OTHER:
		break;
	}
	return -ENOTSUP;
}
