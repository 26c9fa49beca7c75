// SPDX-License-Identifier: BSD-3-Clause
// Source text of macros: the compressed container of MS-OVBA 2.4.1.
#include "scan/unpack_ole2_state.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 4096u
#define CONTAINER_MARK 0x01
#define FLAG_PACKED 0x8000u
#define MIN_BYTES 16

// How many bits of a copy token are its length, by the bytes of the chunk until now (2.4.1.3.19.1).
static uint32_t length_bits(size_t done)
{
	uint32_t offset_bits = 4;

	while (1u << offset_bits < done)
		offset_bits++;
	return 16 - offset_bits;
}

// A copy token at the current place. Returns how many bytes it gives; 0: broken.
static size_t copy(uint8_t *out, size_t done, uint16_t token)
{
	uint32_t bits = length_bits(done);
	size_t bytes = (token & ((1u << bits) - 1)) + 3u;
	size_t offset = ((size_t)token >> bits) + 1;

	if (offset > done)
		return 0;
	if (bytes > CHUNK_BYTES - done)
		bytes = CHUNK_BYTES - done;
	for (size_t i = 0; i < bytes; i++)
		out[done + i] = out[done + i - offset];
	return bytes;
}

// The tokens of a packed chunk. Returns how many bytes come out; *is_good: no token was broken.
static size_t unpack_tokens(const uint8_t *data, size_t n, uint8_t *out, bool *is_good)
{
	size_t done = 0;
	size_t at = 0;

	*is_good = true;
	while (at < n && done < CHUNK_BYTES) {
		uint8_t flags = data[at++];

		for (int i = 0; i < 8 && at < n && done < CHUNK_BYTES; i++, flags >>= 1) {
			size_t bytes = 0;

			if ((flags & 1) == 0) {
				out[done++] = data[at++];
				continue;
			}
			if (at + 2 <= n && done > 0)
				bytes = copy(out, done, ole2_u16(data + at));
			if (bytes == 0) {
				*is_good = false;
				return done;
			}
			done += bytes;
			at += 2;
		}
	}
	return done;
}

// One chunk with its header. Returns its bytes in data; 0: there is none.
static size_t unpack_chunk(
	const uint8_t *data, size_t n, uint8_t *out, size_t *bytes, bool *is_good)
{
	uint16_t header;
	size_t size;

	*bytes = 0;
	*is_good = false;
	if (n < 3)
		return 0;
	header = ole2_u16(data);
	if ((header & 0x7000u) != 0x3000u)
		return 0;
	size = (header & 0x0fffu) + 3u;
	size = size < n ? size : n;
	if ((header & FLAG_PACKED) != 0) {
		*bytes = unpack_tokens(data + 2, size - 2, out, is_good);
	} else {
		*bytes = size - 2 < CHUNK_BYTES ? size - 2 : CHUNK_BYTES;
		memcpy(out, data + 2, *bytes);
		*is_good = true;
	}
	return size;
}

static bool is_text(const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (data[i] < 0x20 && (data[i] < '\t' || data[i] > '\r'))
			return false;
	return n >= MIN_BYTES;
}

size_t ole2_macro_unpack(const uint8_t *data, size_t n, uint8_t **out, size_t *used)
{
	uint8_t chunk[CHUNK_BYTES];
	uint8_t *text = NULL;
	size_t total = 0;
	size_t at = 1;

	if (n < 4 || data[0] != CONTAINER_MARK)
		return 0;
	for (;;) {
		size_t bytes;
		bool is_good;
		size_t size = unpack_chunk(data + at, n - at, chunk, &bytes, &is_good);
		uint8_t *longer;

		// The first tells whether this is one at all.
		if (size == 0 || (total == 0 && !is_text(chunk, bytes)))
			break;
		longer = realloc(text, total + bytes + 1);
		if (longer == NULL)
			break;
		text = longer;
		memcpy(text + total, chunk, bytes);
		total += bytes;
		at += size;
		if (!is_good)
			break;
	}
	*out = text;
	*used = at;
	return total;
}
