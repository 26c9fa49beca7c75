// SPDX-License-Identifier: BSD-3-Clause
#include "scan/screen_image.h"

#include "scan/scan.h"

#include <openssl/evp.h>

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static_assert(SCREEN_HASHED_FROM == 56, "image format");
static_assert(sizeof(struct screen_record) == 96, "image format");
static_assert(sizeof(struct screen_place) == 40, "image format");
static_assert(sizeof(struct screen_sizes) == 32, "image format");
static_assert(SCREEN_DIGEST_BYTES == HASHSET_DIGEST_BYTES, "digests are looked up as they are");

#define MAX_BITS_LOG 24

static int image_sha256(const void *image, size_t bytes, uint8_t *out)
{
	const uint8_t *data = (const uint8_t *)image + SCREEN_HASHED_FROM;

	return EVP_Digest(data, bytes - SCREEN_HASHED_FROM, out, NULL, EVP_sha256(), NULL) == 1
		       ? 0
		       : -EIO;
}

int screen_seal(void *image, size_t bytes)
{
	struct screen_header *header = image;

	assert(bytes >= sizeof(*header));
	return image_sha256(image, bytes, header->sha256);
}

static int check_header(const struct screen_header *header, size_t bytes)
{
	uint8_t sha256[DIGEST_MAX_BYTES];
	int err;

	if (bytes < sizeof(*header) || memcmp(header->magic, SCREEN_MAGIC, 8) != 0)
		return -EBADMSG;
	if (header->format != SCREEN_FORMAT)
		return -ENOTSUP;
	if (header->image_bytes != bytes || header->sections_count > SCREEN_MAX_SECTIONS)
		return -EBADMSG;
	err = image_sha256(header, bytes, sha256);
	if (err != 0)
		return err;
	return memcmp(sha256, header->sha256, sizeof(sha256)) == 0 ? 0 : -EBADMSG;
}

static int count_items(size_t bytes, size_t item_bytes, uint32_t *count)
{
	if (bytes % item_bytes != 0 || bytes / item_bytes > SCREEN_MAX_ENTRIES)
		return -EBADMSG;
	*count = (uint32_t)(bytes / item_bytes);
	return 0;
}

