// SPDX-License-Identifier: BSD-3-Clause
// A list of screening entries to its image, and what has changed of it to a layer on that.
#include "scan/scan.h"
#include "scan/screen_image.h"
#include "scan/screen_texts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETS ((size_t)SCREEN_SETS * DIGEST_ALGORITHMS)
#define LEAST_BITS_LOG 9
#define MOST_BITS_LOG 20

struct order {
	uint64_t id;
	uint32_t entry;
};

struct set_list {
	struct hashset_entry *entries;
	size_t count;
	struct screen_sizes sizes;
	uint64_t *bits;
};

struct build {
	const struct screen_part *below; // of a layer, NULL: there is none
	uint32_t *gone;                  // of its records
	uint32_t gone_count;
	const struct screen_entry *entries;
	size_t count;
	struct order *order; // by id, without what is there twice
	size_t order_count;
	struct screen_texts texts;
	struct screen_record *records;
	uint32_t types[SCREEN_MAX_TYPES];
	uint32_t types_count;
	struct screen_place places[SCREEN_MAX_PLACES];
	uint32_t places_count;
	uint32_t lengths[SCREEN_MAX_LENGTHS];
	uint32_t lengths_count;
	struct screen_window *windows;
	uint32_t windows_count;
	struct set_list sets[SETS];
	char *error;
	size_t error_bytes;
};

static int refuse(const struct build *build, int err, size_t entry, const char *why)
{
	(void)snprintf(build->error, build->error_bytes, "entry %zu: %s", entry + 1, why);
	return err;
}

// ---- order ---------------------------------------------------------------------------------------

static int compare_orders(const void *a, const void *b)
{
	const struct order *x = a;
	const struct order *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return (x->entry > y->entry) - (x->entry < y->entry);
}

static int put_in_order(struct build *build)
{
	char why[256] = "";

	build->order = calloc(build->count + 1, sizeof(*build->order));
	if (build->order == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < build->count; i++) {
		if (screen_check(&build->entries[i], why, sizeof(why)) != 0)
			return refuse(build, -EINVAL, i, why);
		build->order[i] = (struct order){screen_id(&build->entries[i]), (uint32_t)i};
	}
	qsort(build->order, build->count, sizeof(*build->order), compare_orders);
	for (size_t i = 0; i < build->count; i++)
		if (build->order_count == 0 ||
			build->order[i].id != build->order[build->order_count - 1].id)
			build->order[build->order_count++] = build->order[i];
	return 0;
}

// ---- what entries share --------------------------------------------------------------------------

// The type's bit, or SCREEN_ANY_TYPE; 0: there are too many.
static uint64_t add_type(struct build *build, uint32_t type)
{
	uint32_t i = 0;

	if (type == 0)
		return SCREEN_ANY_TYPE;
	while (i < build->types_count && build->types[i] != type)
		i++;
	if (i == SCREEN_MAX_TYPES)
		return 0;
	if (i == build->types_count)
		build->types[build->types_count++] = type;
	return SCREEN_ANY_TYPE << (i + 1);
}

static int add_place(struct build *build, const struct screen_entry *entry, uint64_t type,
	struct screen_record *record)
{
	struct screen_place *place = build->places;
	uint32_t i = 0;

	while (i < build->places_count &&
		(place[i].offset != entry->offset || place[i].length != entry->length ||
			place[i].from_end != entry->from_end))
		i++;
	if (i == SCREEN_MAX_PLACES)
		return -E2BIG;
	if (i == build->places_count)
		place[build->places_count++] = (struct screen_place){.offset = entry->offset,
			.length = entry->length,
			.from_end = entry->from_end};
	place[i].types |= type;
	place[i].algorithms |= entry->algorithm;
	place[i].sizes |=
		entry->bytes == 0 ? UINT64_MAX : UINT64_C(1) << screen_size_bit(entry->bytes, 6);
	record->place = i;
	return 0;
}

