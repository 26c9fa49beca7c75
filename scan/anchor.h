// SPDX-License-Identifier: BSD-3-Clause
// The search for patterns of fixed length that hold a few fixed bytes: almost all there are.
//
// Of each pattern a window of four bytes was chosen that is rare in the files which it is looked for in.
// Wherever an object's bytes are new, the first three of a window are looked up in a sieve of bits,
// which most places fail; what is left is looked up in a finer filter of whole windows, and the rest in
// a table of buckets. A bucket tells which bytes may stand before and behind its windows, and of what is left
// eight bytes of the pattern beside the window, its piece, tell most patterns apart. Only then the pattern itself
// is compared. Where a bucket has many entries, they are families of those whose patterns are known at one place beside
// the window, and a hash of what is there tells which few of a family to look at.
// The filter and the buckets have no regard to case (bit 5 of a window's bytes is set); the sieve has.
//
// Each of these steps is done for many places before the next one begins, so that the processor waits
// neither for memory nor for guesses that fail.
//
// Mails are text, and most patterns are not. Of some targets there are tables besides for bytes that are
// plain text, and for such without capitals: they hold only what can be there. In text three places side by
// side are looked up at once, by the two bytes that their windows have in common: the last two of the first
// window, the middle ones of the second, the first two of the third.
//
// Long runs of a mail are base64, in which all letters are about alike and few patterns can be. For these there is a
// table, too, whose sieve a processor keeps in its registers: a bit for each two bytes, of the window's first two and
// of its last two.
//
// Nothing is kept between calls but the last bytes of the object, which the caller has before the new
// ones. A ruleset of a hundred thousand patterns costs about as much as one of a hundred.
//
// Patterns whose offset is known and that have no rare bytes are compared at their places instead.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct executable;
struct ruleset;

// So many bytes before the new ones, or all there are, must be at hand.
#define ANCHOR_HISTORY 1024u
// So many behind them must be readable: of any value, zero after the last ones of an object.
#define ANCHOR_PADDING 16u

#define ANCHOR_WINDOW_BYTES 4u
#define ANCHOR_PIECE_BYTES 8u
// A piece begins so far before its window at most, and so far behind where that begins.
#define ANCHOR_PIECE_BEFORE 12
#define ANCHOR_PIECE_BEHIND 8
// A byte for each two bytes, a bit for each class of the third; in text a byte for each of three places, and another
// one for the first of these.
#define ANCHOR_SLOTS 65536u
#define ANCHOR_TEXT_SLOTS 8192u
#define ANCHOR_TEXT_PLACES ((size_t)3)
#define ANCHOR_TEXT_ROW ((size_t)4)
#define ANCHOR_CLASSES 8u
// In base64 a bit for each two bytes as far as six bits tell them, twice.
#define ANCHOR_CODE_SLOTS ((size_t)512)

// What bytes are. What is text of either kind is of the kinds before as well, base64 is text.
enum anchor_content {
	ANCHOR_BYTES, // of any value
	ANCHOR_TEXT,  // no control characters but tabs, line ends and 0x7f
	ANCHOR_LOWER, // the same without capitals
	ANCHOR_CODES, // what base64 is written in, without padding, and line ends
};
#define ANCHOR_CONTENTS 4u

#define ANCHOR_FOLD UINT32_C(0x20202020)
#define ANCHOR_FACTOR UINT64_C(0x9e3779b97f4a7c15)

// ---- in the image ------------------------------------------------------------------------------

// Everything of one target, in this order: header, sieve, filter, the buckets and one more, whose first entry
// would be behind the last one, the entries, the families, the slots, the places. Without entries there are only the
// header and the places.
struct anchor_header {
	uint64_t bytes; // of all
	uint32_t reach; // from a window's start to its pattern's end at most
	uint32_t places_count;
	uint32_t entries_count;
	uint32_t words_log; // of the filter
	uint32_t buckets_log;
	uint32_t
		starts_count; // of the places: told from the object's start, by their ends, the latest first
	uint32_t families_count;
	uint32_t slots_count;
	uint64_t unused;
};

