// SPDX-License-Identifier: BSD-3-Clause
#include "scan/anchor.h"

#include "scan/anchor_ops.h"
#include "scan/executable.h"
#include "scan/ruleset.h"

#include <assert.h>
#include <string.h>

// Places that are looked at together: no block of the sieve is cut by their end.
#define BATCH 4032
// What has passed the filter waits for so many batches more, until memory has brought what it needs.
#define STEPS 3

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
		// At a known place it is mostly the first byte that differs.
		return *values == *data && memcmp(values, data, expression->length) == 0;
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

// What one search has met in the latest batches.
struct lane {
	const struct search *search;
	anchor_filter_fn pass_filter;
	size_t counts[STEPS];
	uint32_t ats[STEPS][BATCH + ANCHOR_FILTER_SLACK];
	uint32_t buckets[STEPS][BATCH + ANCHOR_FILTER_SLACK];
};

// So many are compared together.
#define MEETINGS 256
// So many of a place are written whether there are more or fewer.
#define WRITTEN 4u

// Whose piece is there. Of most patterns the piece is all, and of the others what is to be compared lies far
// apart: all of it is asked for before the first is needed.
static void compare_fitting(const struct search *search, struct anchor_meeting *fitting, size_t n)
{
	const struct anchor_entry *entries = search->table->entries;
	const struct ruleset *ruleset = search->ruleset;
	const struct anchor_input *input = search->input;
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		__builtin_prefetch(&ruleset->expressions[entries[fitting[i].entry].expression]);
	for (size_t i = 0; i < n; i++) {
		const struct anchor_entry *entry = &entries[fitting[i].entry];
		const size_t end = fitting[i].at - entry->at + entry->whole;

		if (entry->whole == 0) {
			__builtin_prefetch(ruleset->check_bytes +
					   ruleset->expressions[entry->expression].check);
			fitting[count++] = fitting[i];
		} else if (end > input->from && end <= input->to) {
			search->found(search->ctx, entry->expression, input->base + end);
		}
	}
	for (size_t i = 0; i < count; i++) {
		const struct anchor_entry *entry = &entries[fitting[i].entry];

		confirm(search, entry->expression, fitting[i].at - entry->at, input->from);
	}
}

static void compare_meetings(const struct search *search, struct anchor_meeting *meetings, size_t n)
{
	compare_fitting(search, meetings,
		anchor_fit(search->table->entries, search->input->data, meetings, n));
}

static inline const uint32_t *slot_of(const struct anchor_table *table,
	const struct anchor_family *family, const uint8_t *data, uint32_t at)
{
	const int64_t place = (int64_t)at + family->key_at;
	// What would begin before the bytes at hand fits nowhere, whatever is compared.
	const uint64_t bytes = load(data + (place >= 0 ? place : 0));

	return &table->slots[family->slot + anchor_family_slot(family, bytes)];
}

// What is to be compared, as it fills up.
struct meetings {
	const struct search *search;
	size_t count;
	struct anchor_meeting items[MEETINGS];
};

static inline void add_meetings(
	struct meetings *meetings, uint32_t at, uint32_t next, const uint32_t end)
{
	for (; next < end; next += WRITTEN) {
		for (uint32_t k = 0; k < WRITTEN; k++)
			meetings->items[meetings->count + k] =
				(struct anchor_meeting){at, next + k};
		meetings->count += end - next < WRITTEN ? end - next : WRITTEN;
		if (meetings->count <= MEETINGS - WRITTEN)
			continue;
		compare_meetings(meetings->search, meetings->items, meetings->count);
		meetings->count = 0;
	}
}

// Of each family those that have what is there.
static void add_families(struct meetings *meetings, uint32_t at, uint32_t first)
{
	const struct anchor_table *table = meetings->search->table;
	const uint8_t *data = meetings->search->input->data;

	for (const struct anchor_family *family = &table->families[first];; family++) {
		const uint32_t *slot = slot_of(table, family, data, at);

		if (slot[0] < slot[1])
			__builtin_prefetch(&table->entries[slot[0]]);
		add_meetings(meetings, at, slot[0], slot[1]);
		if (family->is_last != 0)
			break;
	}
}

// First all pieces, in no way that depends on what is found, then the patterns.
static void compare_buckets(const struct search *search, const struct anchor_met *met, size_t n)
{
	const struct anchor_table *table = search->table;
	struct meetings meetings;

	meetings.search = search;
	meetings.count = 0;
	for (size_t i = 0; i < n; i++) {
		// NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): counted is set
		const uint32_t at = met->ats[i];
		// NOLINTNEXTLINE(clang-analyzer-core.uninitialized.ArraySubscript): counted is set
		const uint32_t bucket = met->buckets[i];
		const uint32_t first = table->buckets[bucket].first;

		if (__builtin_expect((first & ANCHOR_FAMILIES) != 0, 0))
			add_families(&meetings, at, first & ~ANCHOR_FAMILIES);
		else
			add_meetings(&meetings, at, first, anchor_bucket_first(table, bucket + 1));
	}
	compare_meetings(search, meetings.items, meetings.count);
}

