// SPDX-License-Identifier: BSD-3-Clause
// The search for patterns of fixed length that hold a few fixed bytes: almost all there are.
//
// Of each pattern a run of fixed bytes was chosen that is rare in files. Windows of some bytes are cut
// out of the run at as many neighbouring places as the search takes steps, so that one of them is met
// wherever the pattern stands. A window that is met is looked up in a sieve of bits small enough for a
// processor's nearer memory, which most fail, then in a finer filter and a table of buckets; only then
// the pattern itself is compared. Letters are looked up without
// regard to case (bit 5 of all bytes is set).
//
// Nothing is kept between calls but the last bytes of the object, which the caller has before the new
// ones. A ruleset of a hundred thousand patterns costs about as much as one of a hundred.
//
// Patterns whose offset is known and that have no rare bytes are compared at their places instead.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pe;
struct ruleset;

// So many bytes before the new ones, or all there are, must be at hand.
#define ANCHOR_HISTORY 1024u
// So many behind them must be readable: of any value, zero after the last ones of an object.
#define ANCHOR_PADDING 8u

// Windows of one size, looked up at every step.
enum anchor_kind { ANCHOR_LONG, ANCHOR_MIDDLE, ANCHOR_SHORT };
#define ANCHOR_KINDS 3
#define ANCHOR_LONG_BYTES 8u
#define ANCHOR_LONG_STEP 4u
#define ANCHOR_MIDDLE_BYTES 5u
#define ANCHOR_MIDDLE_STEP 2u
#define ANCHOR_SHORT_BYTES 4u
#define ANCHOR_SHORT_STEP 1u

#define ANCHOR_FOLD UINT64_C(0x2020202020202020)
#define ANCHOR_FACTOR UINT64_C(0x9e3779b97f4a7c15)

// ---- in the image ------------------------------------------------------------------------------

// Everything of one target, in this order: header, and for each kind the sieve, the filter, the
// numbers of the first entry of each bucket, the entries; then the places.
struct anchor_header {
	uint64_t bytes; // of all
	uint32_t reach; // from a window's start to its pattern's end at most
	uint32_t places_count;
	struct {
		uint32_t entries_count;
		uint32_t words_log; // of the filter
		uint32_t buckets_log;
		uint32_t sieve_log; // bits
	} kinds[ANCHOR_KINDS];
};

struct anchor_entry {
	uint64_t window;
	uint32_t expression;
	uint16_t at;     // of the window in the pattern
	int8_t guard_at; // from the window: a byte of the pattern that is compared first
	uint8_t guard;
};

#define ANCHOR_NO_GUARD INT8_MIN

struct anchor_place {
	uint32_t expression;
	uint32_t offset_from; // enum ruleset_offset
	uint32_t before;      // 1: the offset is to be taken from the entry point
	uint32_t offset;
	uint32_t shift;
	uint32_t section;
};

// ---- at run time -------------------------------------------------------------------------------

struct anchor_windows {
	const uint32_t *sieve;
	const uint32_t *filter;
	const uint32_t *buckets;
	const struct anchor_entry *entries;
	uint32_t entries_count;
	unsigned int words_log;
	unsigned int buckets_log;
	unsigned int sieve_log;
};

struct anchor_table {
	bool is_there;
	uint32_t reach;
	uint32_t places_count;
	const struct anchor_place *places;
	struct anchor_windows kinds[ANCHOR_KINDS];
};

// A checked view of what lies in an image. Returns 0 or -EBADMSG.
int anchor_open(const void *data, size_t bytes, struct anchor_table *out);
// Whether all that it names is there. Returns 0 or -EBADMSG.
int anchor_check(const struct anchor_table *table, const struct ruleset *ruleset);

struct anchor_input {
	const uint8_t *data; // some bytes of the object
	uint64_t base;       // where in the object they begin
	size_t from;         // the new ones: matches that end behind this
	size_t to;
	bool is_last;        // the object ends here
	const struct pe *pe; // NULL: not known, or no such file
};

typedef void (*anchor_found_fn)(void *ctx, uint32_t expression, uint64_t end);

// Calls found for every match that ends among the new bytes, in no order, each once.
void anchor_search(const struct anchor_table *table, const struct ruleset *ruleset,
	const struct anchor_input *input, anchor_found_fn found, void *ctx);

// Of a window, as it is looked up.
static inline uint64_t anchor_hash(uint64_t window)
{
	return window * ANCHOR_FACTOR;
}

// Two bits of one word of the filter are set for a window.
static inline unsigned int anchor_bit(uint64_t hash)
{
	return (unsigned int)(hash >> 20) & 31;
}

static inline unsigned int anchor_other_bit(uint64_t hash)
{
	return (unsigned int)(hash >> 25) & 31;
}
