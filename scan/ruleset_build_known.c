// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset_build_known.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A file that was changed so shortly before it was read may have been changed again in the same tick of
// the file system's clock.
#define SETTLED_NS INT64_C(2000000000)

int build_known_init(struct build_known *known, const struct build_index *checked,
	const struct ruleset_built *built)
{
	int err = 0;

	*known = (struct build_known){0};
	if (checked != NULL)
		known->index = *checked;
	else
		err = build_index_open(built->index, built->index_bytes, &known->index);
	if (err != 0)
		return err;
	known->kept = calloc((size_t)known->index.header->records_count + 1, 1);
	known->kept_files = calloc((size_t)known->index.header->files_count + 1, 1);
	return known->kept != NULL && known->kept_files != NULL ? 0 : -ENOMEM;
}

void build_known_fini(struct build_known *known)
{
	free(known->kept);
	free(known->kept_files);
	free(known->removed.items);
}

// ---- files -------------------------------------------------------------------------------------

void build_known_find(struct build *build, struct build_file *file)
{
	struct build_known *known = build->known;
	const struct build_index *index = &known->index;
	const char *name = build_file_name(file);

	// In the order in which they were read, for signatures stand in this order.
	for (uint32_t i = known->next_file; i < index->header->files_count; i++) {
		const struct build_file *files = build->files.items;
		uint32_t container =
			file->container != RULESET_NONE ? files[file->container].old : RULESET_NONE;

		if (index->files[i].container != container ||
			(file->container != RULESET_NONE && container == RULESET_NONE) ||
			strcmp(index->strings + index->files[i].name, name) != 0)
			continue;
		file->old = i;
		known->next_file = i + 1;
		return;
	}
}

bool build_known_by_stamp(const struct build *build, const struct build_file *file)
{
	const struct build_index *index = &build->known->index;
	const struct build_stamp *stamp = &file->stamp;

	return file->old != RULESET_NONE &&
	       memcmp(stamp, &index->files[file->old].stamp, sizeof(*stamp)) == 0 &&
	       stamp->modified_ns < index->header->made_ns - SETTLED_NS &&
	       stamp->changed_ns < index->header->made_ns - SETTLED_NS;
}

bool build_known_by_digest(const struct build *build, const struct build_file *file)
{
	return file->old != RULESET_NONE &&
	       memcmp(file->sha256, build->known->index.files[file->old].sha256,
		       sizeof(file->sha256)) == 0;
}

void build_known_members(struct build *build, uint32_t container)
{
	const struct build_index *index = &build->known->index;
	uint32_t old = ((struct build_file *)build->files.items)[container].old;

	for (uint32_t i = old + 1; i < index->header->files_count; i++) {
		struct build_file *file;

		if (index->files[i].container != old)
			continue;
		file = build_push(build, &build->files, sizeof(*file));
		if (file == NULL)
			return;
		file->path = strdup(index->strings + index->files[i].name);
		build->failed = build->failed || file->path == NULL;
		file->container = container;
		file->old = i;
		file->is_same = true;
		if (i >= build->known->next_file)
			build->known->next_file = i + 1;
	}
}

void build_known_ignores(struct build *build)
{
	struct build_known *known = build->known;
	const struct build_index *index = &known->index;
	const struct build_file *files = build->files.items;
	uint32_t was = 0;
	uint32_t is_still = 0;

	for (uint32_t i = 0; i < index->header->files_count; i++)
		was += index->files[i].kind == BUILD_IGNORED;
	for (size_t i = 0; i < build->files.count; i++) {
		if (build_file_kind(&files[i]) != BUILD_IGNORED)
			continue;
		is_still += files[i].is_same;
		known->rechecks = known->rechecks || !files[i].is_same;
		// Its names are needed for what is new.
		known->is_too_much = known->is_too_much || files[i].data == NULL;
	}
	known->rechecks = known->rechecks || was != is_still;
}

// Kinds of files of which a part can be read by itself. What all signatures depend on is none of these.
static bool has_parts(enum build_kind kind)
{
	switch (kind) {
	case BUILD_NDB:
	case BUILD_DB:
	case BUILD_LDB:
	case BUILD_HASHES:
	case BUILD_SECTIONS:
	case BUILD_IMPORTS:
	case BUILD_MEMBERS:
	case BUILD_ALLOWED:
		return true;
	case BUILD_FILETYPES:
	case BUILD_IGNORED:
	case BUILD_CONTAINER:
	case BUILD_UNSUPPORTED:
	case BUILD_OPTIONAL:
	case BUILD_OTHER:
		break;
	}
	return false;
}

static bool is_harmless(enum build_kind kind)
{
	return kind == BUILD_IGNORED || kind == BUILD_CONTAINER || kind == BUILD_UNSUPPORTED ||
	       kind == BUILD_OPTIONAL || kind == BUILD_OTHER;
}