static int add_window(struct build *build, const struct screen_record *record, uint32_t number)
{
	uint32_t most =
		SCREEN_MAX_WINDOWS - (build->below != NULL ? build->below->windows_count : 0);
	uint32_t i = 0;

	while (i < build->lengths_count && build->lengths[i] != record->length)
		i++;
	if (i == SCREEN_MAX_LENGTHS || build->windows_count == most)
		return -E2BIG;
	if (i == build->lengths_count)
		build->lengths[build->lengths_count++] = (uint32_t)record->length;
	build->windows[build->windows_count++] =
		(struct screen_window){record->rolling, (uint32_t)record->length, number};
	return 0;
}

static enum screen_set_kind set_of(enum screen_kind kind)
{
	switch (kind) {
	case SCREEN_FILE:
		return SCREEN_SET_FILE;
	case SCREEN_BODY:
		return SCREEN_SET_BODY;
	case SCREEN_MESSAGE:
		return SCREEN_SET_MESSAGE;
	case SCREEN_RANGE:
		return SCREEN_SET_RANGE;
	case SCREEN_SECTION:
	case SCREEN_WINDOW:
	case SCREEN_KINDS_COUNT:
		break;
	}
	return SCREEN_SET_SECTION;
}

static struct set_list *list_of(struct build *build, const struct screen_record *record)
{
	return &build->sets[(size_t)set_of((enum screen_kind)record->kind) * DIGEST_ALGORITHMS +
			    record->algorithm];
}

static void add_digest(
	struct build *build, const struct screen_record *record, uint64_t type, uint32_t number)
{
	struct set_list *list = list_of(build, record);
	struct hashset_entry *entry = &list->entries[list->count++];

	memcpy(entry->digest, record->digest, sizeof(entry->digest));
	// Of a section that is its own; where a range is, the object may still go on.
	entry->bytes = record->kind == SCREEN_SECTION ? record->length : record->bytes;
	if (record->kind == SCREEN_RANGE)
		entry->bytes = 0;
	entry->value = number;
	if (entry->bytes == 0)
		list->sizes.any_size |= type;
	else
		list->sizes.sized |= type;
	if (entry->bytes > list->sizes.max_bytes)
		list->sizes.max_bytes = entry->bytes;
}

static int add_record(struct build *build, uint32_t number)
{
	const struct order *order = &build->order[number];
	const struct screen_entry *entry = &build->entries[order->entry];
	struct screen_record *record = &build->records[number];
	bool is_named = entry->name != NULL && entry->name[0] != '\0';
	uint64_t type;

	*record = (struct screen_record){.id = order->id,
		.bytes = entry->bytes,
		.offset = entry->offset,
		.length = entry->length,
		.rolling = entry->rolling,
		.section = entry->section,
		.kind = (uint8_t)entry->kind,
		.action = (uint8_t)entry->action,
		.algorithm = (uint8_t)__builtin_ctz(entry->algorithm),
		.from_end = entry->from_end};
	memcpy(record->digest, entry->digest, sizeof(record->digest));
	if (screen_texts_add(&build->texts, entry->virus_id, &record->virus_id) != 0 ||
		screen_texts_add(&build->texts, is_named ? entry->name : entry->virus_id,
			&record->name) != 0 ||
		screen_texts_add(&build->texts, entry->file_type, &record->file_type) != 0)
		return -ENOMEM;
	type = add_type(build, record->file_type);
	if (type == 0)
		return refuse(build, -E2BIG, order->entry, "file_type: too many different ones");
	if (entry->kind == SCREEN_RANGE && add_place(build, entry, type, record) != 0)
		return refuse(build, -E2BIG, order->entry, "offset: too many different ranges");
	if (entry->kind != SCREEN_WINDOW)
		add_digest(build, record, type, number);
	else if (add_window(build, record, number) != 0)
		return refuse(build, -E2BIG, order->entry,
			"length: too many windows, or different lengths of them");
	return 0;
}

