// SPDX-License-Identifier: BSD-3-Clause
// Deflate64: deflate (RFC 1951) with a window of 64 KiB, two distance codes more, and a last length code
// of 16 bits (APPNOTE 5.5). Its state lies in the memory of the great decoders.
#include "scan/unpack_huffman.h"
#include "scan/unpack_state.h"

#include <string.h>

#define WINDOW_BYTES 65536u
#define LITERALS 288
#define DISTANCES 32
#define CODE_LENGTHS 19

enum inflate64_state {
	INFLATE64_BLOCK,
	INFLATE64_STORED_LENGTH,
	INFLATE64_STORED_CHECK,
	INFLATE64_STORED,
	INFLATE64_LITERALS,
	INFLATE64_DISTANCES,
	INFLATE64_CODES,
	INFLATE64_CODE_LENGTH,
	INFLATE64_LENGTHS,
	INFLATE64_REPEAT,
	INFLATE64_SYMBOL,
	INFLATE64_LENGTH,
	INFLATE64_DISTANCE,
	INFLATE64_OFFSET,
	INFLATE64_COPY,
	INFLATE64_OVER,
};

struct inflate64 {
	enum inflate64_state state;
	bool is_last;
	struct huffman_bits bits;
	struct huffman_walk walk;
	struct huffman literals;
	struct huffman distances;
	uint32_t literals_count;
	uint32_t distances_count;
	uint32_t codes_count;
	uint32_t read; // lengths until now
	uint32_t symbol;
	uint32_t length; // bytes to copy
	uint32_t distance;
	uint64_t given;
	uint8_t lengths[LITERALS + DISTANCES];
	uint8_t window[WINDOW_BYTES];
};

static_assert(sizeof(struct inflate64) / 1024 < UNPACK_BZIP2_BYTES / 1024, "it has its room");

// What comes out of one call.
struct output {
	uint8_t *at;
	uint8_t *end;
};

enum step_result { RESULT_ON, RESULT_STOP, RESULT_BROKEN };

static struct inflate64 *state_of(struct unpack *unpack)
{
	return (struct inflate64 *)(void *)unpack->codec.arena.memory;
}

void inflate64_begin(struct unpack *unpack)
{
	struct inflate64 *inflate = state_of(unpack);

	memset(inflate, 0, offsetof(struct inflate64, window));
}

static void put(struct inflate64 *inflate, struct output *out, uint8_t byte)
{
	inflate->window[inflate->given++ % WINDOW_BYTES] = byte;
	*out->at++ = byte;
}

// ---- blocks ------------------------------------------------------------------------------------

static void fixed_codes(struct inflate64 *inflate)
{
	memset(inflate->lengths, 8, 144);
	memset(inflate->lengths + 144, 9, 112);
	memset(inflate->lengths + 256, 7, 24);
	memset(inflate->lengths + 280, 8, 8);
	(void)huffman_make(&inflate->literals, inflate->lengths, LITERALS);
	memset(inflate->lengths, 5, DISTANCES);
	(void)huffman_make(&inflate->distances, inflate->lengths, DISTANCES);
}

static enum step_result block(struct inflate64 *inflate)
{
	uint32_t head;

	if (!huffman_take(&inflate->bits, 3, &head))
		return RESULT_STOP;
	inflate->is_last = (head & 1) != 0;
	switch (head >> 1) {
	case 0:
		inflate->bits.hold >>= inflate->bits.held % 8;
		inflate->bits.held = (uint8_t)(inflate->bits.held / 8 * 8);
		inflate->state = INFLATE64_STORED_LENGTH;
		return RESULT_ON;
	case 1:
		fixed_codes(inflate);
		inflate->state = INFLATE64_SYMBOL;
		return RESULT_ON;
	case 2:
		inflate->state = INFLATE64_LITERALS;
		return RESULT_ON;
	default:
		return RESULT_BROKEN;
	}
}

static void block_end(struct inflate64 *inflate)
{
	inflate->state = inflate->is_last ? INFLATE64_OVER : INFLATE64_BLOCK;
}

static enum step_result stored(struct inflate64 *inflate, struct output *out)
{
	uint32_t value;

