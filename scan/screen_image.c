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
#define SHA256_BYTES 32

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
	if (header->format != SCREEN_FORMAT && header->format != SCREEN_FORMAT_LAYER)
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

#define OPEN_TABLE(part, name, data, bytes)                                                        \
	((part)->name = (data), count_items(bytes, sizeof(*(part)->name), &(part)->name##_count))

static struct screen_digests *digests_at(struct screen_part *part, uint32_t index)
{
	if (index >= SCREEN_SETS * DIGEST_ALGORITHMS)
		return NULL;
	return &part->digests[index / DIGEST_ALGORITHMS][index % DIGEST_ALGORITHMS];
}

static int open_sizes(struct screen_digests *set, const void *data, size_t bytes)
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
	struct screen_part *part, const struct screen_section *section, const void *data)
{
	struct screen_digests *set = digests_at(part, section->index);
	size_t bytes = section->bytes;

	switch ((enum screen_section_kind)section->kind) {
	case SCREEN_STRINGS:
		part->strings = data;
		part->strings_bytes = bytes;
		return bytes > 0 && part->strings[0] == '\0' && part->strings[bytes - 1] == '\0'
			       ? 0
			       : -EBADMSG;
	case SCREEN_RECORDS:
		return OPEN_TABLE(part, records, data, bytes);
	case SCREEN_TYPES:
		return OPEN_TABLE(part, types, data, bytes);
	case SCREEN_PLACES:
		return OPEN_TABLE(part, places, data, bytes);
	case SCREEN_LENGTHS:
		return OPEN_TABLE(part, lengths, data, bytes);
	case SCREEN_WINDOWS:
		return OPEN_TABLE(part, windows, data, bytes);
	// The records come before, so their number is known.
	case SCREEN_DIGESTS:
		if (set == NULL || set->hashes.buckets != NULL)
			return -EBADMSG;
		return hashset_open(data, bytes, part->records_count, &set->hashes);
	case SCREEN_SIZES:
		return open_sizes(set, data, bytes);
	case SCREEN_OF:
		part->of = data;
		return bytes == SHA256_BYTES ? 0 : -EBADMSG;
	case SCREEN_GONE:
		return OPEN_TABLE(part, gone, data, bytes);
	}
	return -EBADMSG;
}

static int open_sections(struct screen_part *part, const struct screen_header *header)
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
		if (i > 0 && section->kind == kind && kind != SCREEN_DIGESTS &&
			kind != SCREEN_SIZES)
			return -EBADMSG;
		kind = section->kind;
		at = section->offset + section->bytes;
		err = open_section(part, section, image + section->offset);
		if (err != 0)
			return err;
	}
	if ((header->format == SCREEN_FORMAT_LAYER) != (part->of != NULL) ||
		(part->of == NULL) != (part->gone == NULL))
		return -EBADMSG;
	return part->strings != NULL && part->records != NULL ? 0 : -EBADMSG;
}

// ---- what the tables say of each other -----------------------------------------------------------

