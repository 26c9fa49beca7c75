// SPDX-License-Identifier: BSD-3-Clause
//
// The tables of scan/anchor.h. Those of a target hold what any target has too, so that an object is
// searched once. Those for text hold what can be in text.
#include "scan/ruleset_build.h"
#include "scan/ruleset_build_family.h"
#include "scan/ruleset_build_ready.h"
#include "scan/ruleset_build_window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// The filter has a word for two entries, but not more words than fit a processor's nearer memory.
#define LEAST_WORDS_LOG 8u
#define MOST_WORDS_LOG 18u

struct tables {
	struct build *build;
	struct build_windows *windows;
	enum anchor_content content;
	struct build_vector entries; // struct build_waiting
	struct build_vector places;  // struct anchor_place
	struct build_spelling spelling;
	uint32_t reach;
};

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

// Every variant of the window is an entry.
static void add_windows(struct tables *tables, const struct anchor_entry *entry)
{
	uint8_t values[ANCHOR_WINDOW_BYTES][128];
	uint32_t counts[ANCHOR_WINDOW_BYTES];
	uint32_t chosen[ANCHOR_WINDOW_BYTES] = {0};
	struct build_waiting noted = {
		.entry = *entry, .beside = build_beside_of(&tables->spelling, entry->at)};
	uint32_t i = 0;

	build_families_note(&tables->spelling, &noted);
	for (uint32_t k = 0; k < ANCHOR_WINDOW_BYTES; k++)
		counts[k] = list_values(&tables->spelling, entry->at + k, values[k]);
	while (i < ANCHOR_WINDOW_BYTES) {
		struct build_waiting *waiting =
			build_push(tables->build, &tables->entries, sizeof(*waiting));
		uint8_t bytes[ANCHOR_WINDOW_BYTES];

		if (waiting == NULL)
			return;
		*waiting = noted;
		for (uint32_t k = 0; k < ANCHOR_WINDOW_BYTES; k++)
			bytes[k] = values[k][chosen[k]];
		memcpy(&waiting->window, bytes, sizeof(waiting->window));
		for (i = 0; i < ANCHOR_WINDOW_BYTES && ++chosen[i] == counts[i]; i++)
			chosen[i] = 0;
	}
}

// Leaves of the pattern what can be in bytes of the content. Returns false where it cannot be there.
static bool narrow(struct build_spelling *spelling, enum anchor_content content)
{
	static const struct clamav_class text = {
		{UINT64_C(0xffffffff00002600), UINT64_MAX, UINT64_MAX, UINT64_MAX}};
	static const struct clamav_class lower = {{UINT64_C(0xffffffff00002600),
		UINT64_C(0xfffffffff8000001), UINT64_MAX, UINT64_MAX}};
	static const struct clamav_class codes = {
		{UINT64_C(0x03ff880000002400), UINT64_C(0x07fffffe07fffffe)}};
	const struct clamav_class *all = content == ANCHOR_CODES   ? &codes
					 : content == ANCHOR_LOWER ? &lower
								   : &text;

	for (uint32_t i = 0; content != ANCHOR_BYTES && i < spelling->length; i++) {
		uint64_t any = 0;

		for (unsigned int k = 0; k < 4; k++)
			any |= spelling->sets[i].bits[k] &= all->bits[k];
		if (any == 0)
			return false;
	}
	return true;
}

// Reads the pattern's spelling. Returns false where it cannot be in bytes of the content.
static bool read_spelling(struct tables *tables, const struct build_expression *expression)
{
	read_check(tables->build, expression, &tables->spelling);
	return narrow(&tables->spelling, tables->content);
}

static void add_expression(struct tables *tables, uint32_t number)
{
	const struct build_expression *expression =
		(const struct build_expression *)tables->build->expressions.items + number;
	struct anchor_entry entry = {.expression = number};

	if (!read_spelling(tables, expression))
		return;
	build_choose_window(tables->windows, &tables->spelling, &entry);
	if ((expression->flags & RULESET_EXPRESSION_AT_END) != 0)
		entry.whole = 0;
	add_windows(tables, &entry);
	if (expression->length - entry.at > tables->reach)
		tables->reach = expression->length - entry.at;
}

