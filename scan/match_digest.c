// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match_digest.h"

#include "scan/digest_lanes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_BITS_LOG 20

static uint64_t size_bit(uint64_t bytes)
{
	return bytes % (UINT64_C(1) << SIZE_BITS_LOG);
}

static int note_sizes(struct match_digester *digester, unsigned int algorithm)
{
	const struct ruleset *ruleset = digester->ruleset;
	uint64_t *sizes = calloc((1u << SIZE_BITS_LOG) / 64, sizeof(*sizes));

	if (sizes == NULL)
		return -ENOMEM;
	for (; ruleset != NULL; ruleset = ruleset->delta) {
		const struct hashset *hashes = &ruleset->hashes[algorithm];

		for (uint32_t i = 0; i < hashes->entries_count; i++) {
			uint64_t bit = size_bit(hashes->entries[i].bytes);

			sizes[bit / 64] |= UINT64_C(1) << (bit % 64);
		}
		if (hashes->max_bytes > digester->max_bytes[algorithm])
			digester->max_bytes[algorithm] = hashes->max_bytes;
	}
	digester->sizes[algorithm] = sizes;
	return 0;
}

// Whether there are entries of this algorithm, and of any size.
static bool has_entries(const struct ruleset *ruleset, unsigned int algorithm, bool *any)
{
	bool has = false;

	*any = false;
	for (; ruleset != NULL; ruleset = ruleset->delta) {
		has = has || ruleset->hashes[algorithm].entries_count > 0;
		*any = *any || ruleset->hashes[algorithm].any;
	}
	return has;
}

int match_digester_init(struct match_digester *digester, const struct ruleset *ruleset,
	unsigned int wanted, uint32_t objects)
{
	*digester = (struct match_digester){.ruleset = ruleset, .asked = wanted};
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		bool any;

		if (!has_entries(ruleset, i, &any))
			continue;
		digester->listed |= 1u << i;
		if (any) {
			digester->any |= 1u << i;
			continue;
		}
		digester->late |= 1u << i;
		if (note_sizes(digester, i) != 0)
			return -ENOMEM;
	}
	if ((digester->any | digester->asked) == 0)
		return 0;
	return digest_streams_init(&digester->streams, objects + DIGEST_LATES);
}

void match_digester_fini(struct match_digester *digester)
{
	digest_streams_fini(&digester->streams);
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++)
		free(digester->sizes[i]);
}

void match_digest_begin(
	struct match_digester *digester, struct match_digesting *state, enum match_digest_use use)
{
	unsigned int running = 0;

	if (use != MATCH_DIGEST_NONE)
		running = digester->any;
	if (use == MATCH_DIGEST_TOLD)
		running |= digester->asked;
	state->running = running != 0 ? digest_stream_begin(&digester->streams, running) : NULL;
	state->may_be_late = use != MATCH_DIGEST_NONE ? digester->late & ~running : 0;
	state->is_late = false;
	state->bytes = 0;
}

static void feed_copy(struct digest *digest, const struct capture *copy)
{
	const uint8_t *data = NULL;
	size_t n;

	for (uint64_t at = 0; (n = capture_piece(copy, at, &data)) > 0; at += n)
		digest_feed(digest, data, n);
}

// What no entry can be of any more is given up.
static void drop_outgrown(const struct match_digester *digester, struct match_digesting *state)
{
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++)
		if ((state->late.running >> i & 1) != 0 && state->bytes > digester->max_bytes[i])
			digest_drop(&state->late, (enum digest_algorithm)i);
}

void match_digest_feed(const struct match_digester *digester, struct match_digesting *state,
	const struct capture *copy, const uint8_t *data, size_t n, size_t kept)
{
	if (state->running != NULL)
		digest_stream_feed(state->running, data, n);
	state->bytes += n;
	if (state->may_be_late == 0)
		return;
	if (!state->is_late) {
		if (kept == n && state->bytes <= MATCH_DIGEST_LATE_BYTES)
			return;
		state->is_late = true;
		digest_begin(&state->late, state->may_be_late);
		drop_outgrown(digester, state);
		feed_copy(&state->late, copy);
		data += kept;
		n -= kept;
	}
	drop_outgrown(digester, state);
	digest_feed(&state->late, data, n);
}

// Whether some entry has this size.
static bool has_size(const struct match_digester *digester, const struct match_digesting *state,
	enum digest_algorithm algorithm, uint64_t bytes)
{
	const uint64_t *sizes = digester->sizes[algorithm];
	uint64_t bit = size_bit(bytes);

	return (state->may_be_late >> algorithm & 1) != 0 &&
	       (sizes[bit / 64] >> (bit % 64) & 1) != 0;
}

bool match_digest_end(const struct match_digester *digester, struct match_digesting *state,
	enum digest_algorithm algorithm, uint8_t *out)
{
	return state->is_late && has_size(digester, state, algorithm, state->bytes) &&
	       digest_end(&state->late, algorithm, out);
}

bool match_digest_end_more(const struct match_digester *digester,
	const struct match_digesting *state, enum digest_algorithm algorithm, const char *more,
	uint8_t *out)
{
	const size_t n = strlen(more);
	struct digest digest;

	if (!state->is_late || !has_size(digester, state, algorithm, state->bytes + n))
		return false;
	digest = state->late;
	digest.running &= 1u << algorithm;
	digest_feed(&digest, (const uint8_t *)more, n);
	return digest_end(&digest, algorithm, out);
}

bool match_digest_is_left(const struct match_digester *digester,
	const struct match_digesting *state, enum digest_algorithm algorithm, size_t more)
{
	// What it does not have is only looked up.
	if (state->running != NULL && (state->running->running >> algorithm & 1) != 0)
		return more == 0 || (digester->listed >> algorithm & 1) != 0;
	return !state->is_late && has_size(digester, state, algorithm, state->bytes + more);
}

void match_digest_drop(struct match_digesting *state)
{
	digest_stream_free(state->running);
	state->running = NULL;
}
