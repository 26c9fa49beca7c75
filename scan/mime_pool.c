// SPDX-License-Identifier: BSD-3-Clause
// What few messages need, and then much of it: room for a long header field, for parsers inside the first
// one, and for other readings of a leaf.
#include "scan/mime_state.h"

// Of so many parsers one may have it at the same time.
static const uint32_t shares[MIME_SPARES] = {
	[MIME_SPARE_FIELD] = 16,
	[MIME_SPARE_INNER] = 16,
	[MIME_SPARE_ALTS] = 4,
};

struct mime_spare {
	struct mime_spare *next;
};

struct mime_pool {
	struct mime_spare *free[MIME_SPARES];
	size_t bytes[MIME_SPARES]; // of one
	// Those from here on were never used: their memory is not there yet.
	uint8_t *next[MIME_SPARES];
	uint32_t left[MIME_SPARES];
};

static uint32_t spares_count(enum mime_spare_kind kind, uint32_t parsers)
{
	return parsers / shares[kind] + 2;
}

static size_t header_bytes(void)
{
	return mime_rounded(sizeof(struct mime_pool));
}

size_t mime_pool_bytes(const struct mime_limits *limits, uint32_t parsers)
{
	size_t bytes = header_bytes();

	for (unsigned int i = 0; i < MIME_SPARES; i++)
		bytes += spares_count((enum mime_spare_kind)i, parsers) *
			 mime_spare_bytes((enum mime_spare_kind)i, limits);
	return bytes;
}

size_t mime_pool_share(const struct mime_limits *limits)
{
	size_t bytes = 0;

	for (unsigned int i = 0; i < MIME_SPARES; i++)
		bytes += mime_spare_bytes((enum mime_spare_kind)i, limits) / shares[i];
	return bytes;
}

static void put(struct mime_pool *pool, enum mime_spare_kind kind, void *memory)
{
	struct mime_spare *spare = memory;

	spare->next = pool->free[kind];
	pool->free[kind] = spare;
}

static void *take(struct mime_pool *pool, enum mime_spare_kind kind)
{
	struct mime_spare *spare = pool->free[kind];
	uint8_t *next = pool->next[kind];

	if (spare != NULL) {
		pool->free[kind] = spare->next;
		return spare;
	}
	if (pool->left[kind] == 0)
		return NULL;
	pool->left[kind]--;
	pool->next[kind] += pool->bytes[kind];
	return next;
}

struct mime_pool *mime_pool_init(void *memory, const struct mime_limits *limits, uint32_t parsers)
{
	struct mime_pool *pool = memory;
	uint8_t *next = (uint8_t *)memory + header_bytes();

	for (unsigned int i = 0; i < MIME_SPARES; i++) {
		const enum mime_spare_kind kind = (enum mime_spare_kind)i;

		pool->free[kind] = NULL;
		pool->bytes[kind] = mime_spare_bytes(kind, limits);
		pool->next[kind] = next;
		pool->left[kind] = spares_count(kind, parsers);
		next += pool->left[kind] * pool->bytes[kind];
	}
	return pool;
}

void *mime_spare_get(struct mime *mime, enum mime_spare_kind kind)
{
	void *spare = mime->shared != NULL ? take(mime->shared, kind) : NULL;

	if (spare != NULL)
		mime->spares[kind] = spare;
	return spare;
}

void mime_fini(struct mime *mime)
{
	for (unsigned int i = 0; i < MIME_SPARES; i++) {
		if (mime->spares[i] != NULL)
			put(mime->shared, (enum mime_spare_kind)i, mime->spares[i]);
		mime->spares[i] = NULL;
	}
}
