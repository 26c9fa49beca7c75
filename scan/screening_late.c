// SPDX-License-Identifier: BSD-3-Clause
// Digests that are computed later, with those of others.
#include "scan/screening_whole.h"

#include <string.h>

// Which digests can be computed later with those of others: where the bytes are not many.
unsigned int screening_can_wait(
	const struct screening *screening, const struct screening_sets *sets, uint64_t types)
{
	const struct capture_pool *pool = screening->copy.pool;

	if (screening->is_late || pool == NULL || screening->is_cut ||
		screening->bytes > SCREENING_WAITING_BYTES ||
		pool->free_count < pool->chunks_count / 2)
		return 0;
	return screening_missing(screening, &screening->whole, sets, types);
}

void screening_wait(struct screening *screening, unsigned int wait, struct digest_stream *stream,
	uint64_t types, struct screening_late *later)
{
	const struct screening_whole *whole = &screening->whole;
	size_t count;

	if (wait == 0)
		capture_free(&screening->copy);
	if (stream != NULL)
		wait |= whole->running;
	*later = (struct screening_late){.digests = {.copy = screening->copy,
						 .stream = stream,
						 .bytes = whole->bytes - whole->held_bytes},
		.bytes = screening->bytes,
		.types = types,
		.what = screening->what,
		.hits_count = screening->hits_count};
	memcpy(later->hits, screening->hits, screening->hits_count * sizeof(later->hits[0]));
	count = screening_forms_of(whole, screening->what != SCREENING_EXACT, later->digests.forms);
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++)
		if ((wait >> i & 1) != 0)
			later->digests.wanted[i] = (uint8_t)((1u << count) - 1);
}

void screening_take(struct screenings *screenings, struct screening_late *late,
	const digest_late_values *values, struct screening_result *out)
{
	const struct digest_late *digests = &late->digests;
	struct screening *spare = screenings->spare;
	struct screening_sets sets;

	spare->owner = screenings;
	spare->what = late->what;
	spare->bytes = late->bytes;
	spare->hits_count = late->hits_count;
	memcpy(spare->hits, late->hits, late->hits_count * sizeof(late->hits[0]));
	spare->is_partial = false;
	sets = screening_sets_of(spare);
	screening_look_up_late(spare, &sets, digests, values, late->types);
	screening_settle_hits(spare, late->types);
	screening_late_drop(late);
	*out = (struct screening_result){spare->hits_count, spare->hits, spare->is_partial};
}

void screening_late_drop(struct screening_late *late)
{
	digest_late_drop(&late->digests);
}

void screenings_rest(struct screenings *screenings)
{
	if (screenings->streams.all != NULL)
		digest_streams_rest(&screenings->streams);
}
