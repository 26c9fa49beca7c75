// SPDX-License-Identifier: BSD-3-Clause
//
// The tables of scan/anchor.h. Those of a target hold what any target has too, so that an object is
// searched once.
#include "scan/ruleset_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// The filter has a word for two entries, but not more words than fit a processor's nearer memory.
#define LEAST_WORDS_LOG 8u
// The sieve has some bits for each entry, while it is small.
#define SIEVE_BITS_LOG 3u
#define LEAST_SIEVE_LOG 12u
#define MOST_SIEVE_LOG 21u
#define MOST_WORDS_LOG 18u

struct tables {
	struct build *build;
	struct build_vector entries[ANCHOR_KINDS]; // struct anchor_entry
	struct build_vector places;                // struct anchor_place
	struct build_spelling spelling;
	uint32_t reach;
};

static const uint32_t window_bytes[ANCHOR_KINDS] = {
	ANCHOR_LONG_BYTES, ANCHOR_MIDDLE_BYTES, ANCHOR_SHORT_BYTES};
static const uint32_t steps[ANCHOR_KINDS] = {
	ANCHOR_LONG_STEP, ANCHOR_MIDDLE_STEP, ANCHOR_SHORT_STEP};

static void set_byte(struct clamav_class *set, unsigned int byte)
{
	set->bits[byte >> 6] |= UINT64_C(1) << (byte & 63);
}

static unsigned int first_byte(const struct clamav_class *set)
{
	for (unsigned int i = 0; i < 4; i++)
		if (set->bits[i] != 0)
			return 64 * i + (unsigned int)__builtin_ctzll(set->bits[i]);
	return 0;
}

// The opposite of build_write_check.
static void read_check(const struct build *build, const struct build_expression *expression,
	struct build_spelling *out)
{
	const uint8_t *values = (const uint8_t *)expression->text;
	const uint8_t *masks = values + expression->length;
	const struct ruleset_class *classes = build->classes.items;

	out->length = expression->length;
	memset(out->sets, 0, out->length * sizeof(out->sets[0]));
	for (uint32_t i = 0; i < out->length; i++) {
		uint32_t number = values[i];

		if (expression->check_kind == RULESET_CHECK_PLAIN) {
			set_byte(&out->sets[i], values[i]);
		} else if (expression->check_kind == RULESET_CHECK_MASKED) {
			for (unsigned int byte = 0; byte < 256; byte++)
				if ((byte & masks[i]) == values[i])
					set_byte(&out->sets[i], byte);
		} else {
			number |= (uint32_t)masks[i] << 8;
			memcpy(out->sets[i].bits, classes[number].bits, sizeof(out->sets[i].bits));
		}
	}
}

// The values that a byte of the pattern has where it is looked up.
static uint32_t list_values(const struct build_spelling *spelling, uint32_t at, uint8_t *out)
{
	uint32_t count = 0;

	if (at < spelling->length && clamav_class_size(&spelling->sets[at]) == 1) {
		out[0] = (uint8_t)(first_byte(&spelling->sets[at]) | 0x20);
		return 1;
	}
	for (unsigned int byte = 0; byte < 256; byte++) {
		if ((byte & 0x20) == 0)
			continue;
		if (at >= spelling->length || clamav_class_has(&spelling->sets[at], byte) ||
			clamav_class_has(&spelling->sets[at], byte & 0xdf))
			out[count++] = (uint8_t)byte;
	}
	return count;
}

// The fixed byte that lies nearest to the window and not in it.
static void choose_guard(
	const struct build_spelling *spelling, uint32_t at, uint32_t n, struct anchor_entry *out)
{
	out->guard_at = ANCHOR_NO_GUARD;
	for (uint32_t away = 1; away < 100; away++) {
		const uint32_t places[2] = {at - away, at + n - 1 + away};

		for (unsigned int i = 0; i < 2; i++) {
			uint32_t place = places[i];

			if (place >= spelling->length ||
				clamav_class_size(&spelling->sets[place]) != 1)
				continue;
			out->guard_at = (int8_t)((int32_t)place - (int32_t)at);
			out->guard = (uint8_t)first_byte(&spelling->sets[place]);
			return;
		}
	}
}

