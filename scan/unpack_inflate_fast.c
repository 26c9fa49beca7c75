// SPDX-License-Identifier: BSD-3-Clause
// The inner loop of deflate: symbols, as long as there is so much input and room that nothing needs a look
// but the codes themselves. What comes near to an end is left to the exact reader.
#include "scan/unpack_inflate.h"

#include <endian.h>
#include <string.h>

// 16 bytes at a time; up to 31 are written past the end, of what has room.
static inline void copy_far(uint8_t *to, const uint8_t *from, const uint8_t *end)
{
	do {
		memcpy(to, from, 16);
		memcpy(to + 16, from + 16, 16);
		to += 32;
		from += 32;
	} while (to < end);
}

// The source overlaps what is written.
static inline void copy_near(uint8_t *to, uint32_t distance, const uint8_t *end)
{
	const uint8_t *from = to - distance;
	uint64_t word;

	if (distance == 1) {
		memset(to, *from, (size_t)(end - to));
		return;
	}
	if (distance >= 8) {
		do {
			memcpy(&word, from, 8);
			memcpy(to, &word, 8);
			to += 8;
			from += 8;
		} while (to < end);
		return;
	}
	// A word at a time, of which the first bytes are right.
	do {
		memcpy(&word, from, 8);
		memcpy(to, &word, 8);
		to += distance;
		from += distance;
	} while (to < end);
}

// From behind the window's beginning: its end.
static void copy_round(const uint8_t *window, uint8_t *to, uint32_t distance, const uint8_t *end)
{
	const uint8_t *from = to + INFLATE_WINDOW_BYTES - distance;

	for (; to < end; to++, from++) {
		if (from == window + INFLATE_WINDOW_BYTES)
			from = window;
		*to = *from;
	}
}

static inline void copy(const uint8_t *window, uint8_t *to, uint32_t length, uint32_t distance)
{
	if (distance > (size_t)(to - window)) {
		const uint8_t *from = to + INFLATE_WINDOW_BYTES - distance;

		if (from + length + 32 <= window + INFLATE_WINDOW_BYTES)
			copy_far(to, from, to + length);
		else
			copy_round(window, to, distance, to + length);
	} else if (distance >= 32) {
		copy_far(to, to - distance, to + length);
	} else {
		copy_near(to, distance, to + length);
	}
}

// All of this stays in registers, as long as everything that has a pointer to it is inlined: what is
// written could be anything's memory.
struct reader {
	uint64_t
		bits; // those above count may be there already: reading them again does not change them
	uint64_t before; // those of entry were taken
	uint32_t count;
	uint32_t entry; // where the code leads that was read last
	const uint8_t *in;
	uint8_t *out;
};

// 56 bits at least.
static inline void refill(struct reader *reader)
{
	uint64_t word;

	memcpy(&word, reader->in, sizeof(word));
	reader->bits |= le64toh(word) << reader->count;
	reader->in += (63 - reader->count) >> 3;
	reader->count |= 56;
}

static inline void look(struct reader *reader, const uint32_t *table, uint64_t mask)
{
	reader->entry = table[reader->bits & mask];
}

static inline void drop(struct reader *reader)
{
	reader->before = reader->bits;
	reader->bits >>= reader->entry & 0x3f;
	reader->count -= reader->entry & 0xff;
}

// Behind the entry of a code that is longer than the table goes.
static inline void look_longer(struct reader *reader, const uint32_t *table)
{
	uint64_t mask = (1u << (reader->entry >> 8 & 15)) - 1;

	reader->entry = table[(reader->entry >> 16 & 0x7fff) + (reader->bits & mask)];
}

static inline uint32_t value(const struct reader *reader)
{
	uint64_t own = reader->before & ((1ull << (reader->entry & 0x3f)) - 1);

	return (reader->entry >> 16) + (uint32_t)(own >> (reader->entry >> 8 & 15));
}

static inline bool has(const struct reader *reader, uint32_t flags)
{
	return (reader->entry & flags) == flags;
}

static inline void put(struct reader *reader)
{
	*reader->out++ = (uint8_t)(reader->entry >> 16);
}

// Literals of short codes, up to three: 33 bits at most. True when there were three; the next entry is there
// then, with its bits not taken.
static inline bool put_three(struct reader *reader, const uint32_t *table, uint64_t mask)
{
	if (!has(reader, INFLATE_LITERAL))
		return false;
	put(reader);
	look(reader, table, mask);
	drop(reader);
	if (!has(reader, INFLATE_LITERAL))
		return false;
	put(reader);
	look(reader, table, mask);
	drop(reader);
	if (!has(reader, INFLATE_LITERAL))
		return false;
	put(reader);
	look(reader, table, mask);
	return true;
}

// The distance of a match, at most 28 bits of it, and the match. False where it leads too far.
static inline bool match(
	struct reader *reader, const struct inflate *inflate, uint32_t length, uint32_t reach)
{
	const uint32_t *table = inflate->distance_table;
	uint32_t distance;

	if (has(reader, INFLATE_ODD | INFLATE_LONGER)) {
		drop(reader);
		look_longer(reader, table);
	}
	drop(reader);
	distance = value(reader);
	if (has(reader, INFLATE_ODD) || distance > (size_t)(reader->out - inflate->window) + reach)
		return false;
	look(reader, inflate->literal_table, (1u << inflate->literal_bits) - 1);
	refill(reader);
	copy(inflate->window, reader->out, length, distance);
	reader->out += length;
	return true;
}

static inline enum inflate_edge run_symbols(
	const struct inflate *inflate, const struct inflate_run *run, struct reader *reader)
{
	const uint32_t *table = inflate->literal_table;
	const uint64_t mask = (1u << inflate->literal_bits) - 1;
	const uint64_t distance_mask = (1u << inflate->distance_bits) - 1;
	const uint32_t reach = inflate->is_wrapped ? INFLATE_WINDOW_BYTES : 0;
	const uint8_t *in_end = run->end - INFLATE_FAST_IN;
	const uint8_t *out_end = run->limit - INFLATE_FAST_OUT;

	refill(reader);
	look(reader, table, mask);
	do {
		uint32_t length;

		drop(reader);
		if (put_three(reader, table, mask)) {
			refill(reader);
			continue;
		}
		if (has(reader, INFLATE_ODD | INFLATE_LONGER)) {
			look_longer(reader, table);
			drop(reader);
			if (has(reader, INFLATE_LITERAL)) {
				put(reader);
				refill(reader);
				look(reader, table, mask);
				continue;
			}
		}
		if (has(reader, INFLATE_ODD))
			return has(reader, INFLATE_END) ? INFLATE_EDGE_BLOCK : INFLATE_EDGE_ERROR;
		// At most 22 and 20 bits were taken: there are those that the distance's table goes by.
		length = value(reader);
		look(reader, inflate->distance_table, distance_mask);
		refill(reader);
		if (!match(reader, inflate, length, reach))
			return INFLATE_EDGE_ERROR;
	} while (reader->in <= in_end && reader->out <= out_end);
	return INFLATE_EDGE_NEAR;
}

enum inflate_edge inflate_symbols(struct inflate *inflate, struct inflate_run *run)
{
	struct reader reader = {
		.bits = inflate->bits, .count = inflate->count, .in = run->in, .out = run->out};
	enum inflate_edge result = run_symbols(inflate, run, &reader);

	run->in = reader.in - reader.count / 8;
	run->out = reader.out;
	inflate->count = reader.count % 8;
	inflate->bits = reader.bits & ((1u << inflate->count) - 1);
	return result;
}