#define OPEN_TABLE(screen, name, data, bytes)                                                      \
	((screen)->name = (data),                                                                  \
		count_items(bytes, sizeof(*(screen)->name), &(screen)->name##_count))

static struct screen_set *set_at(struct screen *screen, uint32_t index)
{
	if (index >= SCREEN_SETS * DIGEST_ALGORITHMS)
		return NULL;
	return &screen->sets[index / DIGEST_ALGORITHMS][index % DIGEST_ALGORITHMS];
}

static int open_sizes(struct screen_set *set, const void *data, size_t bytes)
{
	const struct screen_sizes *sizes = data;
	size_t bits_bytes;

	if (set == NULL || bytes < sizeof(*sizes) || sizes->bits_log > MAX_BITS_LOG)
		return -EBADMSG;
	bits_bytes = sizes->bits_log >= 6 ? (size_t)1 << (sizes->bits_log - 3) : 0;
	if ((sizes->bits_log == 0) != (sizes->sized == 0) ||
		(sizes->bits_log != 0 && sizes->bits_log < 6) ||
		bytes != sizeof(*sizes) + bits_bytes)
		return -EBADMSG;
	set->sizes = sizes;
	set->bits = (const uint64_t *)(sizes + 1);
	return 0;
}

static int open_section(
	struct screen *screen, const struct screen_section *section, const void *data)
{
	struct screen_set *set = set_at(screen, section->index);
	size_t bytes = section->bytes;

	switch ((enum screen_section_kind)section->kind) {
	case SCREEN_STRINGS:
		screen->strings = data;
		screen->strings_bytes = bytes;
		return bytes > 0 && screen->strings[0] == '\0' && screen->strings[bytes - 1] == '\0'
			       ? 0
			       : -EBADMSG;
	case SCREEN_RECORDS:
		return OPEN_TABLE(screen, records, data, bytes);
	case SCREEN_TYPES:
		return OPEN_TABLE(screen, types, data, bytes);
	case SCREEN_PLACES:
		return OPEN_TABLE(screen, places, data, bytes);
	case SCREEN_LENGTHS:
		return OPEN_TABLE(screen, lengths, data, bytes);
	case SCREEN_WINDOWS:
		return OPEN_TABLE(screen, windows, data, bytes);
	// The records come before, so their number is known.
	case SCREEN_DIGESTS:
		if (set == NULL || set->hashes.buckets != NULL)
			return -EBADMSG;
		return hashset_open(data, bytes, screen->records_count, &set->hashes);
	case SCREEN_SIZES:
		return open_sizes(set, data, bytes);
	}
	return -EBADMSG;
}

static int open_sections(struct screen *screen, const struct screen_header *header)
{
	const uint8_t *image = (const uint8_t *)header;
	uint64_t at = sizeof(*header);
	uint32_t kind = SCREEN_STRINGS;

	for (uint32_t i = 0; i < header->sections_count; i++) {
		const struct screen_section *section = &header->sections[i];
		int err;

		// In order, apart from each other, inside the image.
		if (section->kind < kind || section->offset % SCREEN_ALIGN != 0 ||
			section->offset < at || section->offset > header->image_bytes ||
			section->bytes > header->image_bytes - section->offset)
			return -EBADMSG;
		if (i > 0 && section->kind == kind && kind < SCREEN_DIGESTS)
			return -EBADMSG;
		kind = section->kind;
		at = section->offset + section->bytes;
		err = open_section(screen, section, image + section->offset);
		if (err != 0)
			return err;
	}
	return screen->strings != NULL && screen->records != NULL ? 0 : -EBADMSG;
}

// ---- what the tables say of each other -----------------------------------------------------------

static bool is_sound_record(const struct screen *screen, uint32_t i)
{
	const struct screen_record *record = &screen->records[i];

	if ((i > 0 && record->id <= record[-1].id) || record->id == 0 ||
		record->name >= screen->strings_bytes ||
		record->virus_id >= screen->strings_bytes ||
		record->file_type >= screen->strings_bytes || record->kind >= SCREEN_KINDS_COUNT ||
		record->action >= SCREEN_ACTIONS_COUNT || record->algorithm >= DIGEST_ALGORITHMS ||
		record->from_end > 1)
		return false;
	if (record->kind == SCREEN_RANGE)
		return record->place < screen->places_count;
	return record->kind != SCREEN_WINDOW ||
	       (record->length >= SCREEN_LEAST_WINDOW && record->length <= SCREEN_MOST_WINDOW);
}

static bool is_sound_place(const struct screen_place *place)
{
	if (place->length == 0 || place->length > SCREEN_MOST_RANGE || place->from_end > 1 ||
		(place->algorithms & ~7u) != 0 || place->offset > UINT64_C(1) << 40)
		return false;
	return place->from_end == 0 ||
	       (place->offset >= place->length && place->offset <= SCREEN_MOST_RANGE);
}

static bool is_sound_window(const struct screen *screen, uint32_t i)
{
	const struct screen_window *window = &screen->windows[i];

	if ((i > 0 && window->rolling < window[-1].rolling) ||
		window->record >= screen->records_count)
		return false;
	for (uint32_t k = 0; k < screen->lengths_count; k++)
		if (screen->lengths[k] == window->length)
			return screen->records[window->record].length == window->length;
	return false;
}

static int check_lengths(const struct screen *screen)
{
	for (uint32_t i = 0; i < screen->lengths_count; i++)
		if (screen->lengths[i] < SCREEN_LEAST_WINDOW ||
			screen->lengths[i] > SCREEN_MOST_WINDOW ||
			(i > 0 && screen->lengths[i] <= screen->lengths[i - 1]))
			return -EBADMSG;
	return 0;
}

static int check_sets(const struct screen *screen)
{
	for (unsigned int i = 0; i < SCREEN_SETS; i++) {
		for (unsigned int k = 0; k < DIGEST_ALGORITHMS; k++) {
			const struct screen_set *set = &screen->sets[i][k];

			if ((set->sizes == NULL) != (set->hashes.buckets == NULL) ||
				set->hashes.allows)
				return -EBADMSG;
		}
	}
	return 0;
}

static int check(const struct screen *screen)
{
	if (screen->places_count > SCREEN_MAX_PLACES ||
		screen->lengths_count > SCREEN_MAX_LENGTHS ||
		screen->windows_count > SCREEN_MAX_WINDOWS ||
		screen->types_count > SCREEN_MAX_TYPES || check_lengths(screen) != 0 ||
		check_sets(screen) != 0)
		return -EBADMSG;
	for (uint32_t i = 0; i < screen->types_count; i++)
		if (screen->types[i] >= screen->strings_bytes)
			return -EBADMSG;
	for (uint32_t i = 0; i < screen->places_count; i++)
		if (!is_sound_place(&screen->places[i]))
			return -EBADMSG;
	for (uint32_t i = 0; i < screen->records_count; i++)
		if (!is_sound_record(screen, i))
			return -EBADMSG;
	for (uint32_t i = 0; i < screen->windows_count; i++)
		if (!is_sound_window(screen, i))
			return -EBADMSG;
	return 0;
}

// ---- what windows are found by -------------------------------------------------------------------

static int compare_windows(const void *a, const void *b)
{
	const struct screen_window *x = a;
	const struct screen_window *y = b;

	if (x->rolling >> 32 != y->rolling >> 32)
		return x->rolling < y->rolling ? -1 : 1;
	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	if (x->rolling != y->rolling)
		return x->rolling < y->rolling ? -1 : 1;
	return (x->record > y->record) - (x->record < y->record);
}

static int group_windows(struct screen *screen)
{
	uint32_t count = screen->windows_count;

	screen->by_group = calloc((size_t)count + 1, sizeof(*screen->by_group));
	screen->groups = calloc((size_t)count + 1, sizeof(*screen->groups));
	if (screen->by_group == NULL || screen->groups == NULL)
		return -ENOMEM;
	if (count > 0)
		memcpy(screen->by_group, screen->windows, count * sizeof(*screen->by_group));
	qsort(screen->by_group, count, sizeof(*screen->by_group), compare_windows);
	for (uint32_t i = 0; i < count; i++) {
		const struct screen_window *window = &screen->by_group[i];
		uint32_t head = (uint32_t)(window->rolling >> 32);
		struct screen_group *group = &screen->groups[screen->groups_count];
		uint32_t number = 0;

		while (screen->lengths[number] != window->length)
			number++;
		if (i > 0 && group[-1].head == head && group[-1].length == number) {
			group[-1].count++;
			continue;
		}
		*group = (struct screen_group){head, number, i, 1};
		if (i == 0 || group[-1].head != head)
			screen_filter_add(&screen->filter, head);
		screen->groups_count++;
	}
	return 0;
}

static void fill(struct screen *screen, const struct screen_header *header)
{
	for (unsigned int i = 0; i < 8; i++)
		(void)snprintf(screen->info.version + (size_t)2 * i, 3, "%02x", header->sha256[i]);
	screen->info.entries = screen->records_count;
	for (uint32_t i = 0; i < screen->places_count; i++)
		if (screen->places[i].from_end != 0 &&
			screen->places[i].offset > screen->max_from_end)
			screen->max_from_end = screen->places[i].offset;
}

int screen_open(const void *image, size_t bytes, struct screen **out)
{
	struct screen *screen;
	int err;

	if ((uintptr_t)image % SCREEN_ALIGN != 0)
		return -EBADMSG;
	err = check_header(image, bytes);
	if (err != 0)
		return err;
	screen = calloc(1, sizeof(*screen));
	if (screen == NULL)
		return -ENOMEM;
	screen->users = 1;
	err = open_sections(screen, image);
	if (err == 0)
		err = check(screen);
	if (err == 0) {
		screen->hits = calloc((size_t)screen->records_count + 1, sizeof(*screen->hits));
		err = screen->hits != NULL ? group_windows(screen) : -ENOMEM;
	}
	if (err != 0) {
		screen_close(screen);
		return err;
	}
	fill(screen, image);
	*out = screen;
	return 0;
}

void screen_close(struct screen *screen)
{
	if (screen == NULL || --screen->users > 0)
		return;
	free(screen->hits);
	free(screen->by_group);
	free(screen->groups);
	if (screen->mapping != NULL)
		(void)munmap(screen->mapping, screen->mapping_bytes);
	free(screen);
}

// ---- conditions ----------------------------------------------------------------------------------

uint64_t screen_type_bit(const struct screen *screen, const char *type)
{
	for (uint32_t i = 0; i < screen->types_count; i++)
		if (strcmp(screen->strings + screen->types[i], type) == 0)
			return SCREEN_ANY_TYPE << (i + 1);
	return 0;
}

uint64_t screen_size_bit(uint64_t bytes, uint32_t bits_log)
{
	return bytes * UINT64_C(0x9e3779b97f4a7c15) >> (64 - bits_log);
}

bool screen_can_be(const struct screen_set *set, uint64_t bytes, uint64_t types)
{
	const struct screen_sizes *sizes = set->sizes;
	uint64_t bit;

	if (sizes == NULL)
		return false;
	if ((sizes->any_size & types) != 0)
		return true;
	if ((sizes->sized & types) == 0 || bytes > sizes->max_bytes)
		return false;
	bit = screen_size_bit(bytes, sizes->bits_log);
	return (set->bits[bit / 64] >> (bit % 64) & 1) != 0;
}

bool screen_record_takes(const struct screen *screen, const struct screen_record *record,
	uint64_t bytes, uint64_t types)
{
	if (record->bytes != 0 && record->bytes != bytes)
		return false;
	return record->file_type == 0 ||
	       (screen_type_bit(screen, screen->strings + record->file_type) & types) != 0;
}