static void add_place(struct tables *tables, uint32_t number)
{
	const struct build_expression *expression =
		(const struct build_expression *)tables->build->expressions.items + number;
	struct anchor_place *place;

	if (!read_spelling(tables, expression))
		return;
	place = build_push(tables->build, &tables->places, sizeof(*place));
	if (place == NULL)
		return;
	*place = expression->place;
	place->expression = number;
	place->length = expression->length;
	build_first_piece(&tables->spelling, &place->piece, &place->mask);
}

// ---- laying out --------------------------------------------------------------------------------

static unsigned int log_up(size_t n)
{
	unsigned int log = 0;

	while (((size_t)1 << log) < n)
		log++;
	return log;
}

static unsigned int buckets_log_for(size_t entries)
{
	const unsigned int log = log_up(entries);

	return log > 0 ? log : 1;
}

static size_t aligned(size_t bytes)
{
	return (bytes + 15) & ~(size_t)15;
}

// What the entries become.
struct layout {
	struct anchor_header header;
	struct anchor_bucket *buckets;
	uint32_t *order; // of the entries, by their buckets
	struct build_families families;
};

static void set_sizes(const struct tables *tables, struct anchor_header *header)
{
	const unsigned int log = log_up(tables->entries.count);

	header->words_log = log > LEAST_WORDS_LOG ? log - 1 : LEAST_WORDS_LOG;
	if (header->words_log > MOST_WORDS_LOG)
		header->words_log = MOST_WORDS_LOG;
	header->buckets_log = buckets_log_for(tables->entries.count);
}

// Sorts the entries by their buckets, whose first ones it sets.
static void fill_buckets(const struct tables *tables, struct layout *layout)
{
	const struct build_waiting *waiting = tables->entries.items;
	const unsigned int shift = 64 - layout->header.buckets_log;
	const size_t buckets_count = (size_t)1 << layout->header.buckets_log;
	struct anchor_bucket *buckets = layout->buckets;

	for (size_t i = 0; i < tables->entries.count; i++) {
		const size_t bucket = anchor_hash(waiting[i].window) >> shift;

		buckets[bucket].before |= waiting[i].beside.before;
		buckets[bucket].behind |= waiting[i].beside.behind;
		buckets[bucket + 1].first++;
	}
	for (size_t i = 0; i < buckets_count; i++)
		buckets[i + 1].first += buckets[i].first;
	// Filled from its end, each number becomes the first of its bucket.
	for (size_t i = tables->entries.count; i-- > 0;)
		layout->order[--buckets[(anchor_hash(waiting[i].window) >> shift) + 1].first] =
			(uint32_t)i;
	for (size_t i = 0; i < buckets_count; i++)
		buckets[i].first = buckets[i + 1].first;
	buckets[buckets_count].first = (uint32_t)tables->entries.count;
}

// Returns 0 or -ENOMEM.
static int set_buckets(const struct tables *tables, struct layout *layout)
{
	struct anchor_header *header = &layout->header;
	const size_t count = (size_t)1 << header->buckets_log;

	layout->families =
		(struct build_families){.build = tables->build, .waiting = tables->entries.items};
	layout->buckets = calloc(count + 1, sizeof(*layout->buckets));
	layout->order = calloc(tables->entries.count, sizeof(*layout->order));
	if (layout->buckets == NULL || layout->order == NULL)
		return -ENOMEM;
	fill_buckets(tables, layout);
	for (size_t i = 0; i < count; i++) {
		const uint32_t first = layout->buckets[i].first;

		layout->buckets[i].first = build_families_add(&layout->families,
			layout->order + first, first, layout->buckets[i + 1].first - first);
	}
	header->families_count = (uint32_t)layout->families.families.count;
	header->slots_count = (uint32_t)layout->families.slots.count;
	header->bytes += anchor_sieve_bytes(tables->content) +
			 aligned(sizeof(uint32_t) << header->words_log) +
			 aligned((count + 1) * sizeof(struct anchor_bucket)) +
			 aligned(tables->entries.count * sizeof(struct anchor_entry)) +
			 aligned(header->families_count * sizeof(struct anchor_family)) +
			 aligned(header->slots_count * sizeof(uint32_t));
	return tables->build->failed ? -ENOMEM : 0;
}