// A bucket with this bit has families: the rest is the number of the first.
#define ANCHOR_FAMILIES UINT32_C(0x80000000)

struct anchor_bucket {
	uint32_t first; // of its entries; the next bucket's is behind the last one
	uint16_t
		before; // the nibbles of what may stand before one of its windows: see anchor_nibble
	uint16_t behind;
};

struct anchor_entry {
	uint64_t piece; // of the pattern, where the mask has ones
	uint64_t mask;
	uint32_t expression;
	uint16_t at;     // of the window in the pattern
	int8_t piece_at; // from the window
	uint8_t whole;   // the pattern's length if the piece tells all of it, or 0
};

// Entries of a bucket whose patterns have one value each for the bits of the mask at that place. They are in the order
// of their slots: those of slot i of the family are from slots[slot + i] to slots[slot + i + 1].
struct anchor_family {
	uint64_t mask;
	uint32_t slot;
	int8_t key_at;   // from the window: as a piece's place
	uint8_t shift;   // 64 minus the logarithm of how many slots there are, 63 at most
	uint8_t is_last; // of its bucket
	uint8_t unused;
};

struct anchor_place {
	uint64_t piece; // the pattern's first bytes, where the mask has ones
	uint64_t mask;
	uint32_t expression;
	uint32_t offset_from; // enum ruleset_offset
	uint32_t before;      // 1: the offset is to be taken from the entry point
	uint32_t offset;
	uint32_t shift;
	uint32_t section;
	uint32_t length; // of the pattern
	uint32_t unused;
};

// ---- at run time -------------------------------------------------------------------------------

// By which bytes an object is told that none of the patterns is there that are told from its start. Objects are many and
// small, and almost none begins like any of them.
#define ANCHOR_START_OFFSETS 24u
#define ANCHOR_START_BITS_LOG 14

struct anchor_starts {
	bool tells; // false: each is to be looked at
	uint32_t count;
	uint32_t offsets[ANCHOR_START_OFFSETS]; // ascending: of each the two bytes there
	uint64_t bits[(1u << ANCHOR_START_BITS_LOG) / 64];
};

struct anchor_table {
	bool is_there;
	enum anchor_content content; // that it is for
	uint32_t reach;
	uint32_t entries_count;
	uint32_t places_count;
	uint32_t starts_count;
	uint32_t families_count;
	uint32_t slots_count;
	unsigned int words_log;
	unsigned int buckets_log;
	const uint8_t *sieve;
	const uint32_t *filter;
	const struct anchor_bucket *buckets;
	const struct anchor_entry *entries;
	const struct anchor_family *families;
	const uint32_t *slots; // the first of their entries
	const struct anchor_place *places;
	struct anchor_starts starts; // of the first starts_count places
};

// The bit of an offset with two bytes there.
static inline uint32_t anchor_start_bit(uint32_t offset, uint16_t pair)
{
	return ((offset << 16 ^ pair) * UINT32_C(0x9e3779b1)) >> (32 - ANCHOR_START_BITS_LOG);
}

// A checked view of what lies in an image. Returns 0 or -EBADMSG.
int anchor_open(
	const void *data, size_t bytes, enum anchor_content content, struct anchor_table *out);
// Whether all that it names is there. Returns 0 or -EBADMSG.
int anchor_check(const struct anchor_table *table, const struct ruleset *ruleset);

struct anchor_input {
	const uint8_t *data; // some bytes of the object
	uint64_t base;       // where in the object they begin
	size_t from;         // the new ones: matches that end behind this
	size_t to;
	size_t windows_from;                 // windows before this need not be looked up
	bool is_last;                        // the object ends here
	const struct executable *executable; // NULL: not known, or no such file
};

typedef void (*anchor_found_fn)(void *ctx, uint32_t expression, uint64_t end);

