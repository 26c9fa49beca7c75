// SPDX-License-Identifier: BSD-3-Clause
#include "scan/unpack_inflate.h"

#include <string.h>

// What one step of the exact reader says.
enum step {
	STEP_ON,
	STEP_MORE, // input
	STEP_FULL,
	STEP_ERROR,
};

static inflate_symbols_fn best_symbols(void)
{
	size_t i = 1;

	while (inflate_variant(i) != NULL)
		i++;
	return inflate_variant(i - 1);
}

void inflate_begin(struct inflate *inflate)
{
	inflate->symbols = best_symbols();
	inflate->bits = 0;
	inflate->count = 0;
	inflate->state = INFLATE_BLOCK;
	inflate->is_last = false;
	inflate->is_fixed = false;
	inflate->is_wrapped = false;
	inflate->at = 0;
	inflate->left = 0;
}

// ---- bits --------------------------------------------------------------------------------------

// Reads bytes until there are so many bits, at most 48. False at the end of the input.
static bool need(struct inflate *inflate, struct inflate_run *run, uint32_t count)
{
	while (inflate->count < count) {
		if (run->in == run->end)
			return false;
		inflate->bits |= (uint64_t)*run->in++ << inflate->count;
		inflate->count += 8;
	}
	return true;
}

static uint32_t take(struct inflate *inflate, uint32_t count)
{
	uint32_t value = (uint32_t)(inflate->bits & ((1u << count) - 1));

	inflate->bits >>= count;
	inflate->count -= count;
	return value;
}

// ---- blocks ------------------------------------------------------------------------------------

// The lengths of literals' codes are there, those of distances behind them.
static bool make_tables(struct inflate *inflate, uint32_t literals, uint32_t distances)
{
	return inflate_make(inflate->distance_table, &inflate->distance_bits, INFLATE_DISTANCES,
		       inflate->lengths + literals, distances, 0) &&
	       inflate_make(inflate->literal_table, &inflate->literal_bits, INFLATE_LITERALS,
		       inflate->lengths, literals, inflate->distance_bits);
}

// RFC 1951, 3.2.6.
static void make_fixed(struct inflate *inflate)
{
	uint8_t *lengths = inflate->lengths;

	if (inflate->is_fixed)
		return;
	memset(lengths, 8, 144);
	memset(lengths + 144, 9, 112);
	memset(lengths + 256, 7, 24);
	memset(lengths + 280, 8, 8);
	memset(lengths + INFLATE_MOST_LITERALS, 5, INFLATE_MOST_DISTANCES);
	(void)make_tables(inflate, INFLATE_MOST_LITERALS, INFLATE_MOST_DISTANCES);
	inflate->is_fixed = true;
}

static enum step block_begin(struct inflate *inflate, struct inflate_run *run)
{
	if (inflate->is_last) {
		inflate->state = INFLATE_OVER;
		return STEP_ON;
	}
	if (!need(inflate, run, 3))
		return STEP_MORE;
	inflate->is_last = take(inflate, 1) != 0;
	switch (take(inflate, 2)) {
	case 0:
		(void)take(inflate, inflate->count % 8);
		inflate->state = INFLATE_STORED_HEAD;
		return STEP_ON;
	case 1:
		make_fixed(inflate);
		inflate->state = INFLATE_SYMBOLS;
		return STEP_ON;
	case 2:
		inflate->state = INFLATE_COUNTS;
		return STEP_ON;
	default:
		return STEP_ERROR;
	}
}

static enum step stored_begin(struct inflate *inflate, struct inflate_run *run)
{
	uint32_t bytes;

	if (!need(inflate, run, 32))
		return STEP_MORE;
	bytes = take(inflate, 16);
	if (take(inflate, 16) != (bytes ^ 0xffff))
		return STEP_ERROR;
	inflate->left = bytes;
	inflate->state = INFLATE_STORED;
	return STEP_ON;
}

static enum step stored(struct inflate *inflate, struct inflate_run *run)
{
	size_t n = inflate->left;