// Room for each set, by how many entries it will have.
static int make_room(struct build *build)
{
	size_t counts[SETS + 1] = {0};

	for (size_t i = 0; i < build->order_count; i++) {
		const struct screen_entry *entry = &build->entries[build->order[i].entry];
		size_t set = (size_t)set_of(entry->kind) * DIGEST_ALGORITHMS +
			     (size_t)__builtin_ctz(entry->algorithm);

		counts[entry->kind == SCREEN_WINDOW ? SETS : set]++;
	}
	for (size_t i = 0; i < SETS; i++) {
		build->sets[i].entries = calloc(counts[i] + 1, sizeof(*build->sets[i].entries));
		if (build->sets[i].entries == NULL)
			return -ENOMEM;
	}
	build->windows = calloc(counts[SETS] + 1, sizeof(*build->windows));
	build->records = calloc(build->order_count + 1, sizeof(*build->records));
	return build->windows != NULL && build->records != NULL ? 0 : -ENOMEM;
}

// ---- sections ------------------------------------------------------------------------------------

static int compare_windows(const void *a, const void *b)
{
	const struct screen_window *x = a;
	const struct screen_window *y = b;

	if (x->rolling != y->rolling)
		return x->rolling < y->rolling ? -1 : 1;
	return (x->record > y->record) - (x->record < y->record);
}

static int compare_lengths(const void *a, const void *b)
{
	const uint32_t *x = a;
	const uint32_t *y = b;

	return (*x > *y) - (*x < *y);
}

static int note_sizes(struct set_list *list)
{
	struct screen_sizes *sizes = &list->sizes;

	if (sizes->sized == 0)
		return 0;
	sizes->bits_log = LEAST_BITS_LOG;
	while (sizes->bits_log < MOST_BITS_LOG && (size_t)1 << sizes->bits_log < list->count * 16)
		sizes->bits_log++;
	list->bits = calloc((size_t)1 << sizes->bits_log, 1);
	if (list->bits == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < list->count; i++) {
		uint64_t bit = screen_size_bit(list->entries[i].bytes, sizes->bits_log);

		if (list->entries[i].bytes != 0)
			list->bits[bit / 64] |= UINT64_C(1) << (bit % 64);
	}
	return 0;
}

// How many there are in the image below; those that are gone count, too.
static size_t count_below(const struct build *build, size_t set, const struct hashset_entry *entry)
{
	const struct screen_digests *digests;

	if (build->below == NULL)
		return 0;
	digests = &build->below->digests[set / DIGEST_ALGORITHMS][set % DIGEST_ALGORITHMS];
	return hashset_count(&digests->hashes, entry->digest);
}

// In the order that hashset_build has put them in.
static int check_same(const struct build *build, size_t set)
{
	const struct set_list *list = &build->sets[set];
	size_t same = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct hashset_entry *entry = &list->entries[i];

		same = i > 0 && memcmp(entry->digest, entry[-1].digest, sizeof(entry->digest)) == 0
			       ? same + 1
			       : count_below(build, set, entry) + 1;
		if (same > SCREEN_SAME_DIGEST)
			return refuse(build, -E2BIG, build->order[entry->value].entry,
				"digest: too many entries have this one");
	}
	return 0;
}

struct writer {
	uint8_t *image; // NULL: only its size is wanted
	size_t at;
	struct screen_section *sections;
	uint32_t count;
};

static void *put_section(
	struct writer *writer, uint32_t kind, uint32_t index, const void *data, size_t bytes)
{
	size_t at = writer->at;

	writer->at = (at + bytes + SCREEN_ALIGN - 1) & ~(size_t)(SCREEN_ALIGN - 1);
	if (writer->image == NULL)
		return NULL;
	writer->sections[writer->count++] = (struct screen_section){kind, index, at, bytes};
	if (data != NULL && bytes > 0)
		memcpy(writer->image + at, data, bytes);
	return writer->image + at;
}

static void put_sets(const struct build *build, struct writer *writer)
{
	for (size_t i = 0; i < SETS; i++) {
		const struct set_list *list = &build->sets[i];
		void *block;

		if (list->count == 0)
			continue;
		block = put_section(writer, SCREEN_DIGESTS, (uint32_t)i, NULL,
			hashset_block_bytes(list->count));
		if (block != NULL)
			hashset_build(list->entries, list->count, block);
	}
	for (size_t i = 0; i < SETS; i++) {
		const struct set_list *list = &build->sets[i];
		size_t bits_bytes =
			list->bits != NULL ? (size_t)1 << (list->sizes.bits_log - 3) : 0;
		uint8_t *at;

		if (list->count == 0)
			continue;
		at = put_section(
			writer, SCREEN_SIZES, (uint32_t)i, NULL, sizeof(list->sizes) + bits_bytes);
		if (at == NULL)
			continue;
		memcpy(at, &list->sizes, sizeof(list->sizes));
		if (bits_bytes > 0)
			memcpy(at + sizeof(list->sizes), list->bits, bits_bytes);
	}
}

