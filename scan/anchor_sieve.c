// SPDX-License-Identifier: BSD-3-Clause
#include "scan/anchor.h"
#include "scan/anchor_ops.h"
#include "scan/processor.h"

#include <stdbool.h>
#include <string.h>

#define BLOCK 64
#define BEHIND 5 // so many bytes behind a place are looked at, and read

// ---- the sieve ---------------------------------------------------------------------------------

// Nothing here depends on what is found: no guess of the processor's fails.
size_t anchor_sieve_portable(const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		const unsigned int passed = sieve[anchor_slot(data[i], data[i + 1])];

		out[count] = (uint16_t)i;
		count += passed >> anchor_class(data[i + 2]) & 1;
	}
	return count;
}

size_t anchor_sieve_text_portable(
	const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i += ANCHOR_TEXT_PLACES) {
		const uint8_t *row =
			sieve + anchor_text_slot(data[i + 2], data[i + 3], data[i + 4]);

		out[count] = (uint16_t)i;
		count += (unsigned int)row[0] >> anchor_class(data[i]) &
			 (unsigned int)row[3] >> anchor_class(data[i + 1]) & 1;
		out[count] = (uint16_t)(i + 1);
		count += (unsigned int)row[1] >> anchor_class(data[i + 1]) & (i + 1 < n);
		out[count] = (uint16_t)(i + 2);
		count += (unsigned int)row[2] >> anchor_class(data[i + 5]) & (i + 2 < n);
	}
	return count;
}

static inline unsigned int pair_bit(const uint8_t *slots, const uint8_t *data)
{
	return (unsigned int)slots[anchor_code_slot(data[0], data[1])] >> anchor_class(data[1]) & 1;
}

size_t anchor_sieve_codes_portable(
	const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		out[count] = (uint16_t)i;
		count += pair_bit(sieve, data + i) &
			 pair_bit(sieve + ANCHOR_CODE_SLOTS, data + i + 2);
	}
	return count;
}

// What is less than a block is looked at in one that ends with zeros.
static inline __attribute__((always_inline)) size_t sieve_all(anchor_sieve_fn fn,
	const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out, const size_t block)
{
	const size_t done = n - n % block;
	const size_t before = fn(sieve, data, done, out);
	uint8_t last[2 * ANCHOR_TEXT_BLOCK] = {0};
	size_t count = 0;

	if (done == n)
		return before;
	memcpy(last, data + done, n - done + BEHIND);
	count = fn(sieve, last, block, out + before);
	while (count > 0 && out[before + count - 1] >= n - done)
		count--;
	for (size_t i = before; i < before + count; i++)
		out[i] = (uint16_t)(out[i] + done);
	return before + count;
}

static size_t sieve_avx2(const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out)
{
	return sieve_all(anchor_sieve_avx2, sieve, data, n, out, ANCHOR_BLOCK);
}

static size_t sieve_text_avx2(const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out)
{
	return sieve_all(anchor_sieve_text_avx2, sieve, data, n, out, ANCHOR_TEXT_BLOCK);
}

static size_t sieve_avx512(const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out)
{
	return sieve_all(anchor_sieve_avx512, sieve, data, n, out, ANCHOR_BLOCK);
}

static size_t sieve_text_avx512(const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out)
{
	return sieve_all(anchor_sieve_text_avx512, sieve, data, n, out, ANCHOR_TEXT_BLOCK);
}

static size_t sieve_codes_avx512(const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out)
{
	return sieve_all(anchor_sieve_codes_avx512, sieve, data, n, out, ANCHOR_BLOCK);
}

anchor_sieve_fn anchor_sieve_variant(enum anchor_content content, size_t i)
{
	static const anchor_sieve_fn fns[][2] = {
		{anchor_sieve_portable, anchor_sieve_text_portable},
		{sieve_avx2, sieve_text_avx2},
		{sieve_avx512, sieve_text_avx512},
	};
	const size_t count = !processor_has_avx2() ? 1 : !processor_has_avx512() ? 2 : 3;

	if (content == ANCHOR_CODES && i > 0)
		return i == 1 && processor_has_avx512() ? sieve_codes_avx512 : NULL;
	if (content == ANCHOR_CODES)
		return anchor_sieve_codes_portable;
	return i < count ? fns[i][anchor_is_folded(content)] : NULL;
}

// ---- the filter --------------------------------------------------------------------------------