static bool is_sound_record(const struct screen_part *part, uint32_t i)
{
	const struct screen_record *record = &part->records[i];

	if ((i > 0 && record->id <= record[-1].id) || record->id == 0 ||
		record->name >= part->strings_bytes || record->virus_id >= part->strings_bytes ||
		record->file_type >= part->strings_bytes || record->kind >= SCREEN_KINDS_COUNT ||
		record->action >= SCREEN_ACTIONS_COUNT || record->algorithm >= DIGEST_ALGORITHMS ||
		record->from_end > 1)
		return false;
	if (record->kind == SCREEN_RANGE)
		return record->place < part->places_count;
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

static bool is_sound_window(const struct screen_part *part, uint32_t i)
{
	const struct screen_window *window = &part->windows[i];

	if ((i > 0 && window->rolling < window[-1].rolling) ||
		window->record >= part->records_count)
		return false;
	for (uint32_t k = 0; k < part->lengths_count; k++)
		if (part->lengths[k] == window->length)
			return part->records[window->record].length == window->length;
	return false;
}

static int check_lengths(const struct screen_part *part)
{
	for (uint32_t i = 0; i < part->lengths_count; i++)
		if (part->lengths[i] < SCREEN_LEAST_WINDOW ||
			part->lengths[i] > SCREEN_MOST_WINDOW ||
			(i > 0 && part->lengths[i] <= part->lengths[i - 1]))
			return -EBADMSG;
	return 0;
}

static int check_sets(const struct screen_part *part)
{
	for (unsigned int i = 0; i < SCREEN_SETS; i++) {
		for (unsigned int k = 0; k < DIGEST_ALGORITHMS; k++) {
			const struct screen_digests *set = &part->digests[i][k];

			if ((set->sizes == NULL) != (set->hashes.buckets == NULL) ||
				set->hashes.allows)
				return -EBADMSG;
		}
	}
	return 0;
}

static int check(const struct screen_part *part)
{
	if (part->places_count > SCREEN_MAX_PLACES || part->lengths_count > SCREEN_MAX_LENGTHS ||
		part->windows_count > SCREEN_MAX_WINDOWS || part->types_count > SCREEN_MAX_TYPES ||
		check_lengths(part) != 0 || check_sets(part) != 0)
		return -EBADMSG;
	for (uint32_t i = 0; i < part->types_count; i++)
		if (part->types[i] >= part->strings_bytes)
			return -EBADMSG;
	for (uint32_t i = 0; i < part->places_count; i++)
		if (!is_sound_place(&part->places[i]))
			return -EBADMSG;
	for (uint32_t i = 0; i < part->records_count; i++)
		if (!is_sound_record(part, i))
			return -EBADMSG;
	for (uint32_t i = 0; i < part->windows_count; i++)
		if (!is_sound_window(part, i))
			return -EBADMSG;
	return 0;
}

// ---- open and close ------------------------------------------------------------------------------

size_t screen_image_bytes(const void *image, size_t bytes)
{
	const struct screen_header *header = image;

	if (bytes < sizeof(*header) || header->image_bytes < sizeof(*header) ||
		header->image_bytes > bytes)
		return 0;
	return header->image_bytes;
}

int screen_part_open(const void *image, size_t bytes, struct screen_part **out)
{
	const struct screen_header *header = image;
	struct screen_part *part;
	int err;

	if ((uintptr_t)image % SCREEN_ALIGN != 0)
		return -EBADMSG;
	bytes = screen_image_bytes(image, bytes);
	err = check_header(image, bytes);
	if (err != 0)
		return err;
	part = calloc(1, sizeof(*part));
	if (part == NULL)
		return -ENOMEM;
	part->users = 1;
	part->format = header->format;
	part->sha256 = header->sha256;
	screen_image_version(image, bytes, part->version, sizeof(part->version));
	err = open_sections(part, image);
	if (err == 0)
		err = check(part);
	if (err == 0) {
		part->hits = calloc((size_t)part->records_count + 1, sizeof(*part->hits));
		err = part->hits != NULL ? 0 : -ENOMEM;
	}
	if (err != 0) {
		screen_part_close(part);
		return err;
	}
	*out = part;
	return 0;
}

int screen_part_open_mapped(void *mapping, size_t bytes, struct screen_part **out)
{
	int err = screen_part_open(mapping, bytes, out);

	if (err != 0)
		return err;
	(*out)->mapping = mapping;
	(*out)->mapping_bytes = bytes;
	return 0;
}

void screen_part_close(struct screen_part *part)
{
	if (part == NULL || --part->users > 0)
		return;
	free(part->hits);
	if (part->mapping != NULL)
		(void)munmap(part->mapping, part->mapping_bytes);
	free(part);
}

void screen_image_version(const void *image, size_t bytes, char *out, size_t room)
{
	const struct screen_header *header = image;

	out[0] = '\0';
	for (size_t i = 0; bytes >= sizeof(*header) && i < 8 && 2 * i + 3 <= room; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", header->sha256[i]);
}

const char *screen_part_version(const struct screen_part *part)
{
	return part->version;
}

uint32_t screen_part_entries(const struct screen_part *part)
{
	return part->records_count;
}

uint32_t screen_part_find(const struct screen_part *part, uint64_t id)
{
	uint32_t low = 0;
	uint32_t high = part->records_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (part->records[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < part->records_count && part->records[low].id == id ? low : UINT32_MAX;
}

// ---- a layer and what it lies on -----------------------------------------------------------------

static bool goes_on_types(const struct screen_part *layer, const struct screen_part *below)
{
	if (layer->types_count < below->types_count)
		return false;
	for (uint32_t i = 0; i < below->types_count; i++)
		if (strcmp(layer->strings + layer->types[i], below->strings + below->types[i]) != 0)
			return false;
	return true;
}

static bool goes_on_places(const struct screen_part *layer, const struct screen_part *below)
{
	if (layer->places_count < below->places_count)
		return false;
	for (uint32_t i = 0; i < below->places_count; i++) {
		const struct screen_place *a = &below->places[i];
		const struct screen_place *b = &layer->places[i];

		if (a->offset != b->offset || a->length != b->length ||
			a->from_end != b->from_end || (a->types & ~b->types) != 0 ||
			(a->sizes & ~b->sizes) != 0 || (a->algorithms & ~b->algorithms) != 0)
			return false;
	}
	return true;
}

static bool goes_on_lengths(const struct screen_part *layer, const struct screen_part *below)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < below->lengths_count; i++) {
		while (k < layer->lengths_count && layer->lengths[k] < below->lengths[i])
			k++;
		if (k == layer->lengths_count || layer->lengths[k] != below->lengths[i])
			return false;
	}
	return true;
}

bool screen_part_is_on(const struct screen_part *layer, const struct screen_part *below)
{
	for (uint32_t i = 0; i < layer->gone_count; i++)
		if (layer->gone[i] >= below->records_count ||
			(i > 0 && layer->gone[i] <= layer->gone[i - 1]))
			return false;
	return layer->records_count <= SCREEN_MAX_ENTRIES - below->records_count &&
	       layer->windows_count <= SCREEN_MAX_WINDOWS - below->windows_count &&
	       goes_on_types(layer, below) && goes_on_places(layer, below) &&
	       goes_on_lengths(layer, below);
}

uint64_t screen_size_bit(uint64_t bytes, uint32_t bits_log)
{
	return bytes * UINT64_C(0x9e3779b97f4a7c15) >> (64 - bits_log);
}
