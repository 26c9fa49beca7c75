// SPDX-License-Identifier: BSD-3-Clause
// Properties of PDF: searches of its dictionaries move on and end, and the key that is found is always the
// same; a stream with a predictor comes out as a plain reading of PNG (section 9) and TIFF 6.0 (section 14)
// makes it, in any pieces. The first input byte chooses which of the two is looked at, the next ones the
// predictor.
#include "scan/unpack.h"
#include "scan/unpack_pdf_dict.h"
#include "scan/unpack_pdf_key.h"

#include <zlib.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

static bool is_same_key(const struct crypt_key *a, const struct crypt_key *b)
{
	return a->length == b->length && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0 &&
	       a->streams == b->streams && a->strings == b->strings &&
	       a->leaves_metadata == b->leaves_metadata && a->number == b->number;
}

static void look_for_key(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);
	struct pdf_security security;
	struct pdf_string id;
	struct crypt_key keys[2];
	bool found[2];
	struct pdf_search search = {0, UINT64_MAX};
	size_t last = 0;

	check(copy != NULL);
	memcpy(copy, data, n);
	for (; pdf_dict_find_security(copy, n, &search, &security); last = search.at)
		check(search.at > last && search.at <= n && security.owner.n <= PDF_STRING_BYTES);
	search.at = 0;
	last = 0;
	for (; pdf_dict_find_id(copy, n, &search, &id); last = search.at)
		check(search.at > last && search.at <= n && id.n <= PDF_STRING_BYTES);
	for (int i = 0; i < 2; i++) {
		memset(&keys[i], 0, sizeof(keys[i]));
		found[i] = pdf_key_find(copy, n, &keys[i]);
	}
	check(found[0] == found[1] && (!found[0] || is_same_key(&keys[0], &keys[1])));
	free(copy);
}

// ---- predictors --------------------------------------------------------------------------------

struct shape {
	unsigned int predictor;
	unsigned int colors;
	unsigned int bits;
	unsigned int columns;
};

static int distance(int a, int b)
{
	return a > b ? a - b : b - a;
}

static int nearest(int left, int up, int corner)
{
	int guess = left + up - corner;

	if (distance(guess, left) <= distance(guess, up) &&
		distance(guess, left) <= distance(guess, corner))
		return left;
	return distance(guess, up) <= distance(guess, corner) ? up : corner;
}

static unsigned int png(const uint8_t *row, const uint8_t *above, size_t i, size_t pixel, int tag)
{
	int left = i >= pixel ? row[i - pixel] : 0;
	int corner = i >= pixel ? above[i - pixel] : 0;

	switch (tag) {
	case 1:
		return (unsigned int)left;
	case 2:
		return above[i];
	case 3:
		return (unsigned int)(left + above[i]) / 2;
	case 4:
		return (unsigned int)nearest(left, above[i], corner);
	default:
		return 0;
	}
}

static size_t undo_png(const struct shape *shape, const uint8_t *data, size_t n, uint8_t *out)
{
	static const uint8_t zeros[MOST_BYTES];
	size_t pixel = (shape->colors * shape->bits + 7) / 8;
	size_t row = ((size_t)shape->columns * shape->colors * shape->bits + 7) / 8;
	size_t count = 0;
	const uint8_t *above = zeros;

	for (size_t at = 0; at < n; at += row + 1) {
		uint8_t *now = out + count;

		for (size_t i = 0; i < row && at + 1 + i < n; i++) {
			now[i] = (uint8_t)(data[at + 1 + i] + png(now, above, i, pixel, data[at]));
			count++;
		}
		above = now;
	}
	return count;
}

