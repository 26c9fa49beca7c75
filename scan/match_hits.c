// SPDX-License-Identifier: BSD-3-Clause
// The signatures that hit one object.
#include "scan/match_track.h"

#include <stdbool.h>
#include <string.h>

void track_hit(struct track_hits *hits, uint32_t signature)
{
	uint32_t at = hits->count;

	if (ruleset_is_removed(hits->removed, signature))
		return;
	while (at > 0 && hits->signatures[at - 1] > signature)
		at--;
	if (at > 0 && hits->signatures[at - 1] == signature)
		return;
	if (hits->count == TRACK_MAX_HITS)
		hits->more = true;
	if (at == TRACK_MAX_HITS)
		return;
	if (hits->count == TRACK_MAX_HITS)
		hits->count--;
	memmove(&hits->signatures[at + 1], &hits->signatures[at],
		(hits->count - at) * sizeof(hits->signatures[0]));
	hits->signatures[at] = signature;
	hits->count++;
}

bool track_digest(
	struct track_hits *hits, const struct hashset *set, const uint8_t *digest, uint64_t bytes)
{
	uint32_t values[TRACK_MAX_HITS];
	size_t count = hashset_find(set, digest, bytes, values, TRACK_MAX_HITS);
	bool is_allowed = false;

	for (size_t i = 0; i < count; i++) {
		if (values[i] == HASHSET_ALLOWED)
			is_allowed = true;
		else
			track_hit(hits, values[i]);
	}
	return is_allowed;
}
