// SPDX-License-Identifier: BSD-3-Clause
// Methods of old zips: shrink (APPNOTE 5.1) and implode (5.3). Neither says where it ends: the sizes in the
// member's header do. What of a reference lies before the first byte is zeros.
#include "scan/unpack_huffman.h"
#include "scan/unpack_state.h"

#include <string.h>

// ---- implode -----------------------------------------------------------------------------------

#define WINDOW_BYTES 8192u
#define MAX_TREE_BYTES 256

enum implode_state {
	IMPLODE_TREE_BYTES,
	IMPLODE_TREE,
	IMPLODE_FLAG,
	IMPLODE_LITERAL,
	IMPLODE_LOW,
	IMPLODE_HIGH,
	IMPLODE_LENGTH,
	IMPLODE_MORE,
	IMPLODE_COPY,
};

enum { TREE_LITERALS, TREE_LENGTHS, TREE_DISTANCES };

struct implode {
	enum implode_state state;
	bool has_literals;
	uint8_t low_bits; // of a distance
	uint32_t tree;    // that is being read
	uint32_t tree_left;
	uint32_t lengths_count;
	uint32_t length;
	uint32_t distance;
	uint64_t given;
	struct huffman_bits bits;
	struct huffman_walk walk;
	struct huffman trees[3];
	uint8_t lengths[MAX_TREE_BYTES];
	uint8_t window[WINDOW_BYTES];
};

static_assert(sizeof(struct implode) <= UNPACK_INFLATE_BYTES, "it has its room");

struct output {
	uint8_t *at;
	uint8_t *end;
};

enum step_result { RESULT_ON, RESULT_STOP, RESULT_BROKEN };

static struct implode *implode_of(struct unpack *unpack)
{
	return (struct implode *)(void *)unpack->inflate_memory;
}

void implode_begin(struct unpack *unpack, bool is_great, bool has_literals)
{
	struct implode *implode = implode_of(unpack);

	memset(implode, 0, sizeof(*implode));
	implode->low_bits = is_great ? 7 : 6;
	implode->has_literals = has_literals;
	implode->tree = has_literals ? TREE_LITERALS : TREE_LENGTHS;
}

static void put(struct implode *implode, struct output *out, uint8_t byte)
{
	implode->window[implode->given++ % WINDOW_BYTES] = byte;
	*out->at++ = byte;
}

static enum step_result tree_end(struct implode *implode)
{
	uint32_t want = implode->tree == TREE_LITERALS ? 256 : 64;

	// A set of codes that leaves some bits without meaning has another order in each reader.
	if (implode->lengths_count != want ||
		huffman_make(&implode->trees[implode->tree], implode->lengths, want) != 0)
		return RESULT_BROKEN;
	implode->lengths_count = 0;
	implode->state = implode->tree == TREE_DISTANCES ? IMPLODE_FLAG : IMPLODE_TREE_BYTES;
	implode->tree++;
	return RESULT_ON;
}

// Of each byte the low half is a length less 1, the high one how many codes have it, less 1.
static enum step_result tree(struct implode *implode)
{
	uint32_t value;
	uint32_t count;

	if (!huffman_take(&implode->bits, 8, &value))
		return RESULT_STOP;
	if (implode->state == IMPLODE_TREE_BYTES) {
		implode->tree_left = value + 1;
		implode->state = IMPLODE_TREE;
		return RESULT_ON;
	}
	count = (value >> 4) + 1;
	if (implode->lengths_count + count > sizeof(implode->lengths))
		return RESULT_BROKEN;
	memset(implode->lengths + implode->lengths_count, (int)(value & 15) + 1, count);
	implode->lengths_count += count;
	return --implode->tree_left == 0 ? tree_end(implode) : RESULT_ON;
}

static enum step_result flag(struct implode *implode, const struct output *out)
{
	uint32_t value;

	if (out->at == out->end || !huffman_take(&implode->bits, 1, &value))
		return RESULT_STOP;
	implode->state = value != 0 ? IMPLODE_LITERAL : IMPLODE_LOW;
	return RESULT_ON;
}

static int next_symbol(struct implode *implode, uint32_t which)
{
	return huffman_next(&implode->trees[which], &implode->walk, &implode->bits, 1);
}

static enum step_result literal(struct implode *implode, struct output *out)
{
	uint32_t value;

