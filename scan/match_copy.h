// SPDX-License-Identifier: BSD-3-Clause
// A copy of an object, for what cannot be decided while its bytes pass: regular expressions and
// comparisons of bytes, which run when the object has ended and only if the rest of their rule asks
// for them. They see the first MATCH_COPY_BYTES in one piece; deferred patterns see all that is kept.
#pragma once

#include "scan/capture.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MATCH_COPY_BYTES (2u << 20)
#define MATCH_COPY_LIMIT (32u << 20) // of one object
#define MATCH_COPY_CHUNK 16384
// Beside each: the bytes are searched where they are kept (match_stage.h).
#define MATCH_COPY_MARGIN 1024

struct match_copy_pool {
	struct capture_pool chunks;
	uint8_t *joined; // where a copy of several chunks is joined
};

struct match_copy {
	struct match_copy_pool *pool; // NULL: nothing is kept
	struct capture capture;
	size_t bytes;   // that can be had in one piece
	bool truncated; // the object had more
};

// Returns 0 or -ENOMEM.
int match_copy_pool_init(struct match_copy_pool *pool, uint32_t objects);
void match_copy_pool_fini(struct match_copy_pool *pool);

void match_copy_begin(struct match_copy *copy, struct match_copy_pool *pool);
// So many of the next bytes were written into the capture's room, or are not kept.
void match_copy_keep(struct match_copy *copy, size_t n);
void match_copy_miss(struct match_copy *copy);
// The first bytes in one piece, valid until the next call for another object.
const uint8_t *match_copy_join(const struct match_copy *copy);
void match_copy_release(struct match_copy *copy);