size_t anchor_filter_portable(const struct anchor_table *table, const uint8_t *data, size_t at,
	const uint16_t *places, size_t n, const struct anchor_met *out)
{
	const unsigned int words_shift = 64 - table->words_log;
	const unsigned int buckets_shift = 64 - table->buckets_log;
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t window;
		uint64_t hash;
		uint32_t word;

		memcpy(&window, data + at + places[i], sizeof(window));
		hash = anchor_hash(window);
		word = table->filter[hash >> words_shift];
		out->ats[count] = (uint32_t)at + places[i];
		out->buckets[count] = (uint32_t)(hash >> buckets_shift);
		count += word >> anchor_bit(hash) & word >> anchor_other_bit(hash) & 1;
	}
	return count;
}

anchor_filter_fn anchor_filter_variant(size_t i)
{
	if (i == 0)
		return anchor_filter_portable;
	return i == 1 && processor_has_avx512() ? anchor_filter_avx512 : NULL;
}

// ---- pieces ------------------------------------------------------------------------------------

// Nothing depends on what is found here, either. Vectors that gather all this are no faster.
size_t anchor_fit(const struct anchor_entry *entries, const uint8_t *data,
	struct anchor_meeting *meetings, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		const struct anchor_meeting meeting = meetings[i];
		const struct anchor_entry *entry = &entries[meeting.entry];
		const bool is_in = entry->at <= meeting.at;
		// What would begin before the bytes at hand is read at some other place.
		const uint8_t *piece = data + (is_in ? (int64_t)meeting.at + entry->piece_at : 0);
		uint64_t bytes;

		memcpy(&bytes, piece, sizeof(bytes));
		meetings[count] = meeting;
		count += is_in & ((bytes & entry->mask) == entry->piece);
	}
	return count;
}

// ---- the content -------------------------------------------------------------------------------

enum anchor_content anchor_content_portable(const uint8_t *data, size_t n)
{
	uint8_t capitals = 0;
	uint8_t controls = 0;

	for (; n >= BLOCK && controls == 0; data += BLOCK, n -= BLOCK) {
		for (size_t i = 0; i < BLOCK; i++) {
			const uint8_t byte = data[i];
			const uint8_t is_space =
				(uint8_t)((byte == '\t') | (byte == '\n') | (byte == '\r'));

			controls |= (uint8_t)(byte < ' ') & (is_space ^ 1);
			capitals |= (uint8_t)(byte - 'A') < 26;
		}
	}
	if (controls != 0)
		return ANCHOR_BYTES;
	return capitals != 0 ? ANCHOR_TEXT : ANCHOR_LOWER;
}

anchor_content_fn anchor_content_variant(size_t i)
{
	if (i == 0)
		return anchor_content_portable;
	return i == 1 && processor_has_avx512() ? anchor_content_avx512 : NULL;
}

enum anchor_content anchor_content_of(const uint8_t *data, size_t n)
{
	anchor_content_fn fastest = anchor_content_variant(1);
	size_t done = n & ~(size_t)(BLOCK - 1);
	uint8_t last[BLOCK];
	enum anchor_content content;
	enum anchor_content rest;

	content = (fastest != NULL ? fastest : anchor_content_portable)(data, done);
	if (content == ANCHOR_BYTES || done == n)
		return content;
	memset(last, ' ', sizeof(last));
	memcpy(last, data + done, n - done);
	rest = anchor_content_portable(last, sizeof(last));
	return rest < content ? rest : content;
}

// ---- base64 ------------------------------------------------------------------------------------

// A shorter run is not worth a search of its own: what may have begun before it is searched for at its start.
#define RUN_LEAST 2048u
#define PROBED 512u // one block of so many bytes tells whether a run can be there

static bool is_code(uint8_t byte)
{
	const uint8_t letter = (uint8_t)((byte | 0x20) - 'a');

	return letter < 26 || (uint8_t)(byte - '/') <= '9' - '/' || byte == '+' || byte == '\r' ||
	       byte == '\n';
}

size_t anchor_codes_portable(const uint8_t *data, size_t n)
{
	size_t done = 0;

	for (; done + BLOCK <= n; done += BLOCK)
		for (size_t i = 0; i < BLOCK; i++)
			if (!is_code(data[done + i]))
				return done;
	return done;
}

size_t anchor_find_codes(const uint8_t *data, size_t from, size_t n, size_t *end)
{
	const bool is_worth = processor_has_avx512();

	for (size_t at = from; is_worth && at + BLOCK <= n; at += PROBED) {
		size_t start = at;
		size_t to;

		if (anchor_codes_avx512(data + at, BLOCK) == 0)
			continue;
		while (start - from >= BLOCK &&
			anchor_codes_avx512(data + start - BLOCK, BLOCK) > 0)
			start -= BLOCK;
		to = at + anchor_codes_avx512(data + at, n - at);
		if (to - start >= RUN_LEAST) {
			*end = to;
			return start;
		}
		at = to;
	}
	return n;
}