static void put_all(const struct build *build, struct writer *writer)
{
	writer->at =
		(sizeof(struct screen_header) + SCREEN_ALIGN - 1) & ~(size_t)(SCREEN_ALIGN - 1);
	(void)put_section(writer, SCREEN_STRINGS, 0, build->texts.bytes, build->texts.used);
	(void)put_section(writer, SCREEN_RECORDS, 0, build->records,
		build->order_count * sizeof(*build->records));
	(void)put_section(
		writer, SCREEN_TYPES, 0, build->types, build->types_count * sizeof(*build->types));
	(void)put_section(writer, SCREEN_PLACES, 0, build->places,
		build->places_count * sizeof(*build->places));
	(void)put_section(writer, SCREEN_LENGTHS, 0, build->lengths,
		build->lengths_count * sizeof(*build->lengths));
	(void)put_section(writer, SCREEN_WINDOWS, 0, build->windows,
		build->windows_count * sizeof(*build->windows));
	put_sets(build, writer);
	if (build->below == NULL)
		return;
	(void)put_section(writer, SCREEN_OF, 0, build->below->sha256,
		sizeof(((struct screen_header *)0)->sha256));
	(void)put_section(
		writer, SCREEN_GONE, 0, build->gone, build->gone_count * sizeof(*build->gone));
}

static int write_image(const struct build *build, void **image, size_t *image_bytes)
{
	struct writer writer = {0};
	struct screen_header *header;
	int err = 0;

	put_all(build, &writer);
	header = aligned_alloc(SCREEN_ALIGN, writer.at);
	if (header == NULL)
		return -ENOMEM;
	memset(header, 0, writer.at);
	*header = (struct screen_header){
		.format = build->below != NULL ? SCREEN_FORMAT_LAYER : SCREEN_FORMAT,
		.image_bytes = writer.at};
	memcpy(header->magic, SCREEN_MAGIC, sizeof(header->magic));
	writer = (struct writer){.image = (uint8_t *)header, .sections = header->sections};
	put_all(build, &writer);
	header->sections_count = writer.count;
	for (size_t i = 0; i < SETS && err == 0; i++)
		err = check_same(build, i);
	if (err == 0)
		err = screen_seal(header, header->image_bytes);
	if (err != 0) {
		free(header);
		return err;
	}
	*image = header;
	*image_bytes = header->image_bytes;
	return 0;
}

static void build_fini(struct build *build)
{
	for (size_t i = 0; i < SETS; i++) {
		free(build->sets[i].entries);
		free(build->sets[i].bits);
	}
	screen_texts_fini(&build->texts);
	free(build->order);
	free(build->gone);
	free(build->records);
	free(build->windows);
	free(build);
}

// What is in order by now to the image. The build is freed.
static int finish(struct build *build, int err, void **image, size_t *image_bytes)
{
	if (err == 0)
		err = make_room(build);
	for (size_t i = 0; err == 0 && i < build->order_count; i++)
		err = add_record(build, (uint32_t)i);
	for (size_t i = 0; err == 0 && i < SETS; i++)
		err = note_sizes(&build->sets[i]);
	if (err == 0) {
		qsort(build->lengths, build->lengths_count, sizeof(*build->lengths),
			compare_lengths);
		qsort(build->windows, build->windows_count, sizeof(*build->windows),
			compare_windows);
		err = write_image(build, image, image_bytes);
	}
	build_fini(build);
	return err;
}