// Moves those to the front that have beside them what their bucket asks for. Returns how many they are.
static size_t look_beside(const struct search *search, const struct anchor_met *met, size_t n)
{
	const struct anchor_bucket *buckets = search->table->buckets;
	const uint8_t *data = search->input->data;
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		// NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): so many are set
		const uint32_t at = met->ats[i];
		const uint32_t number = met->buckets[i];
		const struct anchor_bucket bucket = buckets[number];
		// At the first byte only what asks for nothing before it can be met, and any byte does for that.
		const unsigned int before = anchor_nibble(data[at > 0 ? at - 1 : 0]);
		const unsigned int behind = anchor_nibble(data[at + ANCHOR_WINDOW_BYTES]);

		met->ats[count] = at;
		met->buckets[count] = number;
		count += (unsigned int)bucket.before >> before &
			 (unsigned int)bucket.behind >> behind & 1;
	}
	return count;
}

// Of a large bucket the processor foresees the rest by itself.
static inline void ask_for_entries(const struct search *search, uint32_t at, uint32_t bucket)
{
	const struct anchor_table *table = search->table;
	const uint32_t next = table->buckets[bucket].first;
	uint32_t end;

	if (__builtin_expect((next & ANCHOR_FAMILIES) != 0, 0)) {
		const struct anchor_family *family = &table->families[next & ~ANCHOR_FAMILIES];

		do
			__builtin_prefetch(slot_of(table, family, search->input->data, at));
		while (family++->is_last == 0);
		return;
	}
	__builtin_prefetch(&table->entries[next]);
	end = anchor_bucket_first(table, bucket + 1);
	if (end - next > 1)
		__builtin_prefetch(&table->entries[end - 1]);
}

// Takes a batch in: places that have passed the sieve. Those of the batch before are looked at
// more closely and get their entries, those of the one before that are compared.
static void step(struct lane *lane, unsigned int batch, size_t at, const uint16_t *places, size_t n)
{
	const struct search *search = lane->search;
	const struct anchor_table *table = search->table;
	const unsigned int now = batch % STEPS;
	const unsigned int oldest = (batch + 1) % STEPS;
	const unsigned int middle = (batch + 2) % STEPS;
	const struct anchor_met mets[STEPS] = {{lane->ats[0], lane->buckets[0]},
		{lane->ats[1], lane->buckets[1]}, {lane->ats[2], lane->buckets[2]}};

	lane->counts[now] =
		lane->pass_filter(table, search->input->data, at, places, n, &mets[now]);
	for (size_t i = 0; i < lane->counts[now]; i++)
		__builtin_prefetch(&table->buckets[lane->buckets[now][i]]);
	lane->counts[middle] = look_beside(search, &mets[middle], lane->counts[middle]);
	for (size_t i = 0; i < lane->counts[middle]; i++)
		// NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): counted is set
		ask_for_entries(search, lane->ats[middle][i], lane->buckets[middle][i]);
	compare_buckets(search, &mets[oldest], lane->counts[oldest]);
}

static anchor_sieve_fn best_sieve(enum anchor_content content)
{
	anchor_sieve_fn fastest = NULL;

	for (size_t i = 0; anchor_sieve_variant(content, i) != NULL; i++)
		fastest = anchor_sieve_variant(content, i);
	return fastest;
}

static anchor_filter_fn best_filter(void)
{
	anchor_filter_fn fastest = anchor_filter_variant(1);

	return fastest != NULL ? fastest : anchor_filter_variant(0);
}

static void search_windows(const struct search *searches, size_t count, const uint8_t *sieve)
{
	const struct anchor_input *input = searches->input;
	const anchor_sieve_fn pass_sieve = best_sieve(searches->table->content);
	const anchor_filter_fn pass_filter = best_filter();
	uint16_t places[BATCH + ANCHOR_SIEVE_SLACK];
	struct lane lanes[2];
	unsigned int batch = 0;
	size_t reach = 0;
	size_t at;

	for (size_t i = 0; i < count; i++) {
		lanes[i].search = &searches[i];
		lanes[i].pass_filter = pass_filter;
		memset(lanes[i].counts, 0, sizeof(lanes[i].counts));
		reach = searches[i].table->reach > reach ? searches[i].table->reach : reach;
	}
	at = input->from > reach ? input->from - reach : 0;
	at = at > input->windows_from ? at : input->windows_from;

	// A window may look behind its pattern, and so behind the bytes at hand.
	for (; at < input->to; at += BATCH, batch++) {
		const uint8_t *data = input->data + at;
		size_t n = input->to - at < BATCH ? input->to - at : BATCH;

		n = pass_sieve(sieve, data, n, places);
		for (size_t i = 0; i < count; i++)
			step(&lanes[i], batch, at, places, n);
	}
	for (unsigned int end = batch + STEPS - 1; batch < end; batch++)
		for (size_t i = 0; i < count; i++)
			step(&lanes[i], batch, at, places, 0);
}

