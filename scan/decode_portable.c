// SPDX-License-Identifier: BSD-3-Clause
// The decoders' inner loops in plain C, and the tables of the alphabets.
#include "scan/decode_ops.h"

#include <string.h>

// One entry of a table for each of the 256 bytes, made by the compiler.
#define REPEAT4(entry, c, arg)                                                                     \
	entry(c, arg), entry((c) + 1u, arg), entry((c) + 2u, arg), entry((c) + 3u, arg)
#define REPEAT16(entry, c, arg)                                                                    \
	REPEAT4(entry, c, arg), REPEAT4(entry, (c) + 4u, arg), REPEAT4(entry, (c) + 8u, arg),      \
		REPEAT4(entry, (c) + 12u, arg)
#define REPEAT64(entry, c, arg)                                                                    \
	REPEAT16(entry, c, arg), REPEAT16(entry, (c) + 16u, arg), REPEAT16(entry, (c) + 32u, arg), \
		REPEAT16(entry, (c) + 48u, arg)
#define REPEAT256(entry, arg)                                                                      \
	REPEAT64(entry, 0u, arg), REPEAT64(entry, 64u, arg), REPEAT64(entry, 128u, arg),           \
		REPEAT64(entry, 192u, arg)

#define SEXTET(c, unused)                                                                          \
	((c)-65u < 26u          ? ((c)-65u) & 63u                                                  \
		: (c)-97u < 26u ? ((c)-71u) & 63u                                                  \
		: (c)-48u < 10u ? ((c) + 4u) & 63u                                                 \
		: (c) == 43u    ? 62u                                                              \
		: (c) == 47u    ? 63u                                                              \
				: DECODE_INVALID)
#define NIBBLE(c, unused)                                                                          \
	((c)-48u < 10u         ? ((c)-48u) & 15u                                                   \
		: (c)-65u < 6u ? ((c)-55u) & 15u                                                   \
		: (c)-97u < 6u ? ((c)-87u) & 15u                                                   \
			       : DECODE_INVALID)

const uint8_t decode_sextets[256] = {REPEAT256(SEXTET, 0)};
const uint8_t decode_nibbles[256] = {REPEAT256(NIBBLE, 0)};

// The sextets in their places within a quantum of 24 bits, so that decoding is four loads and an or.
#define BAD_QUANTUM (1u << 31)
#define PLACED(c, place) (SEXTET(c, 0) == DECODE_INVALID ? BAD_QUANTUM : SEXTET(c, 0) << (place))
static const uint32_t sextets_placed[4][256] = {
	{REPEAT256(PLACED, 18)},
	{REPEAT256(PLACED, 12)},
	{REPEAT256(PLACED, 6)},
	{REPEAT256(PLACED, 0)},
};

static void portable_base64_run(struct decode_run *run)
{
	const uint8_t *in = run->in;
	uint8_t *out = run->out;

	while (run->end - in >= 4) {
		uint32_t quantum = sextets_placed[0][in[0]] | sextets_placed[1][in[1]] |
				   sextets_placed[2][in[2]] | sextets_placed[3][in[3]];

		if (quantum < BAD_QUANTUM) {
			quantum = __builtin_bswap32(quantum << 8);
			memcpy(out, &quantum, sizeof(quantum));
			in += 4;
			out += 3;
		} else if (in[0] == '\r' || in[0] == '\n') {
			in++;
		} else {
			break;
		}
	}
	run->in = in;
	run->out = out;
}

// Bytes that cannot simply be copied: an escape, or blanks before who knows what.
static const uint8_t qp_is_special[256] = {['='] = 1, [' '] = 1, ['\t'] = 1};
static const uint8_t qp_is_end_space[256] = {[' '] = 1, ['\t'] = 1, ['\r'] = 1, ['\n'] = 1};

static void portable_qp_run(struct decode_run *run)
{
	const uint8_t *in = run->in;
	uint8_t *out = run->out;

	while (run->end - in >= 3) {
		if (!qp_is_special[*in]) {
			*out++ = *in++;
		} else if (*in != '=') {
			if (qp_is_end_space[in[1]])
				break;
			*out++ = *in++;
		} else if (((decode_nibbles[in[1]] | decode_nibbles[in[2]]) & DECODE_INVALID) ==
			   0) {
			*out++ = (uint8_t)(decode_nibbles[in[1]] << 4 | decode_nibbles[in[2]]);
			in += 3;
		} else if (in[1] == '\r' && in[2] == '\n') {
			in += 3;
		} else {
			break;
		}
	}
	run->in = in;
	run->out = out;
}

static const uint8_t *portable_find_lf(const uint8_t *data, size_t n)
{
	return n > 0 ? memchr(data, '\n', n) : NULL;
}

static const uint8_t is_line_control[256] = {['\0'] = 1, ['\r'] = 1, ['\n'] = 1};

static const uint8_t *portable_find_line_control(const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (is_line_control[data[i]])
			return data + i;
	}
	return NULL;
}

static const uint8_t *portable_find_line_with(const uint8_t *data, size_t n, uint8_t first)
{
	const uint8_t *at = data;
	const uint8_t *end = data + n;

	while (n > 1 && (at = portable_find_lf(at, (size_t)(end - at))) != NULL) {
		at++;
		if (at < end && *at == first)
			return at;
	}
	return NULL;
}

const struct decode_ops decode_ops_portable = {
	.name = "portable",
	.base64_run = portable_base64_run,
	.qp_run = portable_qp_run,
	.find_lf = portable_find_lf,
	.find_line_control = portable_find_line_control,
	.find_line_with = portable_find_line_with,
};
