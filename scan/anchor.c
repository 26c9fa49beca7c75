// SPDX-License-Identifier: BSD-3-Clause
#include "scan/anchor.h"

#include "scan/pe.h"
#include "scan/ruleset.h"

#include <assert.h>
#include <string.h>

// Positions whose window has passed the sieve.
#define BATCH 256

struct search {
	const struct anchor_table *table;
	const struct ruleset *ruleset;
	const struct anchor_input *input;
	anchor_found_fn found;
	void *ctx;
};

static inline uint64_t load(const uint8_t *data)
{
	uint64_t value;

	memcpy(&value, data, sizeof(value));
	return value;
}

// ---- comparing ---------------------------------------------------------------------------------

static bool bytes_fit(const struct ruleset *ruleset, const struct ruleset_expression *expression,
	const uint8_t *data)
{
	const uint8_t *values = ruleset->check_bytes + expression->check;
	const uint8_t *masks = values + expression->length;

	switch ((enum ruleset_check_kind)expression->check_kind) {
	case RULESET_CHECK_NONE:
		break;
	case RULESET_CHECK_PLAIN:
		return memcmp(values, data, expression->length) == 0;
	case RULESET_CHECK_MASKED:
		for (uint32_t i = 0; i < expression->length; i++)
			if ((data[i] & masks[i]) != values[i])
				return false;
		return true;
	case RULESET_CHECK_CLASSES:
		for (uint32_t i = 0; i < expression->length; i++) {
			const uint64_t *bits =
				ruleset->classes[values[i] | (uint32_t)masks[i] << 8].bits;

			if ((bits[data[i] >> 6] >> (data[i] & 63) & 1) == 0)
				return false;
		}
		return true;
	}
	return false;
}

// A window of the pattern has been met, or it is to be compared at its place: the pattern begins at
// data[start].
static void confirm(const struct search *search, uint32_t number, size_t start, size_t from)
{
	const struct ruleset_expression *expression = &search->ruleset->expressions[number];
	const struct anchor_input *input = search->input;
	size_t end = start + expression->length;

	// What depends on the object's end was not decided when these bytes were new.
	if ((expression->flags & RULESET_EXPRESSION_AT_END) != 0) {
		if (!input->is_last || end != input->to)
			return;
		from = 0;
	}
	if (end <= from || end > input->to)
		return;
	if (bytes_fit(search->ruleset, expression, input->data + start))
		search->found(search->ctx, number, input->base + end);
}

// ---- windows -----------------------------------------------------------------------------------

static inline uint64_t window_at(const uint8_t *data, unsigned int bytes)
{
	return (load(data) | ANCHOR_FOLD) & UINT64_MAX >> (64 - 8 * bytes);
}

// Most patterns that share a window are told apart by one byte.
static inline bool guard_fits(
	const struct anchor_input *input, const struct anchor_entry *entry, size_t position)
{
	size_t at = position + (size_t)(ptrdiff_t)entry->guard_at;

	if (entry->at > position)
		return false;
	return entry->guard_at == ANCHOR_NO_GUARD ||
	       (at < input->to && input->data[at] == entry->guard);
}

static void look_up(const struct search *search, const struct anchor_windows *windows,
	unsigned int window_bytes, const uint32_t *positions, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t window = window_at(search->input->data + positions[i], window_bytes);
		uint64_t hash = anchor_hash(window);
		uint64_t bucket = hash >> (64 - windows->buckets_log);
		uint32_t word = windows->filter[hash >> (64 - windows->words_log)];
		uint32_t last;

		if ((word >> anchor_bit(hash) & word >> anchor_other_bit(hash) & 1) == 0)
			continue;
		last = windows->buckets[bucket + 1];
		for (uint32_t at = windows->buckets[bucket]; at < last; at++) {
			const struct anchor_entry *entry = &windows->entries[at];

			if (entry->window == window &&
				guard_fits(search->input, entry, positions[i]))
				confirm(search, entry->expression, positions[i] - entry->at,
					search->input->from);
		}
	}
}

