// SPDX-License-Identifier: BSD-3-Clause
// Deflate (RFC 1951) in pieces: bytes in, bytes out, in a window that is all the memory there is. Shared by
// scan/unpack*.c alone.
//
// What comes out stays where it was made, in a window that goes round: distances reach into it, the next
// call goes on behind it, nothing is copied. Of whatever came in everything comes out that can be told from
// it; what is taken for an error, and how many bytes were read when it is found, is as in zlib (its
// inflate() is what tests compare with).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Further back than a distance can reach, and more by what one call gives at most.
#define INFLATE_WINDOW_BYTES 49152u
#define INFLATE_REACH_BYTES 32768u
#define INFLATE_OUT_BYTES 16384u

// Codes of up to so many bits are found in one step. A table's room is for the worst code (zlib's enough.c
// reckons it): 288 symbols by 11 bits, 32 by 8.
#define INFLATE_LITERAL_BITS 11u
#define INFLATE_DISTANCE_BITS 8u
#define INFLATE_LENGTH_BITS 7u
#define INFLATE_LITERAL_ROOM 2342u
#define INFLATE_DISTANCE_ROOM 402u
#define INFLATE_MOST_LITERALS 288u
#define INFLATE_MOST_DISTANCES 32u

// The inner loop is for so much input at least, and goes so near to its end; of output it may make less than so
// many bytes past the limit, and write as many there.
#define INFLATE_FAST_IN 24u
#define INFLATE_FAST_OUT 320u
// With less than so much input nothing is left to it.
#define INFLATE_TAIL_IN 10u

// An entry of a table, lowest bits first: 8 bits, how many the code takes with its extra bits; 4, see below; flags;
// 16 of these:
//
//   a literal    INFLATE_LITERAL, and 8 bits of it
//   a length     6 bits, how many the code takes without the extra ones; 9, to which these are added
//   a distance   15 bits, to which the extra ones are added
//   else         INFLATE_ODD; of a code that is longer than the table goes where the table for it begins
//
// The 4 bits say by how many the table goes that is looked at next, so that one instruction makes the place in it
// of these and the first 8; of a distance, how many the code takes without the extra ones.
#define INFLATE_LITERAL 0x80000000u
#define INFLATE_ODD 0x8000u // one of these, or an error:
#define INFLATE_LONGER 0x4000u
#define INFLATE_END 0x2000u
#define INFLATE_NEXT_AT 8
#define INFLATE_OWN_AT 8 // of a distance
#define INFLATE_VALUE_AT 16
#define INFLATE_LENGTH_OWN_AT 16
#define INFLATE_LENGTH_AT 22

enum inflate_code { INFLATE_LITERALS, INFLATE_DISTANCES, INFLATE_LENGTHS };

enum inflate_state {
	INFLATE_BLOCK,
	INFLATE_STORED_HEAD,
	INFLATE_STORED,
	INFLATE_COUNTS,
	INFLATE_ORDER,
	INFLATE_CODES,
	INFLATE_SYMBOLS,
	INFLATE_OVER,
	INFLATE_BROKEN,
};

struct inflate;
struct inflate_run;

enum inflate_edge {
	INFLATE_EDGE_NEAR,  // too near to the end of the input or of the room
	INFLATE_EDGE_BLOCK, // of the block
	INFLATE_EDGE_ERROR,
};

// Symbols of a block, up to an edge.
typedef enum inflate_edge (*inflate_symbols_fn)(struct inflate *inflate, struct inflate_run *run);

struct inflate {
	inflate_symbols_fn symbols; // the variant that is used
	uint64_t bits; // that were read and are not used, the next one lowest; zeros above them
	uint32_t count;
	enum inflate_state state;
	bool is_last;    // block
	bool is_fixed;   // the tables are those of the fixed codes
	bool is_wrapped; // the window was full once
	uint32_t at;     // in the window, of the next byte
	uint32_t left;   // bytes of a stored block, or of a match that did not fit
	uint32_t distance;
	uint32_t literals; // codes of a block
	uint32_t distances;
	uint32_t orders;
	uint32_t have; // lengths of these
	uint32_t literal_bits;
	uint32_t distance_bits;
	uint8_t lengths[INFLATE_MOST_LITERALS + INFLATE_MOST_DISTANCES];
	uint32_t literal_table[INFLATE_LITERAL_ROOM];
	uint32_t distance_table[INFLATE_DISTANCE_ROOM]; // before: of the codes' lengths
	uint8_t window[INFLATE_WINDOW_BYTES + INFLATE_FAST_OUT];
};

enum inflate_result {
	INFLATE_MORE, // all input was used, or there was no room for more output
	INFLATE_DONE,
	INFLATE_ERROR,
};

// What is in and out of a call.
struct inflate_run {
	const uint8_t *in;
	const uint8_t *end;
	uint8_t *out;
	uint8_t *limit;
};

void inflate_begin(struct inflate *inflate);
// Takes up to n bytes of data; *used is how many, *out and *bytes what came of them, valid until the next call.
// Where *is_full says so, more may come without more input.
struct inflate_output {
	size_t used;
	const uint8_t *data;
	size_t bytes;
	bool is_full;
};
enum inflate_result inflate_feed(
	struct inflate *inflate, const uint8_t *data, size_t n, struct inflate_output *output);

// unpack_inflate_table.c
// The table of a code, given the lengths of its symbols' codes, to table; *bits is by how many bits it goes.
// distance_bits: of literals by how many that of distances goes, which is made before.
// False where there is no such code, as zlib has it.
bool inflate_make(uint32_t *table, uint32_t *bits, enum inflate_code code, const uint8_t *lengths,
	uint32_t symbols, uint32_t distance_bits);

// unpack_inflate_fast.c, and _avx2
enum inflate_edge inflate_symbols_portable(struct inflate *inflate, struct inflate_run *run);
enum inflate_edge inflate_symbols_avx2(struct inflate *inflate, struct inflate_run *run);
// Variant number i that this processor can run, the slowest first; NULL past the last.
inflate_symbols_fn inflate_variant(size_t i);
