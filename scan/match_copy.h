// SPDX-License-Identifier: BSD-3-Clause
// A copy of the first bytes of an object, for what cannot be decided while they pass: regular
// expressions and comparisons of bytes, which run when the object has ended and only if the rest of
// their rule asks for them. At most MATCH_COPY_BYTES are kept, in blocks from a pool.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MATCH_COPY_BYTES (2u << 20)
#define MATCH_COPY_BLOCK 16384

struct match_copy_block {
	struct match_copy_block *next;
	uint8_t data[MATCH_COPY_BLOCK];
};

struct match_copy_pool {
	struct match_copy_block *free_blocks;
	void *memory;
	uint8_t *joined; // where a copy of several blocks is joined
};

struct match_copy {
	struct match_copy_pool *pool; // NULL: nothing is kept
	struct match_copy_block *first;
	struct match_copy_block *last;
	size_t bytes;
	bool truncated; // the object had more
};

// Returns 0 or -ENOMEM.
int match_copy_pool_init(struct match_copy_pool *pool, uint32_t objects);
void match_copy_pool_fini(struct match_copy_pool *pool);

void match_copy_begin(struct match_copy *copy, struct match_copy_pool *pool);
void match_copy_feed(struct match_copy *copy, const uint8_t *data, size_t n);
// All of it in one piece, valid until the next call for another object.
const uint8_t *match_copy_join(const struct match_copy *copy);
void match_copy_release(struct match_copy *copy);
