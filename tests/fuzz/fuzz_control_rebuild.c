// SPDX-License-Identifier: BSD-3-Clause
// Property: a part that is repaired in its transfer encoding decodes, by GMime's own decoder, to the part
// with its bytes repaired, where the content is well-formed: readers differ in what they make of a stray '='. The first input byte chooses the encoding, then
// come a recipe, a NUL, and the content as it stands in the mail.
#include "control/rebuild_code.h"

#include <gmime/gmime.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

static GByteArray *decoded(enum rebuild_encoding encoding, const uint8_t *data, size_t n)
{
	const GMimeContentEncoding encodings[] = {
		[REBUILD_ENCODING_PLAIN] = GMIME_CONTENT_ENCODING_BINARY,
		[REBUILD_ENCODING_BASE64] = GMIME_CONTENT_ENCODING_BASE64,
		[REBUILD_ENCODING_QUOTED] = GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE,
	};
	GByteArray *out = g_byte_array_new();
	GMimeEncoding state;

	g_mime_encoding_init_decode(&state, encodings[encoding]);
	g_byte_array_set_size(out, (guint)g_mime_encoding_outlen(&state, n) + 4);
	g_byte_array_set_size(out,
		(guint)g_mime_encoding_flush(&state, (const char *)data, n, (char *)out->data));
	return out;
}

// Whether each '=' of quoted-printable begins a pair of digits or ends a line (RFC 2045, section 6.7).
static bool is_well_formed(enum rebuild_encoding encoding, const uint8_t *data, size_t n)
{
	for (size_t at = 0; encoding == REBUILD_ENCODING_QUOTED && at < n; at++) {
		const uint8_t *next = data + at + 1;
		size_t left = n - at - 1;
		bool is_pair = left >= 2 && g_ascii_isxdigit((gchar)next[0]) &&
			       g_ascii_isxdigit((gchar)next[1]);

		if (data[at] == '=' && !is_pair && !(left >= 1 && next[0] == '\n') &&
			!(left >= 2 && next[0] == '\r' && next[1] == '\n'))
			return false;
	}
	return true;
}

static void check_repaired(
	const struct rebuild_code *code, const struct recipe *recipe, const GByteArray *before)
{
	GByteArray *out = g_byte_array_new();
	int err = rebuild_code_repair(code, recipe, 1, out);

	check(err == 0 || err == -ERANGE || err == -ENOTSUP);
	if (err == 0) {
		GByteArray *after = decoded(code->encoding, out->data, out->len);
		uint8_t *expected = g_malloc(before->len + 1);
		size_t bytes = before->len;

		memcpy(expected, before->data, before->len);
		check(recipe_apply(recipe, expected, &bytes) == 0);
		check(!is_well_formed(code->encoding, code->content, code->bytes) ||
			(after->len == bytes && memcmp(after->data, expected, bytes) == 0));
		g_free(expected);
		(void)g_byte_array_free(after, TRUE);
	}
	(void)g_byte_array_free(out, TRUE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const enum rebuild_encoding encodings[] = {
		REBUILD_ENCODING_PLAIN, REBUILD_ENCODING_BASE64, REBUILD_ENCODING_QUOTED};
	const uint8_t *nul = n > 1 ? memchr(data + 1, '\0', n - 1) : NULL;
	struct recipe recipe;
	struct rebuild_code code;
	GByteArray *before;
	GChecksum *checksum;
	const char *why;
	uint8_t sha256[32];
	gsize bytes = sizeof(sha256);

	if (nul == NULL || n > 65536 ||
		recipe_parse((const char *)data + 1, (size_t)(nul - data) - 1, &recipe, &why) !=
			0 ||
		recipe.kind == RECIPE_REMOVE)
		return 0;
	code = (struct rebuild_code){
		.encoding = encodings[data[0] % 3],
		.content = nul + 1,
		.bytes = n - (size_t)(nul + 1 - data),
		.sha256 = sha256,
		.eol = data[0] / 3 % 2 != 0 ? "\n" : "\r\n",
	};
	before = decoded(code.encoding, code.content, code.bytes);
	checksum = g_checksum_new(G_CHECKSUM_SHA256);
	g_checksum_update(checksum, before->data, before->len);
	g_checksum_get_digest(checksum, sha256, &bytes);
	g_checksum_free(checksum);
	check_repaired(&code, &recipe, before);
	(void)g_byte_array_free(before, TRUE);
	return 0;
}
