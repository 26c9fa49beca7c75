// SPDX-License-Identifier: BSD-3-Clause
#include "scan/screen_laid.h"

#include "scan/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

// Of both images, by numbers that count through, without what is gone.
static void gather_windows(struct screen *screen)
{
	for (unsigned int i = 0; i < SCREEN_LAYERS && screen->layers[i] != NULL; i++) {
		const struct screen_part *part = screen->layers[i];

		for (uint32_t k = 0; k < part->windows_count; k++) {
			struct screen_window window = part->windows[k];

			window.record += i > 0 ? screen->below_count : 0;
			if (!screen_is_gone(screen, window.record))
				screen->by_group[screen->windows_count++] = window;
		}
	}
}

static int group_windows(struct screen *screen)
{
	size_t room = 1;

	for (unsigned int i = 0; i < SCREEN_LAYERS && screen->layers[i] != NULL; i++)
		room += screen->layers[i]->windows_count;
	screen->by_group = calloc(room, sizeof(*screen->by_group));
	screen->groups = calloc(room, sizeof(*screen->groups));
	if (screen->by_group == NULL || screen->groups == NULL)
		return -ENOMEM;
	gather_windows(screen);
	qsort(screen->by_group, screen->windows_count, sizeof(*screen->by_group), compare_windows);
	for (uint32_t i = 0; i < screen->windows_count; i++) {
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

// ---- open and close ------------------------------------------------------------------------------

static void join_set(struct screen *screen, unsigned int kind, unsigned int algorithm)
{
	struct screen_set *set = &screen->sets[kind][algorithm];

	for (unsigned int i = 0; i < SCREEN_LAYERS && screen->layers[i] != NULL; i++) {
		const struct screen_digests *digests = &screen->layers[i]->digests[kind][algorithm];

		if (digests->sizes == NULL)
			continue;
		set->layers[i] = digests;
		set->is_there = true;
		set->any_size |= digests->sizes->any_size;
		set->sized |= digests->sizes->sized;
		if (digests->sizes->max_bytes > set->max_bytes)
			set->max_bytes = digests->sizes->max_bytes;
	}
}

// What a layer has of both is in its own tables.
static int join(struct screen *screen)
{
	const struct screen_part *below = screen->layers[0];
	const struct screen_part *layer = screen->layers[1];
	const struct screen_part *last = layer != NULL ? layer : below;

	memcpy(screen->info.version, last->version, sizeof(screen->info.version));
	screen->info.entries = below->records_count;
	if (layer != NULL)
		screen->info.entries += layer->records_count - layer->gone_count;
	screen->below_count = below->records_count;
	screen->strings = last->strings;
	screen->types = last->types;
	screen->types_count = last->types_count;
	screen->places = last->places;
	screen->places_count = last->places_count;
	screen->lengths = last->lengths;
	screen->lengths_count = last->lengths_count;
	for (unsigned int i = 0; i < SCREEN_SETS; i++)
		for (unsigned int k = 0; k < DIGEST_ALGORITHMS; k++)
			join_set(screen, i, k);
	for (uint32_t i = 0; i < screen->places_count; i++)
		if (screen->places[i].from_end != 0 &&
			screen->places[i].offset > screen->max_from_end)
			screen->max_from_end = screen->places[i].offset;
	return group_windows(screen);
}

// Takes both parts, also where it fails.
static int join_parts(struct screen_part *below, struct screen_part *layer, struct screen **out)
{
	struct screen *screen = calloc(1, sizeof(*screen));
	int err;

	if (screen == NULL) {
		screen_part_close(layer);
		screen_part_close(below);
		return -ENOMEM;
	}
	screen->users = 1;
	screen->layers[0] = below;
	screen->layers[1] = layer;
	err = join(screen);
	if (err != 0) {
		screen_close(screen);
		return err;
	}
	*out = screen;
	return 0;
}

static int open_layer(
	const struct screen_part *below, const void *image, size_t bytes, struct screen_part **out)
{
	struct screen_part *layer;
	int err = screen_part_open(image, bytes, &layer);

	if (err != 0)
		return err;
	// What is of another image need not fit on this one.
	if (layer->of != NULL &&
		memcmp(layer->of, below->sha256, sizeof(((struct screen_header *)0)->sha256)) != 0)
		err = -ESTALE;
	else if (layer->of == NULL || !screen_part_is_on(layer, below))
		err = -EBADMSG;
	if (err == 0)
		*out = layer;
	else
		screen_part_close(layer);
	return err;
}

int screen_open(const void *image, size_t bytes, struct screen **out)
{
	size_t below_bytes = screen_image_bytes(image, bytes);
	struct screen_part *below;
	struct screen_part *layer = NULL;
	int err = screen_part_open(image, bytes, &below);

	if (err != 0)
		return err;
	if (below->of != NULL || below_bytes % SCREEN_ALIGN != 0)
		err = -EBADMSG;
	else if (below_bytes < bytes)
		err = open_layer(
			below, (const uint8_t *)image + below_bytes, bytes - below_bytes, &layer);
	if (err == 0 && layer != NULL &&
		screen_image_bytes((const uint8_t *)image + below_bytes, bytes - below_bytes) !=
			bytes - below_bytes) {
		screen_part_close(layer);
		err = -EBADMSG;
	}
	if (err != 0) {
		screen_part_close(below);
		return err == -ESTALE ? -EBADMSG : err;
	}
	return join_parts(below, layer, out);
}

int screen_open_layer(
	const struct screen *from, const void *layer, size_t bytes, struct screen **out)
{
	struct screen_part *below = from->layers[0];
	struct screen_part *part;
	int err = open_layer(below, layer, bytes, &part);

	if (err != 0)
		return err;
	below->users++;
	return join_parts(below, part, out);
}

void screen_own_mapping(struct screen *screen, unsigned int layer, void *mapping, size_t bytes)
{
	screen->layers[layer]->mapping = mapping;
	screen->layers[layer]->mapping_bytes = bytes;
}

void screen_close(struct screen *screen)
{
	if (screen == NULL || --screen->users > 0)
		return;
	free(screen->by_group);
	free(screen->groups);
	// The layer may lie in the mapping of what is below it.
	screen_part_close(screen->layers[1]);
	screen_part_close(screen->layers[0]);
	free(screen);
}

// ---- records -------------------------------------------------------------------------------------

uint32_t screen_numbers(const struct screen *screen)
{
	const struct screen_part *layer = screen->layers[1];

	return screen->below_count + (layer != NULL ? layer->records_count : 0);
}

bool screen_is_gone(const struct screen *screen, uint32_t number)
{
	const struct screen_part *layer = screen->layers[1];
	uint32_t low = 0;
	uint32_t high = layer != NULL ? layer->gone_count : 0;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (layer->gone[middle] == number)
			return true;
		if (layer->gone[middle] < number)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

_Atomic uint64_t *screen_hits(const struct screen *screen, uint32_t number)
{
	return number < screen->below_count
		       ? &screen->layers[0]->hits[number]
		       : &screen->layers[1]->hits[number - screen->below_count];
}

uint32_t screen_find_id(const struct screen *screen, uint64_t id)
{
	const struct screen_part *layer = screen->layers[1];
	uint32_t number = layer != NULL ? screen_part_find(layer, id) : UINT32_MAX;

	if (number != UINT32_MAX)
		return screen->below_count + number;
	number = screen_part_find(screen->layers[0], id);
	return number != UINT32_MAX && !screen_is_gone(screen, number) ? number : UINT32_MAX;
}

// ---- looking up ----------------------------------------------------------------------------------

uint64_t screen_type_bit(const struct screen *screen, const char *type)
{
	for (uint32_t i = 0; i < screen->types_count; i++)
		if (strcmp(screen->strings + screen->types[i], type) == 0)
			return SCREEN_ANY_TYPE << (i + 1);
	return 0;
}

static bool has_size(const struct screen_digests *digests, uint64_t bytes, uint64_t types)
{
	const struct screen_sizes *sizes = digests->sizes;
	uint64_t bit;

	if ((sizes->sized & types) == 0 || bytes > sizes->max_bytes)
		return false;
	bit = screen_size_bit(bytes, sizes->bits_log);
	return (digests->bits[bit / 64] >> (bit % 64) & 1) != 0;
}

bool screen_can_be(const struct screen_set *set, uint64_t bytes, uint64_t types)
{
	if ((set->any_size & types) != 0)
		return true;
	for (unsigned int i = 0; i < SCREEN_LAYERS; i++)
		if (set->layers[i] != NULL && has_size(set->layers[i], bytes, types))
			return true;
	return false;
}

size_t screen_find(const struct screen *screen, const struct screen_set *set, const uint8_t *digest,
	uint64_t key, uint32_t *records)
{
	size_t count = 0;

	for (unsigned int i = 0; i < SCREEN_LAYERS; i++) {
		size_t before = count;
		size_t n;

		if (set->layers[i] == NULL)
			continue;
		n = hashset_find(&set->layers[i]->hashes, digest, key, records + before,
			SCREEN_SAME_DIGEST - before);
		for (size_t k = 0; k < n; k++) {
			uint32_t number = records[before + k] + (i > 0 ? screen->below_count : 0);

			if (!screen_is_gone(screen, number))
				records[count++] = number;
		}
	}
	return count;
}

bool screen_record_takes(
	const struct screen *screen, uint32_t number, uint64_t bytes, uint64_t types)
{
	const struct screen_record *record = screen_record(screen, number);

	if (record->bytes != 0 && record->bytes != bytes)
		return false;
	return record->file_type == 0 ||
	       (screen_type_bit(screen, screen_text(screen, number, record->file_type)) & types) !=
		       0;
}
