// SPDX-License-Identifier: BSD-3-Clause
// Tables of prefix codes: one step for codes that are short, two for the others.
#include "scan/unpack_inflate.h"

#include <string.h>

#define MOST_BITS 15u

// The code while its table is made: words in their order, the shorter first.
struct maker {
	uint32_t *table;
	enum inflate_code code;
	uint32_t bits;
	uint32_t distance_bits; // by how many the table of distances goes
	uint32_t length;        // of the next word
	uint32_t word;          // its bits, the first of them lowest
	uint32_t left;          // words of that length
	uint32_t count[MOST_BITS + 1];
	uint16_t sorted[INFLATE_MOST_LITERALS];
	const uint16_t *next; // symbol
};

// ---- entries -----------------------------------------------------------------------------------

// RFC 1951, 3.2.5.
static uint32_t length_entry(const struct maker *maker, uint32_t symbol, uint32_t length)
{
	static const uint16_t base[] = {3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35,
		43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
	static const uint8_t extra[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3,
		4, 4, 4, 4, 5, 5, 5, 5, 0};

	if (symbol >= sizeof(extra))
		return INFLATE_ODD | length;
	return (uint32_t)base[symbol] << INFLATE_LENGTH_AT | length << INFLATE_LENGTH_OWN_AT |
	       maker->distance_bits << INFLATE_NEXT_AT | (length + extra[symbol]);
}

static uint32_t distance_entry(uint32_t symbol, uint32_t length)
{
	uint32_t extra = symbol < 4 ? 0 : symbol / 2 - 1;
	uint32_t base = symbol < 4 ? symbol + 1 : ((2 + symbol % 2) << extra) + 1;

	if (symbol >= 30)
		return INFLATE_ODD | length;
	return base << INFLATE_VALUE_AT | length << INFLATE_OWN_AT | (length + extra);
}

static uint32_t entry_of(const struct maker *maker, uint32_t symbol, uint32_t length)
{
	if (maker->code == INFLATE_LENGTHS)
		return symbol << INFLATE_VALUE_AT | length;
	if (maker->code == INFLATE_DISTANCES)
		return distance_entry(symbol, length);
	if (symbol < 256)
		return INFLATE_LITERAL | symbol << INFLATE_VALUE_AT |
		       maker->bits << INFLATE_NEXT_AT | length;
	return symbol == 256 ? INFLATE_ODD | INFLATE_END | length
			     : length_entry(maker, symbol - 257, length);
}

// ---- the table ---------------------------------------------------------------------------------

// The next word. False behind the last, which is all ones.
static bool step(struct maker *maker)
{
	uint32_t ones = (1u << maker->length) - 1;
	uint32_t zeros = maker->word ^ ones;
	uint32_t bit;

	maker->next++;
	maker->left--;
	if (zeros == 0)
		return false;
	bit = 1u << (31 - __builtin_clz(zeros));
	maker->word = (maker->word & (bit - 1)) | bit;
	return true;
}

static void lengthen(struct maker *maker)
{
	maker->length++;
	maker->left = maker->count[maker->length];
}

// Words of the table's own bits. It doubles as they get longer.
static void fill_short(struct maker *maker)
{
	for (;;) {
		size_t size = (size_t)1 << maker->length;

		while (maker->left > 0) {
			maker->table[maker->word] = entry_of(maker, *maker->next, maker->length);
			(void)step(maker);
		}
		if (maker->length == maker->bits)
			return;
		memcpy(maker->table + size, maker->table, size * sizeof(*maker->table));
		lengthen(maker);
	}
}

// How many bits the words have behind the table's own that begin as this one does.
static uint32_t longer_bits(const struct maker *maker)
{
	uint32_t bits = maker->length - maker->bits;
	uint32_t words = maker->left;

	while (words < 1u << bits) {
		bits++;
		words = 2 * words + maker->count[maker->bits + bits];
	}
	return bits;
}

static void fill_long(struct maker *maker)
{
	uint32_t mask = (1u << maker->bits) - 1;
	uint32_t prefix = UINT32_MAX;
	uint32_t start = 0;
	uint32_t end = mask + 1;

	do {
		uint32_t length;

		while (maker->left == 0)
			lengthen(maker);
		length = maker->length - maker->bits;
		if ((maker->word & mask) != prefix) {
			uint32_t bits = longer_bits(maker);

			prefix = maker->word & mask;
			start = end;
			end = start + (1u << bits);
			maker->table[prefix] = INFLATE_ODD | INFLATE_LONGER |
					       start << INFLATE_VALUE_AT | bits << INFLATE_NEXT_AT |
					       maker->bits;
		}
		for (uint32_t i = start + (maker->word >> maker->bits); i < end; i += 1u << length)
			maker->table[i] = entry_of(maker, *maker->next, length);
	} while (step(maker));
}

// Eight symbols without codes: there are long runs of them.
static bool has_none(const uint8_t *lengths, uint32_t at, uint32_t symbols)
{
	uint64_t word;

	if (symbols - at < sizeof(word))
		return false;
	memcpy(&word, lengths + at, sizeof(word));
	return word == 0;
}

// By four counters in turn: neighbours often have the same length, and each would wait for the one before.
static void count_lengths(struct maker *maker, const uint8_t *lengths, uint32_t symbols)
{
	uint32_t counts[4][MOST_BITS + 1] = {{0}};

	for (uint32_t i = 0; i < symbols;) {
		uint32_t end = symbols - i < 8 ? symbols : i + 8;

		if (has_none(lengths, i, symbols))
			i = end;
		for (; i < end; i++)
			counts[i % 4][lengths[i]]++;
	}
	for (uint32_t i = 1; i <= MOST_BITS; i++)
		maker->count[i] = counts[0][i] + counts[1][i] + counts[2][i] + counts[3][i];
}

// Those of length 0 go before all others, where nobody looks.
static void sort(struct maker *maker, const uint8_t *lengths, uint32_t symbols)
{
	uint32_t at[MOST_BITS + 2] = {0};

	at[1] = symbols;
	for (uint32_t i = 1; i <= MOST_BITS; i++)
		at[1] -= maker->count[i];
	maker->next = maker->sorted + at[1];
	for (uint32_t i = 1; i <= MOST_BITS; i++)
		at[i + 1] = at[i] + maker->count[i];
	for (uint32_t i = 0; i < symbols;) {
		uint32_t end = symbols - i < 8 ? symbols : i + 8;

		if (has_none(lengths, i, symbols))
			i = end;
		for (; i < end; i++)
			maker->sorted[at[lengths[i]]++] = (uint16_t)i;
	}
}

// A code of one word, or of none: the other bits are an error. Of the codes' lengths all are then 0.
static void fill_few(struct maker *maker, bool is_empty)
{
	uint32_t none = maker->code == INFLATE_LENGTHS ? entry_of(maker, 0, 1) : INFLATE_ODD | 1;

	maker->table[0] = is_empty ? none : entry_of(maker, *maker->next, 1);
	maker->table[1] = none;
}

bool inflate_make(uint32_t *table, uint32_t *bits, enum inflate_code code, const uint8_t *lengths,
	uint32_t symbols, uint32_t distance_bits)
{
	static const uint32_t most[] = {
		INFLATE_LITERAL_BITS, INFLATE_DISTANCE_BITS, INFLATE_LENGTH_BITS};
	struct maker maker;
	uint32_t longest = MOST_BITS;
	int32_t room = 1;

	count_lengths(&maker, lengths, symbols);
	while (longest > 0 && maker.count[longest] == 0)
		longest--;
	for (uint32_t i = 1; i <= MOST_BITS; i++) {
		room = 2 * room - (int32_t)maker.count[i];
		if (room < 0)
			return false;
	}
	if (longest > 0 && room > 0 && (code == INFLATE_LENGTHS || longest != 1))
		return false;
	sort(&maker, lengths, symbols);
	maker.table = table;
	maker.code = code;
	maker.bits = longest < most[code] ? longest : most[code];
	maker.distance_bits = distance_bits;
	if (room > 0)
		maker.bits = 1;
	*bits = maker.bits;
	if (room > 0) {
		fill_few(&maker, longest == 0);
		return true;
	}
	maker.length = 0;
	maker.word = 0;
	maker.left = 0;
	while (maker.left == 0)
		lengthen(&maker);
	fill_short(&maker);
	if (longest > maker.bits)
		fill_long(&maker);
	return true;
}
