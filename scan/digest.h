// SPDX-License-Identifier: BSD-3-Clause
// Running MD5, SHA-1 and SHA-256 of one object, any of them at once.
//
// Contexts are made beforehand and used again for the next object: nothing is allocated between
// digest_begin and digest_end.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum digest_algorithm { DIGEST_INDEX_MD5, DIGEST_INDEX_SHA1, DIGEST_INDEX_SHA256 };
#define DIGEST_ALGORITHMS 3
#define DIGEST_MAX_BYTES 32

// The algorithms as the crypto library gives them: one for a thread, shared by its digests.
struct digest_library {
	struct evp_md_st *algorithms[DIGEST_ALGORITHMS];
};

struct digest {
	struct evp_md_ctx_st *contexts[DIGEST_ALGORITHMS];
	unsigned int running; // bits 1 << algorithm; bit values are DIGEST_MD5, ... of scan.h
};

// Bytes of a digest of this algorithm.
size_t digest_bytes(enum digest_algorithm algorithm);

// Returns 0 or -ENOMEM. Whoever opened the library or made the digest closes and frees it, also
// after a failure.
int digest_library_open(struct digest_library *library);
void digest_library_close(struct digest_library *library);
// algorithms: those that may be asked for later.
int digest_init(
	struct digest *digest, const struct digest_library *library, unsigned int algorithms);
void digest_fini(struct digest *digest);

// Starts the algorithms, of those that digest_init was given. Returns 0 or -EIO.
int digest_begin(struct digest *digest, unsigned int algorithms);
int digest_feed(struct digest *digest, const uint8_t *data, size_t n);
// Gives one up.
void digest_drop(struct digest *digest, enum digest_algorithm algorithm);
// Writes the digest, padded with zeros to DIGEST_MAX_BYTES. Returns false when it does not run.
bool digest_end(struct digest *digest, enum digest_algorithm algorithm, uint8_t *out);
