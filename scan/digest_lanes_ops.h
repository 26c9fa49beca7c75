// SPDX-License-Identifier: BSD-3-Clause
// The part of digests in lanes that exists in several variants, one for each kind of processor. Private to
// scan/ and its tests.
#pragma once

#include "scan/digest_lanes.h"

#define DIGEST_BLOCK_BYTES 64
#define DIGEST_WORDS 8
#define DIGEST_COLUMNS 32 // MD5 takes two vectors of these side by side

// So many blocks of each of some messages, whose states these are: a row for each word of the state, a column
// for each message. data moves on. Columns behind the last message may be overwritten.
typedef void (*digest_blocks_fn)(
	uint32_t (*states)[DIGEST_COLUMNS], const uint8_t **data, size_t blocks, size_t count);

// What a variant can do: least to most messages at once.
struct digest_blocks {
	digest_blocks_fn run; // NULL: it is none
	uint8_t least;
	uint8_t most;
};

// What a processor has to have.
#define DIGEST_NEEDS_SHANI 1u
#define DIGEST_NEEDS_AVX2 2u
#define DIGEST_NEEDS_AVX512 4u
// Two messages by the processor's own instructions for SHA-256 are faster than 16 in vectors.
#define DIGEST_NEEDS_FAST_SHANI 8u

// The one that takes vectors and gains by it from some number of messages on, and the one for fewer.
struct digest_lanes_ops {
	const char *name;
	unsigned int needs;
	struct digest_blocks wide[DIGEST_ALGORITHMS];
	struct digest_blocks few[DIGEST_ALGORITHMS];
};

// Variant number i that this processor can run, the slowest first; NULL past the last.
const struct digest_lanes_ops *digest_lanes_variant(size_t i);
void digest_lanes_with(const struct digest_lanes_ops *ops, enum digest_algorithm algorithm,
	const struct digest_job *jobs, size_t count);

// ---- kernels -------------------------------------------------------------------------------------

// FIPS 180-4 section 4.2.2, RFC 1321 section 3.4.
extern const uint32_t digest_sha256_constants[64];
extern const uint32_t digest_md5_constants[64];

#define DIGEST_KERNEL(name)                                                                        \
	void name(uint32_t(*states)[DIGEST_COLUMNS], const uint8_t **data, size_t blocks,          \
		size_t count)

DIGEST_KERNEL(digest_md5_few);
DIGEST_KERNEL(digest_sha1_shani);
DIGEST_KERNEL(digest_sha256_shani);
DIGEST_KERNEL(digest_md5_avx2);
DIGEST_KERNEL(digest_sha1_avx2);
DIGEST_KERNEL(digest_sha256_avx2);
DIGEST_KERNEL(digest_md5_avx512);
DIGEST_KERNEL(digest_sha1_avx512);
DIGEST_KERNEL(digest_sha256_avx512);