static inline __attribute__((always_inline)) void search_windows(const struct search *search,
	const struct anchor_windows *windows, const unsigned int window_bytes,
	const unsigned int step)
{
	const struct anchor_input *input = search->input;
	const uint32_t *sieve = windows->sieve;
	const unsigned int shift = 64 - windows->sieve_log;
	uint32_t positions[BATCH] = {0};
	size_t count = 0;
	size_t reach = search->table->reach;
	size_t at = input->from > reach ? input->from - reach : 0;
	// A window may look behind the pattern, and so behind the bytes at hand.
	const size_t to = input->to;

	at += (step - (input->base + at) % step) % step;
	while (at < to) {
		size_t stop = to - at > (size_t)BATCH * step ? at + (size_t)BATCH * step : to;

		for (; at < stop; at += step) {
			uint64_t hash = anchor_hash(window_at(input->data + at, window_bytes));

			hash >>= shift;
			positions[count] = (uint32_t)at;
			count += sieve[hash >> 5] >> (hash & 31) & 1;
		}
		look_up(search, windows, window_bytes, positions, count);
		count = 0;
	}
}

// ---- places ------------------------------------------------------------------------------------

// Where the place is in the object. False: nowhere, or not known yet.
static bool find_place(const struct search *search, const struct anchor_place *place, uint64_t *out)
{
	const struct anchor_input *input = search->input;
	const struct pe *pe = input->pe;
	uint32_t section = place->section;

	switch ((enum ruleset_offset)place->offset_from) {
	case RULESET_OFFSET_ANY:
		return false;
	case RULESET_OFFSET_START:
		*out = place->offset;
		return true;
	case RULESET_OFFSET_END:
		*out = input->base + input->to - place->offset;
		return input->is_last && input->base + input->to >= place->offset;
	case RULESET_OFFSET_ENTRY:
		if (pe == NULL || !pe->has_entry_point)
			return false;
		*out = place->before != 0 ? (uint64_t)pe->entry_point - place->offset
					  : (uint64_t)pe->entry_point + place->offset;
		return place->before == 0 || place->offset <= pe->entry_point;
	case RULESET_OFFSET_LAST_SECTION:
		section = pe != NULL && pe->sections_count > 0 ? pe->sections_count - 1 : 0;
		break;
	case RULESET_OFFSET_SECTION:
		break;
	case RULESET_OFFSET_IN_SECTION:
		return false;
	}
	if (pe == NULL || section >= pe->sections_count)
		return false;
	*out = (uint64_t)pe->sections[section].offset + place->offset;
	return true;
}

static void search_place(const struct search *search, const struct anchor_place *place)
{
	const struct anchor_input *input = search->input;
	uint32_t length = search->ruleset->expressions[place->expression].length;
	bool from_end = place->offset_from == RULESET_OFFSET_END;
	uint64_t from = from_end ? input->base : input->base + input->from;
	uint64_t to = input->base + input->to;
	uint64_t first;
	uint64_t last;

	if (to < length || !find_place(search, place, &first))
		return;
	last = first + place->shift;
	last = last < to - length ? last : to - length;
	if (first + length <= from)
		first = from + 1 - length;
	for (; first <= last; first++)
		if (first >= input->base)
			confirm(search, place->expression, (size_t)(first - input->base),
				from_end ? 0 : input->from);
}

void anchor_search(const struct anchor_table *table, const struct ruleset *ruleset,
	const struct anchor_input *input, anchor_found_fn found, void *ctx)
{
	const struct search search = {table, ruleset, input, found, ctx};

	if (!table->is_there || (input->to == input->from && !input->is_last))
		return;
	if (table->kinds[ANCHOR_LONG].entries_count > 0)
		search_windows(
			&search, &table->kinds[ANCHOR_LONG], ANCHOR_LONG_BYTES, ANCHOR_LONG_STEP);
	if (table->kinds[ANCHOR_MIDDLE].entries_count > 0)
		search_windows(&search, &table->kinds[ANCHOR_MIDDLE], ANCHOR_MIDDLE_BYTES,
			ANCHOR_MIDDLE_STEP);
	if (table->kinds[ANCHOR_SHORT].entries_count > 0)
		search_windows(&search, &table->kinds[ANCHOR_SHORT], ANCHOR_SHORT_BYTES,
			ANCHOR_SHORT_STEP);
	for (uint32_t i = 0; i < table->places_count; i++)
		search_place(&search, &table->places[i]);
}
