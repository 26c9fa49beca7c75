// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match_regex_sweep.h"

#include <string.h>

// What is not asked for any more is looked for no longer than in so many objects.
#define MOST_OBJECTS 256u
// An object that has more of the words than this is not looked through to its end.
#define MOST_FOUND 64u

// What is being looked through.
struct look {
	struct regex_sweep *sweep;
	uint32_t found;
};

static void note(struct regex_sweep *sweep, const uint8_t *data, size_t n)
{
	uint8_t bytes[REGEX_START_MOST] = {0};
	uint64_t word;

	memcpy(bytes, data, n < sizeof(bytes) ? n : sizeof(bytes));
	memcpy(&word, bytes, sizeof(word));
	for (uint32_t i = 0; i < sweep->all.count; i++)
		if ((word & sweep->all.words[i].mask) == sweep->all.words[i].value)
			sweep->present |= 1u << sweep->owners[i];
}

// Returns false when it has seen enough.
static bool look_at(struct look *look, const uint8_t *data, size_t n)
{
	const struct regex_start *all = &look->sweep->all;

	for (size_t at = 0; (at = regex_start_find(all, data, n, at)) < n; at++) {
		if (look->found++ == MOST_FOUND)
			return false;
		note(look->sweep, data + at, n - at);
	}
	return true;
}

static void look_through(struct regex_sweep *sweep, const struct capture *capture, uint64_t from)
{
	struct look look = {sweep, 0};
	const uint8_t *data = NULL;
	size_t n;

	sweep->present = 0;
	for (uint64_t at = from; (n = capture_piece(capture, at, &data)) > 0; at += n) {
		uint8_t seam[2 * REGEX_START_MOST - 2];
		const size_t left = n < REGEX_START_MOST - 1 ? n : REGEX_START_MOST - 1;
		const size_t both = capture_read(capture, at + n - left, seam, sizeof(seam));

		if (!look_at(&look, data, n) || !look_at(&look, seam, both)) {
			sweep->present = UINT32_MAX;
			return;
		}
	}
}

// Where there is room; this object may have it, the next one is looked through.
static void add(struct regex_sweep *sweep, const struct regex_start *start)
{
	if (sweep->count == REGEX_SWEEP_MOST || sweep->all.count + start->count > REGEX_START_ROOM)
		return;
	for (uint32_t i = 0; i < start->count; i++) {
		sweep->owners[sweep->all.count] = sweep->count;
		sweep->all.words[sweep->all.count++] = start->words[i];
	}
	sweep->present |= 1u << sweep->count;
	sweep->asked[sweep->count++] = start;
	regex_start_ready(&sweep->all);
}

// The kind of an object that begins with this question.
static struct regex_sweep *begin(struct regex_sweeps *sweeps, const struct regex_start *start)
{
	struct regex_sweep *sweep;
	uint32_t i = 0;

	while (i < REGEX_SWEEPS &&
		(sweeps->kinds[i].count == 0 || sweeps->kinds[i].asked[0] != start))
		i++;
	sweeps->now = i < REGEX_SWEEPS ? i : sweeps->oldest++ % REGEX_SWEEPS;
	sweep = &sweeps->kinds[sweeps->now];
	sweep->is_done = false;
	if (i < REGEX_SWEEPS && sweep->objects < MOST_OBJECTS)
		return sweep;
	sweep->objects = 0;
	sweep->count = 0;
	sweep->all.count = 0;
	return sweep;
}

void regex_sweep_forget(struct regex_sweeps *sweeps)
{
	sweeps->object = 0;
}

bool regex_sweep_may_have(struct regex_sweeps *sweeps, const struct regex_start *start,
	uint32_t object, const struct capture *capture, uint64_t from)
{
	struct regex_sweep *sweep = &sweeps->kinds[sweeps->now];
	uint32_t i = 0;

	if (sweeps->object != object)
		sweep = begin(sweeps, start);
	sweeps->object = object;
	while (i < sweep->count && sweep->asked[i] != start)
		i++;
	if (i == sweep->count) {
		add(sweep, start);
		return true;
	}
	// What is asked for alone is looked for alone.
	if (sweep->count == 1)
		return true;
	if (!sweep->is_done) {
		look_through(sweep, capture, from);
		sweep->is_done = true;
		sweep->objects++;
	}
	return (sweep->present >> i & 1) != 0;
}