	if (n == 0) {
		inflate->state = INFLATE_BLOCK;
		return STEP_ON;
	}
	if (run->out >= run->limit)
		return STEP_FULL;
	if (n > (size_t)(run->end - run->in))
		n = (size_t)(run->end - run->in);
	if (n > (size_t)(run->limit - run->out))
		n = (size_t)(run->limit - run->out);
	if (n == 0)
		return STEP_MORE;
	memcpy(run->out, run->in, n);
	run->in += n;
	run->out += n;
	inflate->left -= (uint32_t)n;
	return STEP_ON;
}

// RFC 1951, 3.2.7.
static enum step counts(struct inflate *inflate, struct inflate_run *run)
{
	if (!need(inflate, run, 14))
		return STEP_MORE;
	inflate->literals = take(inflate, 5) + 257;
	inflate->distances = take(inflate, 5) + 1;
	inflate->orders = take(inflate, 4) + 4;
	if (inflate->literals > 286 || inflate->distances > 30)
		return STEP_ERROR;
	inflate->have = 0;
	inflate->state = INFLATE_ORDER;
	return STEP_ON;
}

static enum step order(struct inflate *inflate, struct inflate_run *run)
{
	static const uint8_t places[] = {
		16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};

	while (inflate->have < inflate->orders) {
		if (!need(inflate, run, 3))
			return STEP_MORE;
		inflate->lengths[places[inflate->have++]] = (uint8_t)take(inflate, 3);
	}
	while (inflate->have < sizeof(places))
		inflate->lengths[places[inflate->have++]] = 0;
	inflate->is_fixed = false;
	if (!inflate_make(inflate->distance_table, &inflate->distance_bits, INFLATE_LENGTHS,
		    inflate->lengths, sizeof(places), 0))
		return STEP_ERROR;
	inflate->have = 0;
	inflate->state = INFLATE_CODES;
	return STEP_ON;
}

// A length that stands for several: of the one before, or 0.
static enum step repeat(
	struct inflate *inflate, struct inflate_run *run, uint32_t symbol, uint32_t bits)
{
	static const uint8_t extra[] = {2, 3, 7};
	static const uint8_t base[] = {3, 3, 11};
	uint8_t length = 0;
	uint32_t times;

	if (!need(inflate, run, bits + extra[symbol - 16]))
		return STEP_MORE;
	(void)take(inflate, bits);
	if (symbol == 16) {
		if (inflate->have == 0)
			return STEP_ERROR;
		length = inflate->lengths[inflate->have - 1];
	}
	times = base[symbol - 16] + take(inflate, extra[symbol - 16]);
	if (inflate->have + times > inflate->literals + inflate->distances)
		return STEP_ERROR;
	memset(inflate->lengths + inflate->have, length, times);
	inflate->have += times;
	return STEP_ON;
}

static enum step codes_end(struct inflate *inflate)
{
	if (inflate->lengths[256] == 0 ||
		!make_tables(inflate, inflate->literals, inflate->distances))
		return STEP_ERROR;
	inflate->state = INFLATE_SYMBOLS;
	return STEP_ON;
}

static enum step codes(struct inflate *inflate, struct inflate_run *run)
{
	const uint32_t *table = inflate->distance_table;
	uint64_t mask = (1u << inflate->distance_bits) - 1;

	while (inflate->have < inflate->literals + inflate->distances) {
		uint32_t entry = table[inflate->bits & mask];
		enum step step;

		while ((entry & 0xff) > inflate->count) {
			if (!need(inflate, run, inflate->count + 1))
				return STEP_MORE;
			entry = table[inflate->bits & mask];
		}
		if (entry >> 16 < 16) {
			(void)take(inflate, entry & 0xff);
			inflate->lengths[inflate->have++] = (uint8_t)(entry >> 16);
			continue;
		}
		step = repeat(inflate, run, entry >> 16, entry & 0xff);
		if (step != STEP_ON)
			return step;
	}
	return codes_end(inflate);
}

// ---- symbols -----------------------------------------------------------------------------------

// Of what is left of a match, what there is room for.
static enum step match(struct inflate *inflate, struct inflate_run *run)
{
	uint32_t at = (uint32_t)(run->out - inflate->window);
	uint32_t from = at - inflate->distance;