int screen_build(const struct screen_entry *entries, size_t count, void **image,
	size_t *image_bytes, char *error, size_t error_bytes)
{
	struct build *build = calloc(1, sizeof(*build));
	int err;

	if (build == NULL)
		return -ENOMEM;
	*build = (struct build){
		.entries = entries, .count = count, .error = error, .error_bytes = error_bytes};
	err = count <= SCREEN_MAX_ENTRIES ? screen_texts_init(&build->texts, count)
					  : refuse(build, -E2BIG, count - 1, "there are too many");
	if (err == 0)
		err = put_in_order(build);
	return finish(build, err, image, image_bytes);
}

// ---- layers --------------------------------------------------------------------------------------

// What entries share goes on where the image below ends.
static int begin_with(struct build *build, const struct screen_part *below)
{
	for (uint32_t i = 0; i < below->types_count; i++)
		if (screen_texts_add(
			    &build->texts, below->strings + below->types[i], &build->types[i]) != 0)
			return -ENOMEM;
	build->types_count = below->types_count;
	memcpy(build->places, below->places, below->places_count * sizeof(*build->places));
	build->places_count = below->places_count;
	memcpy(build->lengths, below->lengths, below->lengths_count * sizeof(*build->lengths));
	build->lengths_count = below->lengths_count;
	return 0;
}

static bool is_same_text(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b) == 0;
}

// What an id does not tell.
static bool is_unchanged(
	const struct build *build, const struct screen_record *record, const struct order *order)
{
	const struct screen_entry *entry = &build->entries[order->entry];
	const char *name =
		entry->name != NULL && entry->name[0] != '\0' ? entry->name : entry->virus_id;

	return record->action == (uint8_t)entry->action &&
	       is_same_text(name, build->below->strings + record->name);
}

static int compare_ids(const void *a, const void *b)
{
	const uint64_t *x = a;
	const uint64_t *y = b;

	return (*x > *y) - (*x < *y);
}

// Entries that are below as they are now are not of the layer; what is below of an id and not as it is now is gone.
// ids are ascending, and so is what is gone.
static void compare_with_below(struct build *build, const uint64_t *ids, size_t ids_count)
{
	size_t count = 0;
	size_t at = 0;

	for (size_t i = 0; i < ids_count; i++) {
		uint32_t number = screen_part_find(build->below, ids[i]);
		bool is_on = false;

		if (i > 0 && ids[i] == ids[i - 1])
			continue;
		while (at < build->order_count && build->order[at].id < ids[i])
			at++;
		if (at < build->order_count && build->order[at].id == ids[i]) {
			is_on = number != UINT32_MAX &&
				is_unchanged(
					build, &build->below->records[number], &build->order[at]);
			if (!is_on)
				build->order[count++] = build->order[at];
		}
		if (number != UINT32_MAX && !is_on)
			build->gone[build->gone_count++] = number;
	}
	build->order_count = count;
}

static int compare_all(struct build *build, const struct screen_change *change)
{
	uint64_t *ids = calloc(change->ids_count + 1, sizeof(*ids));

	build->gone = calloc(change->ids_count + 1, sizeof(*build->gone));
	if (ids == NULL || build->gone == NULL) {
		free(ids);
		return -ENOMEM;
	}
	if (change->ids_count > 0)
		memcpy(ids, change->ids, change->ids_count * sizeof(*ids));
	qsort(ids, change->ids_count, sizeof(*ids), compare_ids);
	compare_with_below(build, ids, change->ids_count);
	free(ids);
	return 0;
}

int screen_build_layer(const struct screen_part *below, const struct screen_change *change,
	void **image, size_t *image_bytes, char *error, size_t error_bytes)
{
	struct build *build = calloc(1, sizeof(*build));
	size_t most = SCREEN_MAX_ENTRIES - below->records_count;
	int err;

	if (build == NULL)
		return -ENOMEM;
	*build = (struct build){.below = below,
		.entries = change->entries,
		.count = change->count,
		.error = error,
		.error_bytes = error_bytes};
	err = change->count <= most
		      ? screen_texts_init(&build->texts, change->count + SCREEN_MAX_TYPES)
		      : refuse(build, -E2BIG, most, "there are too many");
	if (err == 0)
		err = begin_with(build, below);
	if (err == 0)
		err = put_in_order(build);
	if (err == 0)
		err = compare_all(build, change);
	return finish(build, err, image, image_bytes);
}