static void keep(struct build_known *known, uint32_t number)
{
	const struct index_record *record = &known->index.records[number];

	known->kept[number] = 1;
	if (record->state <= INDEX_HASH)
		known->rank = record->signature + 1;
}

bool build_known_file(struct build *build, uint32_t number, enum build_kind kind)
{
	struct build_known *known = build->known;
	struct build_file *file = (struct build_file *)build->files.items + number;
	const struct index_file *old;

	if (!has_parts(kind) && !is_harmless(kind) && !file->is_same)
		known->is_too_much = true;
	if (file->old == RULESET_NONE)
		return known->is_too_much;
	old = &known->index.files[file->old];
	if (old->kind != kind)
		known->is_too_much = true;
	if (!file->is_same || known->is_too_much)
		return known->is_too_much;
	if (known->rechecks && has_parts(kind)) {
		if (file->data == NULL && build_read_file(file) != 0)
			known->is_too_much = true;
		return known->is_too_much;
	}
	known->kept_files[file->old] = 1;
	for (uint32_t i = 0; i < old->records_count; i++)
		keep(known, old->record + i);
	return true;
}

// ---- lines -------------------------------------------------------------------------------------

struct pair {
	uint64_t hash[2];
	uint32_t number; // from the first of the middle
	bool is_taken;
};

static bool is_same_hash(const uint64_t *a, const uint64_t *b)
{
	return a[0] == b[0] && a[1] == b[1];
}

static int compare_hashes(const uint64_t *a, const uint64_t *b)
{
	if (a[0] != b[0])
		return a[0] < b[0] ? -1 : 1;
	return (a[1] > b[1]) - (a[1] < b[1]);
}

