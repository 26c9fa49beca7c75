// SPDX-License-Identifier: BSD-3-Clause
// The parts of the decoders that exist in several variants, one for each kind of processor. Private to
// scan/ and its tests: everybody else calls decode.h.
//
// A variant only speeds up what is plain: it may stop wherever it likes, and the exact code in
// decode.c goes on from there. So all variants give the same output by construction.
#pragma once

#include "scan/decode.h"

#include <stddef.h>
#include <stdint.h>

// Where a variant reads and writes. It may store up to DECODE_SLACK bytes past out.
struct decode_run {
	const uint8_t *in;
	const uint8_t *end;
	uint8_t *out;
};

struct decode_ops {
	const char *name;
	// From between two quanta: whole quanta and the blanks and line breaks around them. Stops before
	// anything else.
	void (*base64_run)(struct decode_run *run);
	// From a place where nothing is held back: what needs no look beyond [in, end). Never ends inside
	// an escape, nor with blanks written whose fate is open.
	void (*qp_run)(struct decode_run *run);
	const uint8_t *(*find_lf)(const uint8_t *data, size_t n);
	const uint8_t *(*find_line_control)(const uint8_t *data, size_t n);
	const uint8_t *(*find_line_with)(const uint8_t *data, size_t n, uint8_t first);
};

// What all variants have in common: values of the two alphabets, or DECODE_INVALID.
#define DECODE_INVALID 0x80u
extern const uint8_t decode_sextets[256];
extern const uint8_t decode_nibbles[256];

extern const struct decode_ops decode_ops_portable;
extern const struct decode_ops decode_ops_avx2;
extern const struct decode_ops decode_ops_avx512;

// Variant number i that this processor can run, the slowest first; NULL past the last.
const struct decode_ops *decode_variant(size_t i);

size_t base64_decode_with(const struct decode_ops *ops, struct base64_state *state,
	const uint8_t *in, size_t n, uint8_t *out);
size_t qp_decode_with(const struct decode_ops *ops, struct qp_state *state, const uint8_t *in,
	size_t n, uint8_t *out);