// What all these bytes are; what is base64 is told as text.
enum anchor_content anchor_content_of(const uint8_t *data, size_t n);
// Where a long run of base64 begins at or behind from, and where it ends; n: there is none. A few bytes of it may be
// left out at either side. On processors on which searching it as such costs no less there is none.
size_t anchor_find_codes(const uint8_t *data, size_t from, size_t n, size_t *end);

// Calls found for every match that ends among the new bytes, in no order, each once. All bytes at hand
// must be what the table is for.
void anchor_search(const struct anchor_table *table, const struct ruleset *ruleset,
	const struct anchor_input *input, anchor_found_fn found, void *ctx);

// One of two tables that are searched together.
struct anchor_side {
	const struct anchor_table *table;
	const struct ruleset *ruleset;
	void *ctx;
};

// The same with both tables in one pass over the bytes. They are for the same content, and the sieve has
// the bits of both.
void anchor_search_both(const struct anchor_side *sides, const uint8_t *sieve,
	const struct anchor_input *input, anchor_found_fn found);
// Makes it of two tables that have entries.
void anchor_join_sieves(const struct anchor_table *a, const struct anchor_table *b, uint8_t *sieve);

// Of a window, as it is looked up.
static inline uint64_t anchor_hash(uint32_t window)
{
	return (window | ANCHOR_FOLD) * ANCHOR_FACTOR;
}

// The slot of a family for what is at its place.
static inline uint32_t anchor_family_slot(const struct anchor_family *family, uint64_t bytes)
{
	return (uint32_t)((bytes & family->mask) * ANCHOR_FACTOR >> family->shift);
}

// The first entry of a bucket.
static inline uint32_t anchor_bucket_first(const struct anchor_table *table, uint32_t bucket)
{
	const uint32_t first = table->buckets[bucket].first;

	if (__builtin_expect((first & ANCHOR_FAMILIES) == 0, 1))
		return first;
	return table->slots[table->families[first & ~ANCHOR_FAMILIES].slot];
}

static inline size_t anchor_sieve_bytes(enum anchor_content content)
{
	if (content == ANCHOR_CODES)
		return 2 * ANCHOR_CODE_SLOTS;
	return content == ANCHOR_BYTES ? ANCHOR_SLOTS : ANCHOR_TEXT_ROW * ANCHOR_TEXT_SLOTS;
}

// Whether the sieve has no regard to case.
static inline bool anchor_is_folded(enum anchor_content content)
{
	return content == ANCHOR_TEXT || content == ANCHOR_LOWER;
}

// A byte chooses a bit of the sieve.
static inline unsigned int anchor_class(uint8_t byte)
{
	return byte & (ANCHOR_CLASSES - 1);
}

// The sieve's byte for a place, by its first two bytes; its third one chooses the bit.
static inline size_t anchor_slot(uint8_t first, uint8_t second)
{
	return first | (size_t)second << 8;
}

// A byte of text without bit 5: letters without their case, control characters as what is printed.
static inline unsigned int anchor_text_code(uint8_t byte)
{
	return (byte & 0x1fu) | (byte >> 1 & 0x20u);
}

// In text the first of the sieve's bytes for three places, by the pair that all have, and by a bit of what is behind
// it. The first bytes of the first two windows choose the bits of theirs, the last byte of the third window that of
// the third, and the second one of the first window that of the fourth byte, without which the first place does not
// pass. These are few bytes for what a text has most: they are fetched anew for each portion of it.
static inline size_t anchor_text_slot(uint8_t one, uint8_t other, uint8_t behind)
{
	const unsigned int slot =
		anchor_text_code(one) | anchor_text_code(other) << 6 | (behind & 8u) << 9;

	return ANCHOR_TEXT_ROW * slot;
}

// In base64 the sieve's byte for two bytes, of which the second one's class is its bit.
static inline size_t anchor_code_slot(uint8_t first, uint8_t second)
{
	return (first & 63u) | (size_t)(second >> 3 & 7u) << 6;
}

// The bit of a byte that stands beside a window.
static inline unsigned int anchor_nibble(uint8_t byte)
{
	return byte & 15u;
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