// Whole samples of one or two bytes.
static size_t undo_tiff(const struct shape *shape, const uint8_t *data, size_t n, uint8_t *out)
{
	size_t wide = shape->bits / 8;
	size_t row = (size_t)shape->columns * shape->colors * wide;
	size_t pixel = shape->colors * wide;

	for (size_t i = 0; i + wide <= n; i += wide) {
		bool has_left = i % row >= pixel;

		if (wide == 1) {
			out[i] = (uint8_t)(data[i] + (has_left ? out[i - pixel] : 0));
		} else {
			unsigned int sum = (unsigned int)data[i] << 8 | data[i + 1];

			sum += has_left ? (unsigned int)out[i - pixel] << 8 | out[i - pixel + 1]
					: 0;
			out[i] = (uint8_t)(sum >> 8);
			out[i + 1] = (uint8_t)sum;
		}
	}
	return n - n % wide;
}

static size_t unpack_stream(struct unpack_pool *pool, const uint8_t *data, size_t n, size_t piece,
	uint8_t *out, bool *is_warned)
{
	struct unpack_event event;
	struct unpack *unpack;
	size_t count = 0;

	*is_warned = false;
	check(unpack_begin(pool, UNPACK_PDF, 0, &unpack) == 0);
	for (size_t at = 0; at < n; at += piece) {
		size_t bytes = n - at < piece ? n - at : piece;
		size_t used = 0;

		do {
			used += unpack_next(unpack, data + at + used, bytes - used, &event);
			check(event.type != UNPACK_END);
			*is_warned = *is_warned || event.type == UNPACK_WARNING;
			if (event.type == UNPACK_MEMBER_DATA) {
				check(count + event.bytes <= (size_t)2 * MOST_BYTES);
				memcpy(out + count, event.data, event.bytes);
				count += event.bytes;
			}
		} while (event.type != UNPACK_NEED_INPUT || used < bytes);
	}
	unpack_put(unpack);
	return count;
}

static void undo_predictor(const uint8_t *data, size_t n, size_t piece)
{
	static struct unpack_pool *pool;
	static uint8_t file[4 * MOST_BYTES];
	static uint8_t expected[MOST_BYTES];
	static uint8_t found[2 * MOST_BYTES];
	struct shape shape = {data[0] % 2 != 0 ? 2 : 10 + data[0] % 6u, 1 + data[1] % 5u,
		8u << data[1] / 8 % 2, 1 + data[2] % 64u};
	uLongf packed = (uLongf)2 * MOST_BYTES;
	static uint8_t stream[2 * MOST_BYTES];
	bool is_warned;
	size_t bytes;
	size_t count;
	size_t given;

	data += 3;
	n = n - 3 < MOST_BYTES ? n - 3 : MOST_BYTES;
	if (pool == NULL)
		check(unpack_pool_new(2, 1, 1000, &pool) == 0);
	if (shape.predictor >= 10)
		shape.bits = 8u >> data[-1] / 64 % 4;
	check(compress2(stream, &packed, data, n, 1) == Z_OK);
	bytes = (size_t)snprintf((char *)file, sizeof(file),
		"%%PDF-1.4\n1 0 obj\n<</Filter/FlateDecode/DecodeParms<</Predictor %u/Colors %u"
		"/BitsPerComponent %u/Columns %u>>/Length %lu>>\nstream\n",
		shape.predictor, shape.colors, shape.bits, shape.columns, packed);
	memcpy(file + bytes, stream, packed);
	bytes += packed;
	bytes += (size_t)snprintf((char *)file + bytes, 32, "\nendstream\nendobj\n");
	count = shape.predictor == 2 ? undo_tiff(&shape, data, n, expected)
				     : undo_png(&shape, data, n, expected);
	given = unpack_stream(pool, file, bytes, piece, found, &is_warned);
	// Readers differ where a stream holds the word that ends one: then it is suspect.
	if (memmem(stream, packed, "endstream", 9) != NULL) {
		check(is_warned);
		return;
	}
	check(given >= count);
	check(memcmp(found, expected, count) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 5 || n > MOST_BYTES)
		return 0;
	if (data[0] % 2 == 0)
		look_for_key(data + 1, n - 1);
	else
		undo_predictor(data + 1, n - 1, data[0] / 2 + 1u);
	return 0;
}