	if (implode->has_literals) {
		int symbol = next_symbol(implode, TREE_LITERALS);

		if (symbol < 0)
			return symbol == HUFFMAN_MORE ? RESULT_STOP : RESULT_BROKEN;
		value = (uint32_t)symbol;
	} else if (!huffman_take(&implode->bits, 8, &value)) {
		return RESULT_STOP;
	}
	put(implode, out, (uint8_t)value);
	implode->state = IMPLODE_FLAG;
	return RESULT_ON;
}

static enum step_result distance(struct implode *implode)
{
	int symbol;

	if (implode->state == IMPLODE_LOW) {
		if (!huffman_take(&implode->bits, implode->low_bits, &implode->distance))
			return RESULT_STOP;
		implode->state = IMPLODE_HIGH;
	}
	symbol = next_symbol(implode, TREE_DISTANCES);
	if (symbol < 0)
		return symbol == HUFFMAN_MORE ? RESULT_STOP : RESULT_BROKEN;
	implode->distance += ((uint32_t)symbol << implode->low_bits) + 1;
	implode->state = IMPLODE_LENGTH;
	return RESULT_ON;
}

static enum step_result length(struct implode *implode)
{
	uint32_t least = implode->has_literals ? 3 : 2;
	uint32_t more;
	int symbol;

	if (implode->state == IMPLODE_MORE) {
		if (!huffman_take(&implode->bits, 8, &more))
			return RESULT_STOP;
		implode->length += more;
		implode->state = IMPLODE_COPY;
		return RESULT_ON;
	}
	symbol = next_symbol(implode, TREE_LENGTHS);
	if (symbol < 0)
		return symbol == HUFFMAN_MORE ? RESULT_STOP : RESULT_BROKEN;
	implode->length = (uint32_t)symbol + least;
	implode->state = symbol == 63 ? IMPLODE_MORE : IMPLODE_COPY;
	return RESULT_ON;
}

static enum step_result copy(struct implode *implode, struct output *out)
{
	for (; implode->length > 0; implode->length--) {
		if (out->at == out->end)
			return RESULT_STOP;
		put(implode, out,
			implode->window[(implode->given - implode->distance) % WINDOW_BYTES]);
	}
	implode->state = IMPLODE_FLAG;
	return RESULT_ON;
}

static enum step_result step(struct implode *implode, struct output *out)
{
	switch (implode->state) {
	case IMPLODE_TREE_BYTES:
	case IMPLODE_TREE:
		return tree(implode);
	case IMPLODE_FLAG:
		return flag(implode, out);
	case IMPLODE_LITERAL:
		return literal(implode, out);
	case IMPLODE_LOW:
	case IMPLODE_HIGH:
		return distance(implode);
	case IMPLODE_LENGTH:
	case IMPLODE_MORE:
		return length(implode);
	case IMPLODE_COPY:
		return copy(implode, out);
	}
	return RESULT_BROKEN;
}

enum codec_step implode_run(
	struct unpack *unpack, const uint8_t *data, size_t n, size_t *used, size_t *bytes)
{
	struct implode *implode = implode_of(unpack);
	struct output out = {unpack->out, unpack->out + UNPACK_OUT_BYTES};
	enum step_result result = RESULT_ON;

	implode->bits.at = data;
	implode->bits.end = data + n;
	while (result == RESULT_ON)
		result = step(implode, &out);
	*used = (size_t)(implode->bits.at - data);
	*bytes = (size_t)(out.at - unpack->out);
	return result == RESULT_BROKEN ? CODEC_BROKEN : CODEC_MORE;
}

// ---- shrink ------------------------------------------------------------------------------------

#define SHRINK_CODES 8192u
#define SHRINK_CONTROL 256u
#define SHRINK_FREE UINT16_MAX
#define SHRINK_FIRST_WIDTH 9
#define SHRINK_LAST_WIDTH 13

struct shrink {
	struct huffman_bits bits;
	uint8_t width;
	bool is_control; // the next code is what to do
	bool has_last;
	uint8_t first; // byte of the last code's string
	uint16_t last;
	uint16_t newest; // codes up to it are in use
	uint16_t parent[SHRINK_CODES];
	uint8_t value[SHRINK_CODES];
	uint8_t has_child[SHRINK_CODES];
};

