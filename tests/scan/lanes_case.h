// SPDX-License-Identifier: BSD-3-Clause
// Captures of random bytes, and the crypto library's digest of them: for tests of digests in lanes.
#pragma once

#include "scan/capture.h"
#include "scan/digest.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <stdint.h>

#define LANES_CHUNK_BYTES 256
#define LANES_CHUNKS 64
#define LANES_MAX_BYTES 1500
#define LANES_ROUNDS 3000
#define LANES_JOBS 7

static inline void lanes_fill(struct random *random, struct capture *copy, size_t n)
{
	uint8_t data[LANES_MAX_BYTES];

	for (size_t i = 0; i < n; i++)
		data[i] = (uint8_t)random_below(random, 256);
	assert_int_equal(capture_append(copy, data, n), n);
}

static inline void lanes_expect(
	const struct capture *copy, enum digest_algorithm algorithm, const uint8_t *digest)
{
	uint8_t wanted[DIGEST_MAX_BYTES];
	uint8_t data[LANES_MAX_BYTES];
	struct digest state;

	digest_begin(&state, 1u << algorithm);
	digest_feed(&state, data, capture_read(copy, 0, data, sizeof(data)));
	assert_true(digest_end(&state, algorithm, wanted));
	assert_memory_equal(digest, wanted, digest_bytes(algorithm));
}