// ---- places ------------------------------------------------------------------------------------

// Where the place is in the object. False: nowhere, or not known yet.
static bool find_place(const struct search *search, const struct anchor_place *place, uint64_t *out)
{
	const struct anchor_input *input = search->input;
	const struct executable *file = input->executable;
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
		if (file == NULL || !file->has_entry_point)
			return false;
		*out = place->before != 0 ? (uint64_t)file->entry_point - place->offset
					  : (uint64_t)file->entry_point + place->offset;
		return place->before == 0 || place->offset <= file->entry_point;
	case RULESET_OFFSET_LAST_SECTION:
		section = file != NULL && file->sections_count > 0 ? file->sections_count - 1 : 0;
		break;
	case RULESET_OFFSET_SECTION:
		break;
	case RULESET_OFFSET_IN_SECTION:
	case RULESET_OFFSET_VERSION:
		return false;
	}
	if (file == NULL || section >= file->sections_count)
		return false;
	*out = (uint64_t)file->sections[section].offset + place->offset;
	return true;
}

static void search_place(const struct search *search, const struct anchor_place *place)
{
	const struct anchor_input *input = search->input;
	uint32_t length = place->length;
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

// Whether the pattern's first bytes are at a place that has one offset from the object's start, as far as it
// is at hand: almost all are told so, and are not there.
static inline bool may_start(const struct anchor_input *input, const struct anchor_place *place)
{
	const uint64_t at = (uint64_t)place->offset - input->base;

	if (place->shift != 0 || place->offset < input->base)
		return true;
	return at + place->length <= input->to &&
	       (load(input->data + at) & place->mask) == place->piece;
}

// Whether one may be that is told from the start, where the object's first bytes are at hand.
static bool may_any_start(const struct anchor_starts *starts, const struct anchor_input *input)
{
	if (!starts->tells || input->base != 0)
		return true;
	for (uint32_t i = 0; i < starts->count && starts->offsets[i] < input->to; i++) {
		uint16_t pair;
		uint32_t bit;

		memcpy(&pair, input->data + starts->offsets[i], sizeof(pair));
		bit = anchor_start_bit(starts->offsets[i], pair);
		if ((starts->bits[bit / 64] >> bit % 64 & 1) != 0)
			return true;
	}
	return false;
}

// Those that are told from the start stand first, and the latest first of these.
static void search_starts(const struct search *search)
{
	const struct anchor_table *table = search->table;
	const uint64_t from = search->input->base + search->input->from;
	bool is_looked_at = false;

	for (uint32_t i = 0; i < table->starts_count; i++) {
		const struct anchor_place *place = &table->places[i];

		if ((uint64_t)place->offset + place->shift + place->length <= from)
			break;
		if (!is_looked_at && !may_any_start(&table->starts, search->input))
			break;
		is_looked_at = true;
		if (may_start(search->input, place))
			search_place(search, place);
	}
}

static void search_places(const struct search *search)
{
	const struct anchor_table *table = search->table;

	search_starts(search);
	for (uint32_t i = table->starts_count; i < table->places_count; i++)
		search_place(search, &table->places[i]);
}

void anchor_search(const struct anchor_table *table, const struct ruleset *ruleset,
	const struct anchor_input *input, anchor_found_fn found, void *ctx)
{
	const struct search search = {table, ruleset, input, found, ctx};

	if (!table->is_there || (input->to == input->from && !input->is_last))
		return;
	if (table->entries_count > 0)
		search_windows(&search, 1, table->sieve);
	search_places(&search);
}

void anchor_search_both(const struct anchor_side *sides, const uint8_t *sieve,
	const struct anchor_input *input, anchor_found_fn found)
{
	const struct search searches[] = {
		{sides[0].table, sides[0].ruleset, input, found, sides[0].ctx},
		{sides[1].table, sides[1].ruleset, input, found, sides[1].ctx},
	};

	if (input->to == input->from && !input->is_last)
		return;
	search_windows(searches, 2, sieve);
	for (size_t k = 0; k < 2; k++)
		search_places(&searches[k]);
}

void anchor_join_sieves(const struct anchor_table *a, const struct anchor_table *b, uint8_t *sieve)
{
	for (size_t i = 0; i < anchor_sieve_bytes(a->content); i++)
		sieve[i] = a->sieve[i] | b->sieve[i];
}
