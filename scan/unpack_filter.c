// SPDX-License-Identifier: BSD-3-Clause
// Filters of PDF streams besides Flate (ISO 32000-1, 7.4.2 to 7.4.5): hexadecimal and base-85 text, run
// lengths, LZW. Each gives all that comes out of the bytes that it takes. Characters that do not
// belong are left out.
#include "scan/unpack_state.h"

#include <string.h>

#define LZW_CODES 4096
#define LZW_CLEAR 256
#define LZW_END 257
#define NO_CODE UINT16_MAX
#define RUN_BYTES 128

// In the decoder's memory.
struct lzw_table {
	uint16_t prefix[LZW_CODES];
	uint16_t length[LZW_CODES];
	uint8_t suffix[LZW_CODES];
};

static_assert(sizeof(struct lzw_table) <= UNPACK_INFLATE_BYTES, "the table has its room");

int unpack_hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum codec_step hex_run(
	struct unpack *unpack, const uint8_t *data, size_t n, size_t *used, size_t *bytes)
{
	struct filter *filter = &unpack->codec.stream.filter;
	size_t i;

	for (i = 0; i < n && *bytes < UNPACK_OUT_BYTES; i++) {
		int digit = unpack_hex_digit(data[i]);

		if (data[i] == '>') {
			if (filter->bits > 0)
				unpack->out[(*bytes)++] = (uint8_t)(filter->word << 4);
			*used = i + 1;
			return CODEC_END;
		}
		if (digit < 0)
			continue;
		filter->word = filter->word << 4 | (uint32_t)digit;
		if (filter->bits++ == 0)
			continue;
		unpack->out[(*bytes)++] = (uint8_t)filter->word;
		filter->bits = 0;
	}
	*used = i;
	return CODEC_MORE;
}

// count digits of a group give one byte less than there are.
static void give_group(struct unpack *unpack, uint32_t count, size_t *bytes)
{
	struct filter *filter = &unpack->codec.stream.filter;
	uint32_t word = filter->word;

	for (uint32_t i = count; i < 5; i++)
		word = word * 85 + 84;
	for (uint32_t i = 1; i < count; i++) {
		unpack->out[(*bytes)++] = (uint8_t)(word >> 24);
		word <<= 8;
	}
	filter->word = 0;
	filter->bits = 0;
}

static enum codec_step base85_run(
	struct unpack *unpack, const uint8_t *data, size_t n, size_t *used, size_t *bytes)
{
	struct filter *filter = &unpack->codec.stream.filter;
	size_t i;

	for (i = 0; i < n && *bytes + 4 <= UNPACK_OUT_BYTES; i++) {
		uint8_t c = data[i];
		bool is_opening = filter->is_repeated;

		filter->is_repeated =
			c == '<' && filter->bits == 0 && unpack->codec.out + *bytes == 0;
		if (filter->is_repeated)
			continue;
		if (c == '~' && !is_opening) {
			if (filter->bits > 1)
				give_group(unpack, filter->bits, bytes);
			*used = i + 1;
			return CODEC_END;
		}
		if (c == 'z' && filter->bits == 0) {
			memset(unpack->out + *bytes, 0, 4);
			*bytes += 4;
			continue;
		}
		// "<~" opens a text; '<' alone is a digit.
		if (is_opening && c != '~') {
			filter->word = '<' - '!';
			filter->bits = 1;
		}
		if (c < '!' || c > 'u')
			continue;
		filter->word = filter->word * 85 + (uint32_t)(c - '!');
		if (++filter->bits == 5)
			give_group(unpack, 5, bytes);
	}
	*used = i;
	return CODEC_MORE;
}

static enum codec_step run_length_run(
	struct unpack *unpack, const uint8_t *data, size_t n, size_t *used, size_t *bytes)
{
	struct filter *filter = &unpack->codec.stream.filter;
	size_t i;