static_assert(sizeof(struct shrink) <= UNPACK_INFLATE_BYTES, "it has its room");

static struct shrink *shrink_of(struct unpack *unpack)
{
	return (struct shrink *)(void *)unpack->inflate_memory;
}

void shrink_begin(struct unpack *unpack)
{
	struct shrink *shrink = shrink_of(unpack);

	memset(shrink, 0, sizeof(*shrink));
	shrink->width = SHRINK_FIRST_WIDTH;
	shrink->newest = SHRINK_CONTROL;
	for (uint32_t i = 0; i < SHRINK_CODES; i++)
		shrink->parent[i] = i <= SHRINK_CONTROL ? SHRINK_CONTROL : SHRINK_FREE;
	for (uint32_t i = 0; i < SHRINK_CONTROL; i++)
		shrink->value[i] = (uint8_t)i;
}

// Codes that no other one goes on from become free.
static void clear_leaves(struct shrink *shrink)
{
	memset(shrink->has_child, 0, sizeof(shrink->has_child));
	for (uint32_t i = SHRINK_CONTROL + 1; i < SHRINK_CODES; i++)
		if (shrink->parent[i] != SHRINK_FREE)
			shrink->has_child[shrink->parent[i]] = 1;
	for (uint32_t i = SHRINK_CONTROL + 1; i < SHRINK_CODES; i++)
		if (shrink->has_child[i] == 0)
			shrink->parent[i] = SHRINK_FREE;
	shrink->newest = SHRINK_CONTROL;
}

static bool control(struct shrink *shrink, uint32_t code)
{
	shrink->is_control = false;
	if (code == 1 && shrink->width < SHRINK_LAST_WIDTH)
		shrink->width++;
	else if (code == 2)
		clear_leaves(shrink);
	else
		return false;
	return true;
}

// The string of a code, from its end. 0: there is none, or it has no beginning.
static uint32_t string_bytes(const struct shrink *shrink, uint32_t code)
{
	uint32_t bytes = 0;

	while (code != SHRINK_CONTROL) {
		if (shrink->parent[code] == SHRINK_FREE || ++bytes > SHRINK_CODES)
			return 0;
		code = shrink->parent[code];
	}
	return bytes;
}

static void add_code(struct shrink *shrink)
{
	uint32_t code = shrink->newest + 1u;

	while (code < SHRINK_CODES && shrink->parent[code] != SHRINK_FREE)
		code++;
	if (code == SHRINK_CODES)
		return;
	shrink->parent[code] = shrink->last;
	shrink->value[code] = shrink->first;
	shrink->newest = (uint16_t)code;
}

static bool give_code(struct shrink *shrink, uint32_t code, uint8_t *out, size_t *bytes)
{
	// It is the one that this very string begins.
	bool is_next = shrink->parent[code] == SHRINK_FREE && shrink->has_last;
	uint32_t from = is_next ? shrink->last : code;
	uint32_t n = string_bytes(shrink, from);
	uint8_t *at = out + *bytes;

	if (n == 0 || code == SHRINK_CONTROL)
		return false;
	for (uint32_t i = n; i-- > 0; from = shrink->parent[from])
		at[i] = shrink->value[from];
	*bytes += n;
	if (is_next)
		out[(*bytes)++] = shrink->first;
	shrink->first = at[0];
	if (shrink->has_last)
		add_code(shrink);
	shrink->has_last = true;
	shrink->last = (uint16_t)code;
	return true;
}

enum codec_step shrink_run(
	struct unpack *unpack, const uint8_t *data, size_t n, size_t *used, size_t *bytes)
{
	struct shrink *shrink = shrink_of(unpack);
	enum codec_step result = CODEC_MORE;
	uint32_t code;

	shrink->bits.at = data;
	shrink->bits.end = data + n;
	while (*bytes + SHRINK_CODES + 1 <= UNPACK_OUT_BYTES && result == CODEC_MORE &&
		huffman_take(&shrink->bits, shrink->width, &code)) {
		if (shrink->is_control)
			result = control(shrink, code) ? CODEC_MORE : CODEC_BROKEN;
		else if (code == SHRINK_CONTROL)
			shrink->is_control = true;
		else if (!give_code(shrink, code, unpack->out, bytes))
			result = CODEC_BROKEN;
	}
	*used = (size_t)(shrink->bits.at - data);
	return result;
}
