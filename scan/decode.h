// SPDX-License-Identifier: BSD-3-Clause
// Streaming decoders of transfer encodings, and the searches over lines that MIME needs.
//
// Each decoder takes input in any chunks and gives the same output; its state is a small struct in
// the caller's memory, all zero to begin with. None allocates. The fast paths are chosen once at
// start-up by what the processor has (AVX-512 VBMI, AVX2, portable); all give identical output.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What was wrong with the input, or'ed into state.flags; the output is the best reading all the same.
#define DECODE_JUNK 1u       // bytes outside the alphabet, skipped
#define DECODE_TRUNCATED 2u  // ended inside a quantum
#define DECODE_AFTER_PAD 4u  // data after padding; decoding went on with a new quantum
#define DECODE_BAD_ESCAPE 8u // "=" and no hex digits: passed through as it stands
#define DECODE_REALIGNED                                                                           \
	16u // data after padding that completed a quantum: who passes over padding decodes other bytes

// RFC 2045 section 6.8. State between chunks: up to 3 sextets.
struct base64_state {
	uint32_t bits;
	uint8_t sextets; // 0..3 pending
	uint8_t padded;  // "=" seen in this quantum
	uint8_t flags;
	bool resumed;     // the last call was the one that set DECODE_AFTER_PAD
	bool realigned;   // it was the one that set DECODE_REALIGNED
	bool passes_pads; // set by the caller: "=" is junk anywhere
	uint8_t cut_sextets; // what the quantum held that padding completed, up to the first with data behind: 2 or 3
	uint32_t cut_bits;
	size_t resumed_at; // resumed, realigned: so much of its output stands before that
	size_t realigned_at;
	size_t realigned_in; // and so much of its input, to the first byte of data behind padding
};

// Decodes n bytes of in to out. out needs room for n / 4 * 3 + 3 bytes, plus DECODE_SLACK bytes that
// vector stores may overwrite. Returns bytes written.
#define DECODE_SLACK 64
size_t base64_decode(struct base64_state *state, const uint8_t *in, size_t n, uint8_t *out);
size_t base64_end(struct base64_state *state, uint8_t *out); // at most 3 bytes

// RFC 2045 section 6.7: "=HH", soft line breaks, trailing blanks before a line break dropped.
struct qp_state {
	uint8_t pending[8]; // "=", "=H", "=\r": an escape cut by the end of a chunk
	uint8_t pending_bytes;
	uint8_t flags;
	uint32_t blanks_bytes; // blanks held back until what follows is known; see decode.c
	uint8_t blanks[64];
};

// out needs room for n + sizeof(state->blanks) + 8 + DECODE_SLACK bytes.
size_t qp_decode(struct qp_state *state, const uint8_t *in, size_t n, uint8_t *out);
size_t qp_end(struct qp_state *state, uint8_t *out);

// POSIX uuencode, one line at a time without its line end (line must be complete, at most 1+84 bytes
// are meaningful). Returns bytes written to out (at most 63), or 0 for a line that holds no data.
size_t uu_decode_line(const uint8_t *line, size_t n, uint8_t *out);

// First '\n' at or after data, or NULL. Vectorised; never reads outside [data, data + n).
const uint8_t *find_lf(const uint8_t *data, size_t n);
// First position where a '\r', '\n' or NUL stands in [data, data + n), or NULL.
const uint8_t *find_line_control(const uint8_t *data, size_t n);
// First such byte, which is no NUL, that stands behind an '\n' in [data, data + n), or NULL.
const uint8_t *find_line_with(const uint8_t *data, size_t n, uint8_t first);