	if (inflate->state == INFLATE64_STORED_LENGTH) {
		if (!huffman_take(&inflate->bits, 16, &inflate->length))
			return RESULT_STOP;
		inflate->state = INFLATE64_STORED_CHECK;
	}
	if (inflate->state == INFLATE64_STORED_CHECK) {
		if (!huffman_take(&inflate->bits, 16, &value))
			return RESULT_STOP;
		if ((value ^ inflate->length) != 0xffff)
			return RESULT_BROKEN;
		inflate->state = INFLATE64_STORED;
	}
	for (; inflate->length > 0; inflate->length--) {
		if (out->at == out->end || !huffman_take(&inflate->bits, 8, &value))
			return RESULT_STOP;
		put(inflate, out, (uint8_t)value);
	}
	block_end(inflate);
	return RESULT_ON;
}

// ---- the codes of a block ----------------------------------------------------------------------

static enum step_result counts(struct inflate64 *inflate)
{
	if (inflate->state == INFLATE64_LITERALS) {
		if (!huffman_take(&inflate->bits, 5, &inflate->literals_count))
			return RESULT_STOP;
		inflate->literals_count += 257;
		inflate->state = INFLATE64_DISTANCES;
	}
	if (inflate->state == INFLATE64_DISTANCES) {
		if (!huffman_take(&inflate->bits, 5, &inflate->distances_count))
			return RESULT_STOP;
		inflate->distances_count++;
		inflate->state = INFLATE64_CODES;
	}
	if (!huffman_take(&inflate->bits, 4, &inflate->codes_count))
		return RESULT_STOP;
	inflate->codes_count += 4;
	inflate->read = 0;
	memset(inflate->lengths, 0, sizeof(inflate->lengths));
	inflate->state = INFLATE64_CODE_LENGTH;
	return inflate->literals_count > LITERALS ? RESULT_BROKEN : RESULT_ON;
}

static enum step_result code_lengths(struct inflate64 *inflate)
{
	static const uint8_t order[CODE_LENGTHS] = {
		16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
	uint32_t value;

	for (; inflate->read < inflate->codes_count; inflate->read++) {
		if (!huffman_take(&inflate->bits, 3, &value))
			return RESULT_STOP;
		inflate->lengths[order[inflate->read]] = (uint8_t)value;
	}
	if (huffman_make(&inflate->literals, inflate->lengths, CODE_LENGTHS) < 0)
		return RESULT_BROKEN;
	inflate->read = 0;
	inflate->state = INFLATE64_LENGTHS;
	return RESULT_ON;
}

static enum step_result codes_end(struct inflate64 *inflate)
{
	const uint8_t *distances = inflate->lengths + inflate->literals_count;

	if (inflate->lengths[256] == 0 ||
		huffman_make(&inflate->distances, distances, inflate->distances_count) < 0 ||
		huffman_make(&inflate->literals, inflate->lengths, inflate->literals_count) < 0)
		return RESULT_BROKEN;
	inflate->state = INFLATE64_SYMBOL;
	return RESULT_ON;
}

static enum step_result repeat(struct inflate64 *inflate)
{
	static const uint8_t bits[] = {2, 3, 7};
	static const uint8_t least[] = {3, 3, 11};
	uint32_t kind = inflate->symbol - 16;
	uint32_t count;
	uint8_t value = 0;

	if (!huffman_take(&inflate->bits, bits[kind], &count))
		return RESULT_STOP;
	count += least[kind];
	if (kind == 0 && inflate->read == 0)
		return RESULT_BROKEN;
	if (kind == 0)
		value = inflate->lengths[inflate->read - 1];
	if (inflate->read + count > inflate->literals_count + inflate->distances_count)
		return RESULT_BROKEN;
	memset(inflate->lengths + inflate->read, value, count);
	inflate->read += count;
	inflate->state = INFLATE64_LENGTHS;
	return RESULT_ON;
}

static enum step_result lengths(struct inflate64 *inflate)
{
	int symbol;

	if (inflate->read == inflate->literals_count + inflate->distances_count)
		return codes_end(inflate);
	symbol = huffman_next(&inflate->literals, &inflate->walk, &inflate->bits, 0);
	if (symbol < 0)
		return symbol == HUFFMAN_MORE ? RESULT_STOP : RESULT_BROKEN;
	if (symbol < 16) {
		inflate->lengths[inflate->read++] = (uint8_t)symbol;
		return RESULT_ON;
	}
	inflate->symbol = (uint32_t)symbol;
	inflate->state = INFLATE64_REPEAT;
	return RESULT_ON;
}

// ---- data --------------------------------------------------------------------------------------

static enum step_result symbol(struct inflate64 *inflate, struct output *out)
{
	int next;