	for (i = 0; i < n && *bytes + RUN_BYTES <= UNPACK_OUT_BYTES; i++) {
		if (filter->bits == 0) {
			if (data[i] == 128) {
				*used = i + 1;
				return CODEC_END;
			}
			filter->is_repeated = data[i] > 128;
			filter->bits = (uint8_t)(data[i] < 128 ? data[i] + 1 : 257 - data[i]);
		} else if (filter->is_repeated) {
			memset(unpack->out + *bytes, data[i], filter->bits);
			*bytes += filter->bits;
			filter->bits = 0;
		} else {
			unpack->out[(*bytes)++] = data[i];
			filter->bits--;
		}
	}
	*used = i;
	return CODEC_MORE;
}

static void lzw_clear(struct filter *filter)
{
	filter->width = 9;
	filter->next = LZW_END + 1;
	filter->last = NO_CODE;
}

// The string of a code, to the end of what is there. False where there is none.
static bool lzw_code(struct unpack *unpack, uint32_t code, size_t *bytes)
{
	struct filter *filter = &unpack->codec.stream.filter;
	struct lzw_table *table = (struct lzw_table *)(void *)unpack->inflate_memory;
	bool is_new = code == filter->next && filter->last != NO_CODE;
	uint32_t from = is_new ? filter->last : code;
	uint32_t length = from < 256 ? 1 : table->length[from];
	uint8_t *at = unpack->out + *bytes;

	if (!is_new && (code >= filter->next || code == LZW_CLEAR || code == LZW_END))
		return false;
	for (uint32_t i = length; i > 1; i--) {
		at[i - 1] = table->suffix[from];
		from = table->prefix[from];
	}
	at[0] = (uint8_t)from;
	*bytes += length;
	if (is_new)
		unpack->out[(*bytes)++] = at[0];
	if (filter->last != NO_CODE && filter->next < LZW_CODES) {
		table->prefix[filter->next] = filter->last;
		table->suffix[filter->next] = at[0];
		table->length[filter->next] =
			(uint16_t)(filter->last < 256 ? 2 : table->length[filter->last] + 1);
		filter->next++;
	}
	filter->last = (uint16_t)code;
	while (filter->width < 12 && filter->next + (filter->is_late ? 0 : 1) >= 1 << filter->width)
		filter->width++;
	return true;
}

static enum codec_step lzw_run(
	struct unpack *unpack, const uint8_t *data, size_t n, size_t *used, size_t *bytes)
{
	struct filter *filter = &unpack->codec.stream.filter;
	size_t i;

	// A byte completes one code at most.
	for (i = 0; i < n && *bytes + LZW_CODES < UNPACK_OUT_BYTES; i++) {
		uint32_t code;

		filter->word = filter->word << 8 | data[i];
		filter->bits = (uint8_t)(filter->bits + 8);
		if (filter->bits < filter->width)
			continue;
		filter->bits = (uint8_t)(filter->bits - filter->width);
		code = filter->word >> filter->bits & ((1u << filter->width) - 1);
		*used = i + 1;
		if (code == LZW_END)
			return CODEC_END;
		if (code == LZW_CLEAR)
			lzw_clear(filter);
		else if (!lzw_code(unpack, code, bytes))
			return CODEC_BROKEN;
	}
	*used = i;
	return CODEC_MORE;
}

void filter_begin(struct unpack *unpack)
{
	struct filter *filter = &unpack->codec.stream.filter;

	memset(filter, 0, sizeof(*filter));
	lzw_clear(filter);
}

enum codec_step filter_run(
	struct unpack *unpack, const uint8_t *data, size_t n, size_t *used, size_t *bytes)
{
	switch (unpack->codec.kind) {
	case CODEC_HEX:
		return hex_run(unpack, data, n, used, bytes);
	case CODEC_BASE85:
		return base85_run(unpack, data, n, used, bytes);
	case CODEC_RUN_LENGTH:
		return run_length_run(unpack, data, n, used, bytes);
	case CODEC_LZW:
		return lzw_run(unpack, data, n, used, bytes);
	case CODEC_NONE:
	case CODEC_DEFLATE:
	case CODEC_ZLIB:
	case CODEC_BZIP2:
	case CODEC_DEFLATE64:
	case CODEC_IMPLODE:
	case CODEC_SHRINK:
	case CODEC_PREDICTOR:
	case CODEC_CRYPT:
		break;
	}
	return CODEC_BROKEN;
}
