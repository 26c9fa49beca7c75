// SPDX-License-Identifier: BSD-3-Clause
#include "scan/anchor.h"
#include "scan/ruleset.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define MAX_LOG 28

static_assert(sizeof(struct anchor_header) == 48, "image format");
static_assert(sizeof(struct anchor_entry) == 24, "image format");
static_assert(sizeof(struct anchor_family) == 16, "image format");
static_assert(sizeof(struct anchor_place) == 48, "image format");

// What is yet to be read of the image.
struct rest {
	const uint8_t *data;
	uint64_t bytes;
};

static const void *take(struct rest *rest, uint64_t bytes)
{
	const void *data = rest->data;

	// Each piece is aligned like the entries.
	bytes = (bytes + 15) & ~UINT64_C(15);
	if (bytes > rest->bytes)
		return NULL;
	rest->data += bytes;
	rest->bytes -= bytes;
	return data;
}

// The slots of all families, each with one more, one family behind the other.
static bool are_families(const struct anchor_table *table)
{
	uint64_t slot = 0;

	for (uint32_t i = 0; i < table->families_count; i++) {
		const struct anchor_family *family = &table->families[i];

		if (family->slot != slot || family->shift < 64 - MAX_LOG || family->shift > 63 ||
			family->key_at < -ANCHOR_PIECE_BEFORE ||
			family->key_at > ANCHOR_PIECE_BEHIND)
			return false;
		slot += (UINT64_C(1) << (64 - family->shift)) + 1;
	}
	if (slot != table->slots_count)
		return false;
	for (uint64_t i = 0; i < slot; i++)
		if (table->slots[i] > (i + 1 < slot ? table->slots[i + 1] : table->entries_count))
			return false;
	return table->families_count == 0 ||
	       table->families[table->families_count - 1].is_last == 1;
}

static bool are_buckets(const struct anchor_table *table)
{
	const uint32_t count = UINT32_C(1) << table->buckets_log;
	uint32_t first = 0;

	for (uint32_t i = 0; i <= count; i++) {
		const uint32_t before = first;

		first = table->buckets[i].first;
		if ((first & ANCHOR_FAMILIES) != 0 &&
			(i == count || (first & ~ANCHOR_FAMILIES) >= table->families_count))
			return false;
		first = anchor_bucket_first(table, i);
		if (first < before)
			return false;
	}
	return first == table->entries_count;
}

static int open_windows(struct rest *rest, struct anchor_table *table)
{
	if (table->entries_count == 0)
		return 0;
	if (table->words_log < 1 || table->words_log > MAX_LOG || table->buckets_log < 1 ||
		table->buckets_log > MAX_LOG)
		return -EBADMSG;
	table->sieve = take(rest, anchor_sieve_bytes(table->content));
	table->filter = take(rest, (UINT64_C(1) << table->words_log) * sizeof(uint32_t));
	table->buckets = take(
		rest, ((UINT64_C(1) << table->buckets_log) + 1) * sizeof(struct anchor_bucket));
	table->entries = take(rest, table->entries_count * (uint64_t)sizeof(struct anchor_entry));
	table->families =
		take(rest, table->families_count * (uint64_t)sizeof(struct anchor_family));
	table->slots = take(rest, table->slots_count * (uint64_t)sizeof(uint32_t));
	if (table->sieve == NULL || table->filter == NULL || table->buckets == NULL ||
		table->entries == NULL || table->families == NULL || table->slots == NULL)
		return -EBADMSG;
	return are_families(table) && are_buckets(table) ? 0 : -EBADMSG;
}

// More values of two bytes would not tell much.
#define VALUES_MOST 256u
#define SHIFT_MOST 16u

static void add_start(struct anchor_starts *starts, uint32_t offset)
{
	uint32_t at = starts->count;

	while (at > 0 && starts->offsets[at - 1] > offset)
		at--;
	if (at > 0 && starts->offsets[at - 1] == offset)
		return;
	if (starts->count == ANCHOR_START_OFFSETS) {
		starts->tells = false;
		return;
	}
	memmove(&starts->offsets[at + 1], &starts->offsets[at],
		(starts->count - at) * sizeof(starts->offsets[0]));
	starts->offsets[at] = offset;
	starts->count++;
}

// All values that the pattern's first two bytes can have.
static void note_pairs(
	struct anchor_starts *starts, const struct anchor_place *place, uint32_t offset)
{
	const unsigned int open = ~(unsigned int)place->mask & 0xffff;
	unsigned int value = 0;

	do {
		const uint32_t bit = anchor_start_bit(
			offset, (uint16_t)(((uint64_t)value | place->piece) & 0xffff));

		starts->bits[bit / 64] |= UINT64_C(1) << bit % 64;
		value = (value - open) & open;
	} while (value != 0);
}

static void note_starts(struct anchor_table *table)
{
	struct anchor_starts *starts = &table->starts;

	*starts = (struct anchor_starts){.tells = true};
	for (uint32_t i = 0; starts->tells && i < table->starts_count; i++) {
		const struct anchor_place *place = &table->places[i];
		const int open = __builtin_popcount(~(unsigned int)place->mask & 0xffff);

		if (place->offset_from != RULESET_OFFSET_START || place->shift > SHIFT_MOST ||
			place->offset > INT32_MAX || VALUES_MOST >> open == 0)
			starts->tells = false;
		for (uint32_t k = 0; starts->tells && k <= place->shift; k++) {
			add_start(starts, place->offset + k);
			note_pairs(starts, place, place->offset + k);
		}
	}
}

int anchor_open(
	const void *data, size_t bytes, enum anchor_content content, struct anchor_table *out)
{
	const struct anchor_header *header = data;
	struct rest rest = {data, bytes};
	int err;

	if (out->is_there || take(&rest, sizeof(*header)) == NULL || header->bytes != bytes ||
		header->reach > ANCHOR_HISTORY)
		return -EBADMSG;
	out->is_there = true;
	out->content = content;
	out->reach = header->reach;
	out->entries_count = header->entries_count;
	out->families_count = header->families_count;
	out->slots_count = header->slots_count;
	out->words_log = header->words_log;
	out->buckets_log = header->buckets_log;
	err = open_windows(&rest, out);
	if (err != 0)
		return err;
	out->places_count = header->places_count;
	out->starts_count = header->starts_count;
	if (out->starts_count > out->places_count)
		return -EBADMSG;
	out->places = take(&rest, out->places_count * (uint64_t)sizeof(struct anchor_place));
	if (out->places == NULL)
		return -EBADMSG;
	note_starts(out);
	return 0;
}

static bool is_checked(const struct ruleset *ruleset, uint32_t expression)
{
	return expression < ruleset->expressions_count &&
	       ruleset->expressions[expression].check_kind != RULESET_CHECK_NONE;
}

static bool is_entry(const struct anchor_entry *entry, const struct ruleset *ruleset)
{
	return is_checked(ruleset, entry->expression) && entry->piece_at >= -(int)entry->at &&
	       entry->piece_at <= ANCHOR_PIECE_BEHIND &&
	       (entry->whole == 0 ||
		       entry->whole == ruleset->expressions[entry->expression].length);
}

int anchor_check(const struct anchor_table *table, const struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < table->entries_count; i++)
		if (!is_entry(&table->entries[i], ruleset))
			return -EBADMSG;
	for (uint32_t i = 0; i < table->places_count; i++)
		if (!is_checked(ruleset, table->places[i].expression) ||
			table->places[i].length !=
				ruleset->expressions[table->places[i].expression].length ||
			table->places[i].offset_from > RULESET_OFFSET_LAST_SECTION)
			return -EBADMSG;
	return 0;
}
