// SPDX-License-Identifier: BSD-3-Clause
#include "scan/scan_inline.h"

#include "scan/processor.h"
#include "scan/scan_object.h"
#include "scan/scan_pool.h"

#include <stdatomic.h>
#include <string.h>

#define BLOCK 64u
#define SLICE 1024u

static const char mark[] = ";base64,";

static bool is_mark(const uint8_t *at)
{
	uint8_t other = 0;

	for (size_t i = 0; i < INLINE_MARK_BYTES; i++) {
		uint8_t c = at[i] >= 'A' && at[i] <= 'Z' ? at[i] | 0x20 : at[i];

		other |= c ^ (uint8_t)mark[i];
	}
	return other == 0;
}

// Whether "4," begins in the block, behind which one more byte is looked at.
static bool may_end(const uint8_t *block)
{
	uint8_t any = 0;

	for (size_t i = 0; i < BLOCK; i++)
		any |= (uint8_t)((block[i] == '4') & (block[i + 1] == ','));
	return any != 0;
}

size_t scan_inline_end_portable(const uint8_t *data, size_t n, size_t at)
{
	while (at + BLOCK < n && !may_end(data + at))
		at += BLOCK;
	for (; at + 1 < n; at++)
		if (data[at] == '4' && data[at + 1] == ',')
			return at;
	return n;
}

scan_inline_end_fn scan_inline_variant(size_t i)
{
	if (i == 0)
		return scan_inline_end_portable;
	return i == 1 && processor_has_avx512() ? scan_inline_end_avx512 : NULL;
}

// Looked up once; threads that come at the same time find the same.
static scan_inline_end_fn best_end(void)
{
	static _Atomic(scan_inline_end_fn) chosen;
	scan_inline_end_fn end = atomic_load_explicit(&chosen, memory_order_relaxed);

	if (end == NULL) {
		for (size_t i = 0; scan_inline_variant(i) != NULL; i++)
			end = scan_inline_variant(i);
		atomic_store_explicit(&chosen, end, memory_order_relaxed);
	}
	return end;
}

static void keep_last(struct scan_inline *in, const uint8_t *data, size_t n)
{
	size_t old = n < sizeof(in->last) ? sizeof(in->last) - n : 0;

	memmove(in->last, in->last + sizeof(in->last) - old, old);
	memcpy(in->last + old, data + n - (sizeof(in->last) - old), sizeof(in->last) - old);
}

// The end of the first mark that ends in the first bytes, which may begin before them; 0: none does.
static size_t find_begun(const struct scan_inline *in, const uint8_t *data, size_t n)
{
	uint8_t both[2 * INLINE_MARK_BYTES];
	size_t bytes = n < INLINE_MARK_BYTES ? n : INLINE_MARK_BYTES;

	memcpy(both, in->last, INLINE_MARK_BYTES);
	memcpy(both + INLINE_MARK_BYTES, data, bytes);
	for (size_t i = 1; i <= bytes; i++)
		if (is_mark(both + i))
			return i;
	return 0;
}

static size_t find(const uint8_t *data, size_t n)
{
	const scan_inline_end_fn end = best_end();

	for (size_t at = end(data, n, INLINE_MARK_BYTES - 2); at < n; at = end(data, n, at + 1))
		if (is_mark(data + at + 2 - INLINE_MARK_BYTES))
			return at + 2;
	return 0;
}

size_t scan_inline_find(struct scan_inline *in, const uint8_t *data, size_t n, bool *found)
{
	size_t end = find_begun(in, data, n);

	if (end == 0)
		end = find(data, n);
	*found = end > 0;
	end = *found ? end : n;
	keep_last(in, data, end);
	return end;
}

void scan_inline_begin(struct scan *scan, struct scan_object *object, struct scan_inline *in)
{
	if (in->member != NULL)
		return;
	in->base64 = (struct base64_state){0};
	in->member = object_begin_inline(scan, object, "application/octet-stream");
}

static void put(struct scan *scan, struct scan_object *object, struct scan_inline *in,
	const uint8_t *data, size_t n)
{
	struct scan_object *member = in->member;

	if (member == NULL || n == 0)
		return;
	if (!object_feed_inline(scan, member, data, n)) {
		scan_set_suspect(scan, "limit-unpacked-bytes");
		in->member = NULL;
		object_end(scan, member);
	}
	scan->origin = object->origin;
}

void scan_inline_end(struct scan *scan, struct scan_object *object, struct scan_inline *in)
{
	uint8_t out[4];
	struct scan_object *member;

	if (in->member == NULL)
		return;
	put(scan, object, in, out, base64_end(&in->base64, out));
	member = in->member;
	in->member = NULL;
	object_end(scan, member);
	scan->origin = object->origin;
}

static bool is_end(uint8_t c)
{
	return c == '"' || c == '\'' || c == '(' || c == ')' || c == '<' || c == '>' || c == ',' ||
	       c == ';' || c == '`' || c == '{' || c == '}';
}

void scan_inline_feed(struct scan *scan, struct scan_object *object, struct scan_inline *in,
	const uint8_t *data, size_t n)
{
	uint8_t out[SLICE / 4 * 3 + 3 + DECODE_SLACK];
	size_t bytes = 0;

	if (in->member == NULL)
		return;
	while (bytes < n && !is_end(data[bytes]))
		bytes++;
	for (size_t at = 0; at < bytes && in->member != NULL;) {
		size_t slice = bytes - at < SLICE ? bytes - at : SLICE;

		put(scan, object, in, out, base64_decode(&in->base64, data + at, slice, out));
		at += slice;
	}
	if (bytes < n)
		scan_inline_end(scan, object, in);
}
