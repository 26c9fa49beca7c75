// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match_deferred.h"

#include "scan/match_object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// All runs over one object look at so many bytes at most.
#define MAX_RUN_BYTES (UINT64_C(512) << 20)

struct match_deferral {
	const struct ruleset *ruleset;
	hs_scratch_t *scratch;
	void *stream_memory;
	struct track_events *events;
	uint32_t *stamps; // of each deferred atom: the object that it was last run over
	uint32_t stamp;
	uint64_t bytes_left;
};

// What is looked at, told from the object's start.
struct run {
	const struct ruleset_deferred *deferred;
	struct match_sighting sighting;
	uint64_t from;
	uint64_t to; // what lies behind it is not
};

int match_deferral_new(const struct ruleset *ruleset, struct match_deferral **out)
{
	struct match_deferral *deferral = calloc(1, sizeof(*deferral));

	if (deferral == NULL)
		return -ENOMEM;
	deferral->ruleset = ruleset;
	deferral->stamps = calloc((size_t)ruleset->deferred_count + 1, sizeof(uint32_t));
	deferral->events = calloc(1, sizeof(*deferral->events));
	deferral->stream_memory = aligned_alloc(MATCH_CACHE_LINE,
		match_round_up(ruleset->deferred_stream_bytes) + MATCH_CACHE_LINE);
	for (uint32_t i = 0; i < ruleset->deferred_count; i++) {
		if (hs_alloc_scratch(ruleset_deferred_db(ruleset, &ruleset->deferred[i]),
			    &deferral->scratch) != HS_SUCCESS) {
			match_deferral_free(deferral);
			return -ENOMEM;
		}
	}
	if (deferral->stamps == NULL || deferral->events == NULL ||
		deferral->stream_memory == NULL) {
		match_deferral_free(deferral);
		return -ENOMEM;
	}
	*out = deferral;
	return 0;
}

void match_deferral_free(struct match_deferral *deferral)
{
	if (deferral == NULL)
		return;
	(void)hs_free_scratch(deferral->scratch);
	free(deferral->stream_memory);
	free(deferral->events);
	free(deferral->stamps);
	free(deferral);
}

void match_deferral_begin(struct match_deferral *deferral)
{
	deferral->bytes_left = MAX_RUN_BYTES;
	if (++deferral->stamp != 0)
		return;
	memset(deferral->stamps, 0, deferral->ruleset->deferred_count * sizeof(uint32_t));
	deferral->stamp = 1;
}

bool match_deferral_is_open(
	const struct match_deferral *deferral, const struct track *track, uint32_t atom)
{
	const struct ruleset *ruleset = deferral->ruleset;
	uint32_t number = ruleset->atoms[atom].deferred;

	if (number == RULESET_NONE || deferral->stamps[number] == deferral->stamp)
		return false;
	return ruleset->deferred[number].reach == 0 || track_find_atom(track, atom) != NULL;
}

static int on_match(unsigned int id, unsigned long long from, unsigned long long to,
	unsigned int flags, void *ctx)
{
	const struct run *run = ctx;

	(void)from;
	(void)flags;
	if (id < run->deferred->expressions_count)
		match_take(&run->sighting, run->deferred->expression + id, run->from + to);
	return 0;
}

// The part of the object that can have it.
static void set_range(struct run *run, const struct match_facts *facts, uint32_t atom)
{
	const struct track_entry *entry = track_find_atom(run->sighting.track, atom);
	const uint64_t kept = facts->copy->capture.bytes;
	const uint64_t reach = run->deferred->reach;

	run->from = 0;
	run->to = kept > facts->from ? kept - facts->from : 0;
	if (reach == 0 || reach == RULESET_NONE || entry == NULL || entry->count > 0)
		return;
	if (entry->of.atom.last + reach < run->to)
		run->to = entry->of.atom.last + reach;
	if (entry->of.atom.begin > reach)
		run->from = entry->of.atom.begin - reach;
	if (run->from > run->to)
		run->from = run->to;
}

// Returns false when Hyperscan failed.
static bool run_stream(struct match_deferral *deferral, const struct run *run,
	const struct match_facts *facts, hs_stream_t *stream)
{
	const struct capture *capture = &facts->copy->capture;
	const uint64_t end = facts->from + run->to;
	const bool is_cut = capture->is_full || end < capture->bytes;
	const uint8_t *data = NULL;
	bool sound = true;
	size_t n;

	for (uint64_t at = facts->from + run->from;
		sound && at < end && (n = capture_piece(capture, at, &data)) > 0; at += n) {
		n = n < end - at ? n : (size_t)(end - at);
		sound = hs_scan_stream(stream, (const char *)data, (unsigned int)n, 0,
				deferral->scratch, on_match, (void *)(uintptr_t)run) == HS_SUCCESS;
		track_follow(run->sighting.track, deferral->events);
	}
	// What is cut off has no end.
	sound = hs_close_stream(stream, deferral->scratch, is_cut ? NULL : on_match,
			(void *)(uintptr_t)run) == HS_SUCCESS &&
		sound;
	track_follow(run->sighting.track, deferral->events);
	return sound;
}

void match_deferral_run(struct match_deferral *deferral, struct track *track,
	const struct match_facts *facts, uint32_t atom)
{
	const struct ruleset *ruleset = deferral->ruleset;
	const struct capture *capture = &facts->copy->capture;
	uint32_t number = ruleset->atoms[atom].deferred;
	struct run run = {.deferred = &ruleset->deferred[number],
		.sighting = {.ruleset = ruleset, .track = track, .events = deferral->events}};
	hs_stream_t *stream;

	deferral->stamps[number] = deferral->stamp;
	set_range(&run, facts, atom);
	if (run.to - run.from > deferral->bytes_left) {
		track->lost = true;
		return;
	}
	deferral->bytes_left -= run.to - run.from;
	match_offer_stream_memory(deferral->stream_memory);
	if (hs_open_stream(ruleset_deferred_db(ruleset, run.deferred), 0, &stream) != HS_SUCCESS ||
		!run_stream(deferral, &run, facts, stream))
		track->lost = true;
	track->lost =
		track->lost || capture->is_full || capture->bytes - facts->from < facts->bytes;
	track_end(track, facts->bytes);
}