	if (inflate->distance > at) {
		if (!inflate->is_wrapped)
			return STEP_ERROR;
		from += INFLATE_WINDOW_BYTES;
	}
	for (; inflate->left > 0 && run->out < run->limit; inflate->left--) {
		*run->out++ = inflate->window[from++];
		if (from == INFLATE_WINDOW_BYTES)
			from = 0;
	}
	return inflate->left > 0 ? STEP_FULL : STEP_ON;
}

// How many bits the code takes without the extra ones.
static uint32_t own_bits(enum inflate_code code, uint32_t entry)
{
	if ((entry & INFLATE_ODD) != 0)
		return entry & 0xff;
	if (code == INFLATE_DISTANCES)
		return entry >> INFLATE_OWN_AT & 15;
	return (entry & INFLATE_LITERAL) != 0 ? entry & 0xff : entry >> INFLATE_LENGTH_OWN_AT & 15;
}

// The entry of the code that stands at this bit. False where its bits are not all there.
static bool find(const struct inflate *inflate, enum inflate_code code, uint32_t *at, uint32_t *out)
{
	const bool is_distance = code == INFLATE_DISTANCES;
	const uint32_t *table = is_distance ? inflate->distance_table : inflate->literal_table;
	uint32_t table_bits = is_distance ? inflate->distance_bits : inflate->literal_bits;
	uint64_t bits = inflate->bits >> *at;
	uint32_t entry = table[bits & ((1u << table_bits) - 1)];
	uint32_t length = own_bits(code, entry);

	if ((entry & INFLATE_LONGER) != 0 && (entry & INFLATE_ODD) != 0) {
		uint32_t mask = (1u << (entry >> INFLATE_NEXT_AT & 15)) - 1;

		entry = table[(entry >> INFLATE_VALUE_AT) + (bits >> table_bits & mask)];
		length = table_bits + own_bits(code, entry);
	}
	if (*at + length > inflate->count)
		return false;
	*at += length;
	*out = entry;
	return true;
}

// Adds the extra bits to value that follow the code. False where they are not all there.
static bool add_extra(const struct inflate *inflate, uint32_t extra, uint32_t *at, uint32_t *value)
{
	if (*at + extra > inflate->count)
		return false;
	*value += (uint32_t)(inflate->bits >> *at & ((1u << extra) - 1));
	*at += extra;
	return true;
}

static void drop(struct inflate *inflate, uint32_t count)
{
	inflate->bits >>= count;
	inflate->count -= count;
}

// A length was read, the distance follows. All of it has 48 bits at most, so it is read at once.
static enum step distance(struct inflate *inflate, uint32_t at, uint32_t length)
{
	uint32_t entry;
	uint32_t value;

	if (!find(inflate, INFLATE_DISTANCES, &at, &entry))
		return STEP_MORE;
	if ((entry & INFLATE_ODD) != 0) {
		drop(inflate, at);
		return STEP_ERROR;
	}
	value = entry >> INFLATE_VALUE_AT;
	if (!add_extra(inflate, (entry & 0xff) - own_bits(INFLATE_DISTANCES, entry), &at, &value))
		return STEP_MORE;
	drop(inflate, at);
	inflate->distance = value;
	inflate->left = length;
	return STEP_ON;
}

static enum step symbol(struct inflate *inflate, struct inflate_run *run)
{
	uint32_t at = 0;
	uint32_t entry;
	uint32_t length;

	(void)need(inflate, run, 48);
	if (!find(inflate, INFLATE_LITERALS, &at, &entry))
		return STEP_MORE;
	if ((entry & INFLATE_LITERAL) != 0) {
		drop(inflate, at);
		*run->out++ = (uint8_t)(entry >> 16);
		return STEP_ON;
	}
	if ((entry & INFLATE_ODD) != 0) {
		drop(inflate, at);
		inflate->state = INFLATE_BLOCK;
		return (entry & INFLATE_END) != 0 ? STEP_ON : STEP_ERROR;
	}
	length = entry >> INFLATE_LENGTH_AT;
	if (!add_extra(inflate, (entry & 0xff) - own_bits(INFLATE_LITERALS, entry), &at, &length))
		return STEP_MORE;
	return distance(inflate, at, length);
}

// Whole bytes that were read too far are there for whoever comes next. That can be none of an earlier call's:
// what did not do for one step then is used up by it now.
static void give_back(struct inflate *inflate, struct inflate_run *run)
{
	run->in -= inflate->count / 8;
	inflate->count %= 8;
	inflate->bits &= (1u << inflate->count) - 1;
}

