// SPDX-License-Identifier: BSD-3-Clause
// SHA-256 of several captures at once (FIPS 180-4). The processor's instructions for it wait for each other
// within one message: two messages take hardly longer than one.
#pragma once

#include "scan/capture.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_LANES 2
#define SHA256_BLOCK_BYTES 64
#define SHA256_WORDS 8

struct sha256_job {
	const struct capture *copy; // nothing of it was dropped
	uint8_t *digest;            // 32 bytes
};

// Whether this processor gains by it. Without, the crypto library computes one after the other.
bool sha256_lanes_win(void);
void sha256_lanes(const struct sha256_job *jobs, size_t count);

// So many blocks of one message or two; only where the processor has the instructions.
void sha256_blocks_shani(
	uint32_t (*states)[SHA256_WORDS], const uint8_t *const *data, size_t blocks, size_t lanes);
