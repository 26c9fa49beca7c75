// SPDX-License-Identifier: BSD-3-Clause
// Running MD5, SHA-1 and SHA-256 of one object, any of them at once. Nothing is allocated: the state
// lies in the caller's memory.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum digest_algorithm { DIGEST_INDEX_MD5, DIGEST_INDEX_SHA1, DIGEST_INDEX_SHA256 };
#define DIGEST_ALGORITHMS 3
#define DIGEST_MAX_BYTES 32

struct digest {
	unsigned int running;                     // bits 1 << algorithm: DIGEST_MD5, ... of scan.h
	uint64_t contexts[DIGEST_ALGORITHMS][14]; // the crypto library's
};

// Bytes of a digest of this algorithm.
size_t digest_bytes(enum digest_algorithm algorithm);

void digest_begin(struct digest *digest, unsigned int algorithms);
void digest_feed(struct digest *digest, const uint8_t *data, size_t n);
// Gives one up.
void digest_drop(struct digest *digest, enum digest_algorithm algorithm);
// Writes the digest, padded with zeros to DIGEST_MAX_BYTES. Returns false when it does not run.
bool digest_end(struct digest *digest, enum digest_algorithm algorithm, uint8_t *out);
