// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/inflated.h"

#include "scan/unpack_inflate.h"

#include <zlib.h>

#include <stdlib.h>
#include <string.h>

struct both {
	struct inflate *inflate;
	z_stream z;
	uint64_t used; // by inflate
	uint64_t given;
	uint64_t hash;
	uint64_t z_hash;
	uint8_t z_out[INFLATE_OUT_BYTES];
};

static uint64_t add(uint64_t hash, const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ data[i]) * 0x100000001b3u;
	return hash;
}

static enum inflated feed_own(struct both *both, const uint8_t *data, size_t n)
{
	struct inflate_output output = {0};
	size_t used = 0;

	for (;;) {
		// Output that is due comes first, as the codec has it.
		size_t take = output.is_full ? 0 : n - used;
		enum inflate_result result =
			inflate_feed(both->inflate, data + used, take, &output);

		used += output.used;
		both->used += output.used;
		both->given += output.bytes;
		both->hash = add(both->hash, output.data, output.bytes);
		if (result != INFLATE_MORE)
			return result == INFLATE_DONE ? INFLATED_WHOLE : INFLATED_BROKEN;
		if (used == n && !output.is_full)
			return INFLATED_CUT;
	}
}

static enum inflated feed_zlib(struct both *both, const uint8_t *data, size_t n)
{
	int result;

	both->z.next_in = (z_const Bytef *)(uintptr_t)data;
	both->z.avail_in = (unsigned int)n;
	do {
		both->z.next_out = both->z_out;
		both->z.avail_out = sizeof(both->z_out);
		result = inflate(&both->z, Z_NO_FLUSH);
		both->z_hash =
			add(both->z_hash, both->z_out, sizeof(both->z_out) - both->z.avail_out);
	} while (result == Z_OK && (both->z.avail_in > 0 || both->z.avail_out == 0));
	if (result == Z_STREAM_END)
		return INFLATED_WHOLE;
	return result == Z_OK || result == Z_BUF_ERROR ? INFLATED_CUT : INFLATED_BROKEN;
}

static const char *difference(const struct both *both)
{
	if (both->given != both->z.total_out)
		return "bytes that came out";
	if (both->used != both->z.total_in)
		return "bytes that were read";
	return both->hash != both->z_hash ? "what came out" : NULL;
}

static enum inflated compare(
	inflate_symbols_fn symbols, const uint8_t *data, size_t n, size_t step, const char **what)
{
	struct both both = {.inflate = malloc(sizeof(*both.inflate))};
	enum inflated own = INFLATED_CUT;
	size_t at = 0;

	if (both.inflate == NULL || inflateInit2(&both.z, -MAX_WBITS) != Z_OK)
		abort();
	memset(both.inflate, 0xa5, sizeof(*both.inflate));
	inflate_begin(both.inflate);
	both.inflate->symbols = symbols;
	*what = NULL;
	for (size_t i = 1; at < n && own == INFLATED_CUT && *what == NULL; i++) {
		size_t take = step > 0 ? step : 1 + i * 7919 % (i % 3 == 0 ? 5000 : 40);
		// Of its own: what is read beyond is found out.
		uint8_t *piece;

		take = take < n - at ? take : n - at;
		piece = malloc(take);
		if (piece == NULL)
			abort();
		memcpy(piece, data + at, take);
		own = feed_own(&both, piece, take);
		*what = own != feed_zlib(&both, piece, take) ? "how it ended" : difference(&both);
		free(piece);
		at += take;
	}
	(void)inflateEnd(&both.z);
	free(both.inflate);
	return own;
}

enum inflated inflated_compare(const uint8_t *data, size_t n, size_t step, const char **what)
{
	enum inflated result = compare(inflate_variant(0), data, n, step, what);

	for (size_t i = 1; *what == NULL && inflate_variant(i) != NULL; i++)
		result = compare(inflate_variant(i), data, n, step, what);
	return result;
}