static uint8_t *append(uint8_t *at, const void *items, size_t bytes)
{
	if (bytes > 0)
		memcpy(at, items, bytes);
	return at + aligned(bytes);
}

// Returns what is behind it.
static uint8_t *write_windows(const struct tables *tables, const struct layout *layout, uint8_t *at)
{
	const struct anchor_header *header = &layout->header;
	const struct build_waiting *waiting = tables->entries.items;
	const size_t count = tables->entries.count;
	uint32_t *filter;
	struct anchor_entry *out;

	at = append(at, build_windows_sieve(tables->windows), anchor_sieve_bytes(tables->content));
	filter = (void *)at;
	for (size_t i = 0; i < count; i++) {
		const uint64_t hash = anchor_hash(waiting[i].window);

		filter[hash >> (64 - header->words_log)] |=
			1u << anchor_bit(hash) | 1u << anchor_other_bit(hash);
	}
	at = append(at + aligned(sizeof(uint32_t) << header->words_log), layout->buckets,
		(((size_t)1 << header->buckets_log) + 1) * sizeof(*layout->buckets));
	out = (void *)at;
	for (size_t i = 0; i < count; i++)
		out[i] = waiting[layout->order[i]].entry;
	at = append(at + aligned(count * sizeof(*out)), layout->families.families.items,
		header->families_count * sizeof(struct anchor_family));
	return append(at, layout->families.slots.items, header->slots_count * sizeof(uint32_t));
}

// A place, and where it ends at last if it is told from the start; 0: it is not.
struct placed {
	uint64_t end;
	struct anchor_place place;
};

static int compare_placed(const void *a, const void *b)
{
	const struct placed *left = a;
	const struct placed *right = b;

	if (left->end != right->end)
		return left->end > right->end ? -1 : 1;
	return (left->place.expression > right->place.expression) -
	       (left->place.expression < right->place.expression);
}

// Those that are told from the start come first, and the latest first of these.
static int sort_places(struct tables *tables, struct anchor_header *header)
{
	const struct build_expression *expressions = tables->build->expressions.items;
	struct anchor_place *places = tables->places.items;
	size_t count = tables->places.count;
	struct placed *placed = calloc(count + 1, sizeof(*placed));

	if (placed == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		placed[i].place = places[i];
		if (places[i].offset_from != RULESET_OFFSET_START)
			continue;
		placed[i].end = (uint64_t)places[i].offset + places[i].shift +
				expressions[places[i].expression].length;
		header->starts_count++;
	}
	qsort(placed, count, sizeof(*placed), compare_placed);
	for (size_t i = 0; i < count; i++)
		places[i] = placed[i].place;
	free(placed);
	return 0;
}

static int write_all(struct tables *tables, struct layout *layout, struct build_text *out)
{
	int err = sort_places(tables, &layout->header);
	uint8_t *at;

	if (err == 0 && tables->entries.count > 0)
		err = set_buckets(tables, layout);
	if (err != 0)
		return err;
	out->data = calloc(1, layout->header.bytes);
	if (out->data == NULL)
		return -ENOMEM;
	out->bytes = layout->header.bytes;
	at = append((uint8_t *)out->data, &layout->header, sizeof(layout->header));
	if (tables->entries.count > 0)
		at = write_windows(tables, layout, at);
	append(at, tables->places.items, tables->places.count * sizeof(struct anchor_place));
	return 0;
}

static int lay_out(struct tables *tables, struct build_text *out)
{
	struct layout layout = {.header = {.reach = tables->reach,
					.places_count = (uint32_t)tables->places.count,
					.entries_count = (uint32_t)tables->entries.count}};
	int err;

	layout.header.bytes =
		sizeof(layout.header) + aligned(tables->places.count * sizeof(struct anchor_place));
	if (tables->entries.count > 0)
		set_sizes(tables, &layout.header);
	err = write_all(tables, &layout, out);
	free(layout.buckets);
	free(layout.order);
	build_families_free(&layout.families);
	return err;
}