// Every variant of the window is an entry.
static void add_window(
	struct tables *tables, enum anchor_kind kind, uint32_t expression, uint32_t at)
{
	uint8_t values[8][128];
	uint32_t counts[8];
	uint32_t chosen[8] = {0};
	uint32_t n = window_bytes[kind];
	struct anchor_entry common = {.expression = expression, .at = (uint16_t)at};
	uint32_t i = 0;

	choose_guard(&tables->spelling, at, n, &common);

	for (uint32_t k = 0; k < n; k++)
		counts[k] = list_values(&tables->spelling, at + k, values[k]);
	while (i < n) {
		struct anchor_entry *entry =
			build_push(tables->build, &tables->entries[kind], sizeof(*entry));

		if (entry == NULL)
			return;
		*entry = common;
		for (uint32_t k = 0; k < n; k++)
			entry->window |= (uint64_t)values[k][chosen[k]] << (8 * k);
		for (i = 0; i < n && ++chosen[i] == counts[i]; i++)
			chosen[i] = 0;
	}
}

static void add_expression(struct tables *tables, uint32_t number)
{
	const struct build_expression *expression =
		(const struct build_expression *)tables->build->expressions.items + number;
	struct build_anchor anchor;
	struct anchor_place *place;

	if (expression->place.offset_from != RULESET_OFFSET_ANY) {
		place = build_push(tables->build, &tables->places, sizeof(*place));
		if (place == NULL)
			return;
		*place = expression->place;
		place->expression = number;
		return;
	}
	read_check(tables->build, expression, &tables->spelling);
	if (!build_find_anchor(&tables->spelling, &anchor))
		return;
	for (uint32_t i = 0; i < steps[anchor.kind]; i++)
		add_window(tables, anchor.kind, number, anchor.at + i);
	if (expression->length - anchor.at > tables->reach)
		tables->reach = expression->length - anchor.at;
}

// ---- laying out --------------------------------------------------------------------------------

static unsigned int log_up(size_t n)
{
	unsigned int log = 0;

	while (((size_t)1 << log) < n)
		log++;
	return log;
}

static size_t aligned(size_t bytes)
{
	return (bytes + 15) & ~(size_t)15;
}

static unsigned int clamp(unsigned int value, unsigned int least, unsigned int most)
{
	value = value > least ? value : least;
	return value < most ? value : most;
}

static size_t windows_bytes(
	const struct tables *tables, struct anchor_header *header, unsigned int kind)
{
	size_t count = tables->entries[kind].count;
	unsigned int log = log_up(count);

	if (count == 0)
		return 0;
	log = clamp(log > 0 ? log - 1 : 0, LEAST_WORDS_LOG, MOST_WORDS_LOG);
	header->kinds[kind].entries_count = (uint32_t)count;
	header->kinds[kind].sieve_log =
		clamp(log_up(count) + SIEVE_BITS_LOG, LEAST_SIEVE_LOG, MOST_SIEVE_LOG);
	header->kinds[kind].words_log = log;
	header->kinds[kind].buckets_log = log_up(count) > 0 ? log_up(count) : 1;
	return aligned((size_t)1 << (header->kinds[kind].sieve_log - 3)) +
	       aligned(sizeof(uint32_t) << log) +
	       aligned((((size_t)1 << header->kinds[kind].buckets_log) + 1) * sizeof(uint32_t)) +
	       aligned(count * sizeof(struct anchor_entry));
}

