// SPDX-License-Identifier: BSD-3-Clause
// Screening: the search for windows beside one rolling checksum a length, byte by byte, and look-ups in a list of
// a million digests beside a binary search.
#include "perf/perf.h"
#include "scan/scan.h"
#include "scan/screening.h"

#include <stdlib.h>
#include <string.h>

// ---- windows -------------------------------------------------------------------------------------

#define BYTES (4u << 20)
#define PIECE 4096u
#define LENGTHS 5

struct window_state {
	uint8_t *data;
	void *image;
	struct screen *screen;
	struct screenings screenings;
	uint32_t lengths[LENGTHS];
	uint64_t *bits[LENGTHS]; // of the scalar way
};

// number: how many windows, all of other bytes than the data, of five lengths.
static int begin_windows(struct perf_run *run)
{
	struct window_state *state = perf_alloc(sizeof(*state));
	size_t count = run->it->number;
	struct screen_entry *entries = calloc(count, sizeof(*entries));
	char error[256];
	size_t bytes;

	perf_need(entries != NULL, "memory");
	state->data = perf_alloc(BYTES);
	perf_fill(state->data, BYTES, 41);
	for (size_t i = 0; i < count; i++) {
		uint8_t window[4096];
		size_t length = (size_t)256 << (i % LENGTHS);

		perf_fill(window, length, 1000 + i);
		entries[i] = (struct screen_entry){.virus_id = "V",
			.name = "N",
			.kind = SCREEN_WINDOW,
			.algorithm = 4,
			.length = length,
			.section = SCREEN_ANY_SECTION,
			.rolling = screen_rolling(window, length)};
		memcpy(entries[i].digest, &i, sizeof(i));
	}
	perf_need(screen_build(entries, count, &state->image, &bytes, error, sizeof(error)) == 0 &&
			  screen_open(state->image, bytes, &state->screen) == 0 &&
			  screenings_init(&state->screenings, state->screen, 1) == 0,
		"a list of windows");
	for (size_t i = 0; i < LENGTHS; i++) {
		state->lengths[i] = 256u << i;
		state->bits[i] = perf_alloc(8192);
		for (size_t k = i; k < count; k += LENGTHS) {
			uint32_t sum = (uint32_t)entries[k].rolling & 0xffff;

			state->bits[i][sum / 64] |= UINT64_C(1) << (sum % 64);
		}
	}
	free(entries);
	run->state = state;
	run->amount = BYTES;
	return 0;
}

static void run_windows(void *ctx)
{
	struct window_state *state = ctx;
	struct screening *screening = screening_begin(&state->screenings, 0, SCREENING_EXACT);
	struct screening_result result;

	for (size_t at = 0; at < BYTES; at += PIECE)
		screening_feed(screening, state->data + at, PIECE);
	screening_end(screening, SCREENING_EXACT, "", NULL, &result);
	perf_keep(result.hits_count);
}

static void run_rolling(void *ctx)
{
	struct window_state *state = ctx;
	uint64_t candidates = 0;

	for (size_t i = 0; i < LENGTHS; i++) {
		uint32_t length = state->lengths[i];
		uint32_t leave = 1;
		uint32_t sum = 0;

		for (uint32_t k = 0; k < length; k++)
			leave *= SCREEN_FACTOR;
		for (size_t at = 0; at < BYTES; at++) {
			sum = sum * SCREEN_FACTOR + state->data[at];
			if (at < length)
				continue;
			sum -= state->data[at - length] * leave;
			candidates += state->bits[i][(sum & 0xffff) / 64] >> (sum % 64) & 1;
		}
	}
	perf_keep(candidates);
}

static void end_windows(void *ctx)
{
	struct window_state *state = ctx;

	for (size_t i = 0; i < LENGTHS; i++)
		free(state->bits[i]);
	screenings_fini(&state->screenings);
	screen_close(state->screen);
	free(state->image);
	free(state->data);
	free(state);
}

// ---- look-ups ------------------------------------------------------------------------------------

#define ASKED 4096u

struct lookup_state {
	struct hashset set;
	struct hashset_entry *entries; // sorted
	size_t count;
	void *block;
	uint8_t asked[ASKED][HASHSET_DIGEST_BYTES];
};

static int begin_lookup(struct perf_run *run)
{
	struct lookup_state *state = perf_alloc(sizeof(*state));
	size_t count = run->it->number;
	size_t bytes = hashset_block_bytes(count);

	state->count = count;
	state->entries = perf_alloc(count * sizeof(*state->entries));
	state->block = perf_alloc(bytes);
	for (size_t i = 0; i < count; i++) {
		perf_fill(state->entries[i].digest, HASHSET_DIGEST_BYTES, 77 + i);
		state->entries[i].value = (uint32_t)i;
	}
	perf_fill(state->asked[0], sizeof(state->asked), 5);
	hashset_build(state->entries, count, state->block);
	perf_need(hashset_open(state->block, bytes, (uint32_t)count, &state->set) == 0, "a set");
	run->state = state;
	run->amount = ASKED;
	return 0;
}