// ---- targets -----------------------------------------------------------------------------------

static bool is_for(const struct build *build, uint32_t number, uint32_t target)
{
	const struct build_expression *expression =
		(const struct build_expression *)build->expressions.items + number;

	return expression->check_kind != RULESET_CHECK_NONE &&
	       (expression->target == target || expression->target == FILETYPE_TARGET_ANY) &&
	       build_is_used(build, expression);
}

// Adds what is to be searched for, short patterns first: they have the least choice.
static int add_by_length(struct tables *tables, uint32_t target)
{
	const struct build *build = tables->build;
	const struct build_expression *expressions = build->expressions.items;
	uint32_t first[RULESET_MAX_CHECK + 2] = {0};
	uint32_t *order = calloc(build->expressions.count + 1, sizeof(*order));

	if (order == NULL)
		return -ENOMEM;
	for (unsigned int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < build->expressions.count; i++) {
			if (!is_for(build, i, target) ||
				expressions[i].place.offset_from != RULESET_OFFSET_ANY ||
				!read_spelling(tables, &expressions[i]))
				continue;
			if (pass == 0)
				first[expressions[i].length + 1]++;
			else
				order[first[expressions[i].length]++] = i;
		}
		for (uint32_t i = 0; i < RULESET_MAX_CHECK + 1 && pass == 0; i++)
			first[i + 1] += first[i];
	}
	tables->windows = build_ready_windows(tables->build->ready, target, tables->content,
		buckets_log_for(first[RULESET_MAX_CHECK]));
	for (uint32_t i = 0; i < first[RULESET_MAX_CHECK] && tables->windows != NULL; i++)
		add_expression(tables, order[i]);
	free(order);
	return tables->windows != NULL ? 0 : -ENOMEM;
}

// The target has something of its own: what is not for any target.
static bool has_own(const struct build *build, uint32_t target)
{
	const struct build_expression *expressions = build->expressions.items;

	for (uint32_t i = 0; i < build->expressions.count; i++)
		if (expressions[i].target == target && is_for(build, i, target))
			return true;
	return false;
}

static int add_target(struct tables *tables, uint32_t target)
{
	struct build_text *out =
		&tables->build->anchors[(uint32_t)tables->content * FILETYPE_TARGETS + target];
	const struct build_expression *expressions = tables->build->expressions.items;
	int err;

	tables->reach = 0;
	tables->places.count = 0;
	tables->entries.count = 0;
	tables->windows = NULL;
	err = add_by_length(tables, target);
	for (uint32_t i = 0; i < tables->build->expressions.count && err == 0; i++)
		if (expressions[i].place.offset_from != RULESET_OFFSET_ANY &&
			is_for(tables->build, i, target))
			add_place(tables, i);
	if (err == 0)
		err = tables->build->failed ? -ENOMEM : lay_out(tables, out);
	build_windows_free(tables->windows);
	return err;
}

// Mails, parts and files of any kind, and the copies of pages and texts, which have no capitals.
static bool is_wanted(uint32_t target, enum anchor_content content)
{
	switch (target) {
	case FILETYPE_TARGET_ANY:
		return true;
	case FILETYPE_TARGET_HTML:
	case FILETYPE_TARGET_TEXT:
		return content != ANCHOR_CODES;
	case FILETYPE_TARGET_MAIL:
		return content != ANCHOR_LOWER;
	default:
		return content == ANCHOR_BYTES;
	}
}

int build_anchors(struct build *build)
{
	struct tables *tables = calloc(1, sizeof(*tables));
	int err = tables != NULL ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < RULESET_ANCHOR_TABLES && err == 0; i++) {
		uint32_t target = i % FILETYPE_TARGETS;

		tables->build = build;
		tables->content = (enum anchor_content)(i / FILETYPE_TARGETS);
		if (is_wanted(target, tables->content) && has_own(build, target))
			err = add_target(tables, target);
	}
	if (tables != NULL) {
		free(tables->entries.items);
		free(tables->places.items);
	}
	free(tables);
	return err;
}