// Of a kind that has entries. Returns what is behind it.
static uint8_t *write_windows(const struct tables *tables, const struct anchor_header *header,
	unsigned int kind, uint8_t *at)
{
	const struct anchor_entry *entries = tables->entries[kind].items;
	size_t count = tables->entries[kind].count;
	unsigned int sieve_shift = 64 - header->kinds[kind].sieve_log;
	unsigned int filter_shift = 64 - header->kinds[kind].words_log;
	unsigned int bucket_shift = 64 - header->kinds[kind].buckets_log;
	size_t buckets_count = (size_t)1 << header->kinds[kind].buckets_log;
	uint32_t *sieve = (void *)at;
	uint32_t *filter = (void *)(at + aligned((size_t)1 << (header->kinds[kind].sieve_log - 3)));
	uint32_t *buckets = (void *)((uint8_t *)filter +
				     aligned(sizeof(uint32_t) << header->kinds[kind].words_log));
	struct anchor_entry *out =
		(void *)((uint8_t *)buckets + aligned((buckets_count + 1) * sizeof(*buckets)));

	for (size_t i = 0; i < count; i++) {
		uint64_t hash = anchor_hash(entries[i].window);

		sieve[hash >> sieve_shift >> 5] |= 1u << (hash >> sieve_shift & 31);
		filter[hash >> filter_shift] |=
			1u << anchor_bit(hash) | 1u << anchor_other_bit(hash);
		buckets[(hash >> bucket_shift) + 1]++;
	}
	for (size_t i = 0; i < buckets_count; i++)
		buckets[i + 1] += buckets[i];
	// Filled from its end, each number becomes the first of its bucket.
	for (size_t i = count; i-- > 0;) {
		size_t bucket = anchor_hash(entries[i].window) >> bucket_shift;

		out[--buckets[bucket + 1]] = entries[i];
	}
	memmove(buckets, buckets + 1, buckets_count * sizeof(*buckets));
	buckets[buckets_count] = (uint32_t)count;
	return (uint8_t *)out + aligned(count * sizeof(*out));
}

static int lay_out(const struct tables *tables, struct build_text *out)
{
	struct anchor_header header = {
		.reach = tables->reach, .places_count = (uint32_t)tables->places.count};
	size_t bytes = sizeof(header) + aligned(tables->places.count * sizeof(struct anchor_place));
	uint8_t *at;

	for (unsigned int i = 0; i < ANCHOR_KINDS; i++)
		bytes += windows_bytes(tables, &header, i);
	header.bytes = bytes;
	out->data = calloc(1, bytes);
	if (out->data == NULL)
		return -ENOMEM;
	out->bytes = bytes;
	at = (uint8_t *)out->data;
	memcpy(at, &header, sizeof(header));
	at += sizeof(header);
	for (unsigned int i = 0; i < ANCHOR_KINDS; i++)
		if (tables->entries[i].count > 0)
			at = write_windows(tables, &header, i, at);
	if (tables->places.count > 0)
		memcpy(at, tables->places.items,
			tables->places.count * sizeof(struct anchor_place));
	return 0;
}

// Returns false when the target has nothing of its own.
static bool add_target(struct tables *tables, uint32_t target)
{
	const struct build *build = tables->build;
	const struct build_expression *expressions = build->expressions.items;
	bool own = false;

	for (uint32_t i = 0; i < build->expressions.count; i++) {
		if (expressions[i].check_kind == RULESET_CHECK_NONE ||
			(expressions[i].target != target &&
				expressions[i].target != FILETYPE_TARGET_ANY) ||
			!build_is_used(build, &expressions[i]))
			continue;
		own = own || expressions[i].target == target;
		add_expression(tables, i);
	}
	return own;
}

int build_anchors(struct build *build)
{
	struct tables *tables = calloc(1, sizeof(*tables));
	int err = tables != NULL ? 0 : -ENOMEM;

	for (uint32_t target = 0; target < FILETYPE_TARGETS && err == 0; target++) {
		tables->build = build;
		tables->reach = 0;
		tables->places.count = 0;
		for (unsigned int i = 0; i < ANCHOR_KINDS; i++)
			tables->entries[i].count = 0;
		if (add_target(tables, target))
			err = lay_out(tables, &build->anchors[target]);
		if (build->failed)
			err = -ENOMEM;
	}
	for (unsigned int i = 0; tables != NULL && i < ANCHOR_KINDS; i++)
		free(tables->entries[i].items);
	if (tables != NULL)
		free(tables->places.items);
	free(tables);
	return err;
}