static void run_lookup(void *ctx)
{
	const struct lookup_state *state = ctx;
	uint32_t values[4];
	size_t found = 0;

	for (size_t i = 0; i < ASKED; i++)
		found += hashset_find(&state->set, state->asked[i], 1, values, 4);
	perf_keep(found);
}

static int compare(const void *a, const void *b)
{
	const struct hashset_entry *entry = b;

	return memcmp(a, entry->digest, HASHSET_DIGEST_BYTES);
}

static void run_bsearch(void *ctx)
{
	const struct lookup_state *state = ctx;
	size_t found = 0;

	for (size_t i = 0; i < ASKED; i++)
		found += bsearch(state->asked[i], state->entries, state->count,
				 sizeof(*state->entries), compare) != NULL;
	perf_keep(found);
}

static void end_lookup(void *ctx)
{
	struct lookup_state *state = ctx;

	free(state->block);
	free(state->entries);
	free(state);
}

// ---- look-ups in a list with a layer -------------------------------------------------------------

#define LAYER_ENTRIES 10000u

struct layer_state {
	struct screen *screens[2]; // the image alone, and with a layer
	void *images[2];
	uint8_t asked[ASKED][HASHSET_DIGEST_BYTES];
};

static struct screen_entry *make_files(size_t count, uint64_t seed)
{
	struct screen_entry *entries = perf_alloc(count * sizeof(*entries));

	for (size_t i = 0; i < count; i++) {
		entries[i] = (struct screen_entry){.virus_id = "V",
			.kind = SCREEN_FILE,
			.algorithm = DIGEST_SHA256,
			.section = SCREEN_ANY_SECTION};
		perf_fill(entries[i].digest, HASHSET_DIGEST_BYTES, seed + i);
	}
	return entries;
}

static void add_layer(struct layer_state *state)
{
	struct screen_entry *entries = make_files(LAYER_ENTRIES, 88000000);
	uint64_t *ids = perf_alloc(LAYER_ENTRIES * sizeof(*ids));
	const struct screen_change change = {ids, LAYER_ENTRIES, entries, LAYER_ENTRIES};
	char error[256];
	size_t bytes;

	for (size_t i = 0; i < LAYER_ENTRIES; i++)
		ids[i] = screen_id(&entries[i]);
	perf_need(screen_build_layer(state->screens[0]->layers[0], &change, &state->images[1],
			  &bytes, error, sizeof(error)) == 0 &&
			  screen_open_layer(state->screens[0], state->images[1], bytes,
				  &state->screens[1]) == 0,
		"a layer");
	free(entries);
	free(ids);
}

static int begin_layer(struct perf_run *run)
{
	struct layer_state *state = perf_alloc(sizeof(*state));
	struct screen_entry *entries = make_files(run->it->number, 77);
	char error[256];
	size_t bytes;

	perf_need(screen_build(entries, run->it->number, &state->images[0], &bytes, error,
			  sizeof(error)) == 0 &&
			  screen_open(state->images[0], bytes, &state->screens[0]) == 0,
		"a list");
	free(entries);
	add_layer(state);
	perf_fill(state->asked[0], sizeof(state->asked), 5);
	run->state = state;
	run->amount = ASKED;
	return 0;
}

static void find_all(const struct layer_state *state, const struct screen *screen)
{
	const struct screen_set *set = &screen->sets[SCREEN_SET_FILE][DIGEST_INDEX_SHA256];
	uint32_t records[SCREEN_SAME_DIGEST];
	size_t found = 0;

	for (size_t i = 0; i < ASKED; i++)
		found += screen_find(screen, set, state->asked[i], 1, records);
	perf_keep(found);
}

static void run_layered(void *ctx)
{
	const struct layer_state *state = ctx;

	find_all(state, state->screens[1]);
}

static void run_alone(void *ctx)
{
	const struct layer_state *state = ctx;

	find_all(state, state->screens[0]);
}

static void end_layer(void *ctx)
{
	struct layer_state *state = ctx;

	for (size_t i = 2; i-- > 0;) {
		screen_close(state->screens[i]);
		free(state->images[i]);
	}
	free(state);
}

static const struct perf_case cases[] = {
	{"screen/windows/5-of-5-lengths", "5 rolling checksums", "B/s", 5, false, false,
		begin_windows, run_windows, run_rolling, end_windows},
	{"screen/windows/100-of-5-lengths", "5 rolling checksums", "B/s", 100, false, false,
		begin_windows, run_windows, run_rolling, end_windows},
	{"screen/windows/1000-of-5-lengths", "5 rolling checksums", "B/s", 1000, true, false,
		begin_windows, run_windows, run_rolling, end_windows},
	{"screen/lookup/100k", "bsearch", "digests/s", 100000, false, false, begin_lookup,
		run_lookup, run_bsearch, end_lookup},
	{"screen/lookup/1M", "bsearch", "digests/s", 1000000, true, false, begin_lookup, run_lookup,
		run_bsearch, end_lookup},
	{"screen/lookup/1M-with-layer", "the image alone", "digests/s", 1000000, true, false,
		begin_layer, run_layered, run_alone, end_layer},
};
PERF_CASES(cases)