static int compare_pairs(const void *a, const void *b)
{
	const struct pair *x = a;
	const struct pair *y = b;
	int order = compare_hashes(x->hash, y->hash);

	return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

// The first of a hash that no line has taken yet, RULESET_NONE: there is none.
static uint32_t take_pair(struct pair *pairs, uint32_t count, const uint64_t *hash)
{
	uint32_t low = 0;
	uint32_t high = count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (compare_hashes(pairs[middle].hash, hash) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	while (low < count && is_same_hash(pairs[low].hash, hash) && pairs[low].is_taken)
		low++;
	if (low == count || !is_same_hash(pairs[low].hash, hash))
		return RULESET_NONE;
	pairs[low].is_taken = true;
	return pairs[low].number;
}

// The longest rising sequence among the numbers; others become RULESET_NONE. ends and before have as
// much room.
static void keep_rising(uint32_t *numbers, uint32_t count, uint32_t *ends, uint32_t *before)
{
	uint32_t length = 0;
	uint32_t at;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t low = 0;
		uint32_t high = length;

		if (numbers[i] == RULESET_NONE)
			continue;
		while (low < high) {
			uint32_t middle = low + (high - low) / 2;

			if (numbers[ends[middle]] < numbers[i])
				low = middle + 1;
			else
				high = middle;
		}
		before[i] = low > 0 ? ends[low - 1] : RULESET_NONE;
		ends[low] = i;
		length = low == length ? length + 1 : length;
	}
	at = length > 0 ? ends[length - 1] : RULESET_NONE;
	for (uint32_t i = count; i-- > 0;) {
		if (i != at)
			numbers[i] = RULESET_NONE;
		else
			at = before[i];
	}
}

// Lines between those that are the same at the beginning and at the end of a file.
static void align_middle(struct build *build, struct build_record *records, uint32_t count,
	uint32_t first_old, uint32_t olds_count)
{
	const struct index_record *olds = build->known->index.records + first_old;
	struct pair *pairs = calloc((size_t)olds_count + 1, sizeof(*pairs));
	uint32_t *numbers = calloc((size_t)count + 1, 3 * sizeof(*numbers));

	if (pairs == NULL || numbers == NULL) {
		build->failed = true;
	} else {
		for (uint32_t i = 0; i < olds_count; i++) {
			memcpy(pairs[i].hash, olds[i].hash, sizeof(pairs[i].hash));
			pairs[i].number = i;
		}
		qsort(pairs, olds_count, sizeof(*pairs), compare_pairs);
		for (uint32_t i = 0; i < count; i++)
			numbers[i] = take_pair(pairs, olds_count, records[i].hash);
		keep_rising(numbers, count, numbers + count, numbers + (size_t)2 * count);
		for (uint32_t i = 0; i < count; i++)
			if (numbers[i] != RULESET_NONE)
				records[i].old = first_old + numbers[i];
	}
	free(pairs);
	free(numbers);
}

void build_known_align(struct build *build, uint32_t number)
{
	struct build_known *known = build->known;
	const struct build_file *file = (const struct build_file *)build->files.items + number;
	struct build_record *records = (struct build_record *)build->records.items + file->record;
	const struct index_file *old;
	const struct index_record *olds;
	uint32_t count = file->records_count;
	uint32_t olds_count;
	uint32_t from = 0;

	if (file->old != RULESET_NONE) {
		old = &known->index.files[file->old];
		olds = known->index.records + old->record;
		olds_count = old->records_count;
		for (; from < count && from < olds_count &&
			is_same_hash(records[from].hash, olds[from].hash);
			from++)
			records[from].old = old->record + from;
		for (; count > from && olds_count > from &&
			is_same_hash(records[count - 1].hash, olds[olds_count - 1].hash);
			count--, olds_count--)
			records[count - 1].old = old->record + olds_count - 1;
		if (count > from && olds_count > from)
			align_middle(build, records + from, count - from, old->record + from,
				olds_count - from);
	}
	for (uint32_t i = from; i < count; i++)
		known->added += records[i].old == RULESET_NONE;
	known->is_too_much = known->is_too_much || known->added > KNOWN_MAX_ADDED;
}

bool build_known_line(struct build *build, const struct build_record *record, bool is_ignored)
{
	struct build_known *known = build->known;
	uint32_t state;

	if (record->old == RULESET_NONE)
		return false;
	state = known->index.records[record->old].state;
	if (known->rechecks && (state == INDEX_IGNORED) != is_ignored) {
		known->added++;
		return false;
	}
	keep(known, record->old);
	return true;
}

// ---- the end -----------------------------------------------------------------------------------

int build_known_finish(struct build *build)
{
	struct build_known *known = build->known;
	const struct build_index *index = &known->index;

	for (uint32_t i = 0; i < index->header->records_count && !known->is_too_much; i++) {
		const struct index_record *record = &index->records[i];
		uint32_t *removed;

		if (known->kept[i] != 0 || record->state > INDEX_ALLOWED)
			continue;
		// An entry of an allow list has no number by which it could be removed.
		if (record->state == INDEX_ALLOWED || known->removed.count == KNOWN_MAX_REMOVED) {
			known->is_too_much = true;
			break;
		}
		removed = build_push(build, &known->removed, sizeof(*removed));
		if (removed != NULL)
			*removed = record->signature;
	}
	for (uint32_t i = 0; i < index->header->files_count; i++) {
		enum build_kind kind = (enum build_kind)index->files[i].kind;

		if (known->kept_files[i] == 0 && !has_parts(kind) && !is_harmless(kind))
			known->is_too_much = true;
	}
	if (known->added > KNOWN_MAX_ADDED)
		known->is_too_much = true;
	if (known->is_too_much)
		return -E2BIG;
	return build->failed ? -ENOMEM : 0;
}

bool build_known_is_all(const struct build_known *known)
{
	return known->added == 0 && known->removed.count == 0;
}

// What was counted of files that are not read line by line.
static void forget_files(const struct build_known *known, struct ruleset_build_stats *stats)
{
	for (uint32_t i = 0; i < known->index.header->files_count; i++) {
		const struct index_file *file = &known->index.files[i];

		if (known->kept_files[i] != 0)
			continue;
		if (file->kind == BUILD_UNSUPPORTED || file->kind == BUILD_OPTIONAL) {
			stats->lines -= file->lines;
			stats->skipped -= file->lines > 0 ? file->lines : 1;
		} else if (file->kind == BUILD_OTHER) {
			stats->errors--;
		}
	}
}

void build_known_total(
	struct build *build, const struct ruleset_meta *own, struct ruleset_base *out)
{
	const struct build_known *known = build->known;
	const struct build_index *index = &known->index;
	const struct ruleset_build_stats *then = &index->header->stats;
	struct ruleset_build_stats *stats = build->stats;
	uint32_t gone[INDEX_STATES] = {0};
	uint32_t lines = 0;

	for (uint32_t i = 0; i < index->header->records_count; i++) {
		gone[index->records[i].state] += known->kept[i] == 0;
		lines += known->kept[i] == 0;
	}
	memcpy(out->sha256, index->header->image, sizeof(out->sha256));
	out->signatures = index->header->signatures;
	out->both.literals = then->literals - gone[INDEX_LITERAL] + own->literals;
	out->both.patterns = then->patterns - gone[INDEX_PATTERN] + own->patterns;
	out->both.hashes = then->hashes - gone[INDEX_HASH] + own->hashes;
	forget_files(known, stats);
	stats->lines += then->lines - lines;
	stats->ignored += then->ignored - gone[INDEX_IGNORED];
	stats->skipped += then->skipped - gone[INDEX_SKIPPED];
	stats->errors += then->errors - gone[INDEX_MALFORMED];
	stats->literals = out->both.literals;
	stats->patterns = out->both.patterns;
	stats->hashes = out->both.hashes;
	stats->signatures = then->signatures + stats->signatures - (uint32_t)known->removed.count;
	out->both.skipped = stats->skipped + stats->errors + stats->ignored;
	(void)snprintf(out->both.hs_version, sizeof(out->both.hs_version), "%s", own->hs_version);
}