	if (out->at == out->end)
		return RESULT_STOP;
	next = huffman_next(&inflate->literals, &inflate->walk, &inflate->bits, 0);
	if (next < 0)
		return next == HUFFMAN_MORE ? RESULT_STOP : RESULT_BROKEN;
	if (next < 256) {
		put(inflate, out, (uint8_t)next);
	} else if (next == 256) {
		block_end(inflate);
	} else {
		inflate->symbol = (uint32_t)next - 257;
		inflate->state = INFLATE64_LENGTH;
	}
	return next > 285 ? RESULT_BROKEN : RESULT_ON;
}

static enum step_result match_length(struct inflate64 *inflate)
{
	uint32_t code = inflate->symbol;
	uint32_t extra = code < 8 ? 0 : code / 4 - 1;
	uint32_t base = code < 8 ? 3 + code : 3 + ((4 + code % 4) << extra);
	uint32_t more;

	if (code == 28) {
		extra = 16;
		base = 3;
	}
	if (!huffman_take(&inflate->bits, extra, &more))
		return RESULT_STOP;
	inflate->length = base + more;
	inflate->state = INFLATE64_DISTANCE;
	return RESULT_ON;
}

static enum step_result match_distance(struct inflate64 *inflate)
{
	uint32_t code;
	uint32_t extra;
	uint32_t more;

	if (inflate->state == INFLATE64_DISTANCE) {
		int next = huffman_next(&inflate->distances, &inflate->walk, &inflate->bits, 0);

		if (next < 0)
			return next == HUFFMAN_MORE ? RESULT_STOP : RESULT_BROKEN;
		inflate->symbol = (uint32_t)next;
		inflate->state = INFLATE64_OFFSET;
	}
	code = inflate->symbol;
	extra = code < 4 ? 0 : code / 2 - 1;
	if (!huffman_take(&inflate->bits, extra, &more))
		return RESULT_STOP;
	inflate->distance = (code < 4 ? 1 + code : 1 + ((2 + code % 2) << extra)) + more;
	inflate->state = INFLATE64_COPY;
	return inflate->distance > inflate->given ? RESULT_BROKEN : RESULT_ON;
}

static enum step_result copy(struct inflate64 *inflate, struct output *out)
{
	for (; inflate->length > 0; inflate->length--) {
		if (out->at == out->end)
			return RESULT_STOP;
		put(inflate, out,
			inflate->window[(inflate->given - inflate->distance) % WINDOW_BYTES]);
	}
	inflate->state = INFLATE64_SYMBOL;
	return RESULT_ON;
}

static enum step_result step(struct inflate64 *inflate, struct output *out)
{
	switch (inflate->state) {
	case INFLATE64_BLOCK:
		return block(inflate);
	case INFLATE64_STORED_LENGTH:
	case INFLATE64_STORED_CHECK:
	case INFLATE64_STORED:
		return stored(inflate, out);
	case INFLATE64_LITERALS:
	case INFLATE64_DISTANCES:
	case INFLATE64_CODES:
		return counts(inflate);
	case INFLATE64_CODE_LENGTH:
		return code_lengths(inflate);
	case INFLATE64_LENGTHS:
		return lengths(inflate);
	case INFLATE64_REPEAT:
		return repeat(inflate);
	case INFLATE64_SYMBOL:
		return symbol(inflate, out);
	case INFLATE64_LENGTH:
		return match_length(inflate);
	case INFLATE64_DISTANCE:
	case INFLATE64_OFFSET:
		return match_distance(inflate);
	case INFLATE64_COPY:
		return copy(inflate, out);
	case INFLATE64_OVER:
		break;
	}
	return RESULT_STOP;
}

enum codec_step inflate64_run(
	struct unpack *unpack, const uint8_t *data, size_t n, size_t *used, size_t *bytes)
{
	struct inflate64 *inflate = state_of(unpack);
	struct output out = {unpack->out, unpack->out + UNPACK_OUT_BYTES};
	enum step_result result = RESULT_ON;

	inflate->bits.at = data;
	inflate->bits.end = data + n;
	while (result == RESULT_ON)
		result = step(inflate, &out);
	*used = (size_t)(inflate->bits.at - data);
	*bytes = (size_t)(out.at - unpack->out);
	if (result == RESULT_BROKEN)
		return CODEC_BROKEN;
	return inflate->state == INFLATE64_OVER ? CODEC_END : CODEC_MORE;
}