// The inner loop over what is left of the input, which it may read further than: zeros follow. An iteration takes
// 70 bits at most, and there are 72 when one begins: 56 that were read, and two bytes.
static enum inflate_edge run_tail(struct inflate *inflate, struct inflate_run *run)
{
	uint8_t bytes[2 * INFLATE_FAST_IN] = {0};
	const size_t left = (size_t)(run->end - run->in);
	struct inflate_run tail = {bytes, bytes + left + INFLATE_FAST_IN - 2, run->out, run->limit};
	enum inflate_edge edge;

	memcpy(bytes, run->in, left);
	edge = inflate->symbols(inflate, &tail);
	run->in += tail.in - bytes;
	run->out = tail.out;
	return edge;
}

static enum step symbols(struct inflate *inflate, struct inflate_run *run)
{
	enum step step = STEP_ON;

	while (step == STEP_ON && inflate->state == INFLATE_SYMBOLS) {
		const size_t left = (size_t)(run->end - run->in);

		if (inflate->left > 0) {
			step = match(inflate, run);
			continue;
		}
		if (run->out >= run->limit) {
			step = STEP_FULL;
			continue;
		}
		if (left < INFLATE_TAIL_IN) {
			step = symbol(inflate, run);
			continue;
		}
		switch (left < INFLATE_FAST_IN ? run_tail(inflate, run)
					       : inflate->symbols(inflate, run)) {
		case INFLATE_EDGE_NEAR:
			break;
		case INFLATE_EDGE_BLOCK:
			inflate->state = INFLATE_BLOCK;
			break;
		case INFLATE_EDGE_ERROR:
			step = STEP_ERROR;
			break;
		}
	}
	if (step != STEP_MORE)
		give_back(inflate, run);
	return step;
}

// ---- all of it ---------------------------------------------------------------------------------

static enum step next(struct inflate *inflate, struct inflate_run *run)
{
	switch (inflate->state) {
	case INFLATE_BLOCK:
		return block_begin(inflate, run);
	case INFLATE_STORED_HEAD:
		return stored_begin(inflate, run);
	case INFLATE_STORED:
		return stored(inflate, run);
	case INFLATE_COUNTS:
		return counts(inflate, run);
	case INFLATE_ORDER:
		return order(inflate, run);
	case INFLATE_CODES:
		return codes(inflate, run);
	case INFLATE_SYMBOLS:
		return symbols(inflate, run);
	case INFLATE_OVER:
	case INFLATE_BROKEN:
		break;
	}
	return STEP_ERROR;
}

enum inflate_result inflate_feed(
	struct inflate *inflate, const uint8_t *data, size_t n, struct inflate_output *output)
{
	uint32_t room = INFLATE_WINDOW_BYTES - inflate->at;
	uint8_t *out = inflate->window + inflate->at;
	struct inflate_run run = {data, data + n, out, out};
	enum step step = STEP_ON;

	run.limit += room < INFLATE_OUT_BYTES - INFLATE_FAST_OUT
			     ? room
			     : INFLATE_OUT_BYTES - INFLATE_FAST_OUT;
	while (step == STEP_ON && inflate->state != INFLATE_OVER)
		step = next(inflate, &run);
	if (step == STEP_ERROR)
		inflate->state = INFLATE_BROKEN;
	inflate->at = (uint32_t)(run.out - inflate->window);
	if (inflate->at >= INFLATE_WINDOW_BYTES) {
		// What is behind the window's end stays there until the next call, too.
		inflate->at -= INFLATE_WINDOW_BYTES;
		memcpy(inflate->window, inflate->window + INFLATE_WINDOW_BYTES, inflate->at);
		inflate->is_wrapped = true;
	}
	*output = (struct inflate_output){(size_t)(run.in - data), out, (size_t)(run.out - out),
		step != STEP_ERROR && inflate->state != INFLATE_OVER && run.out >= run.limit};
	if (step == STEP_ERROR)
		return INFLATE_ERROR;
	return inflate->state == INFLATE_OVER ? INFLATE_DONE : INFLATE_MORE;
}
