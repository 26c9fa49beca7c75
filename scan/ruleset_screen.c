// SPDX-License-Identifier: BSD-3-Clause
// Rulesets with a list of screening entries laid on them.
#include "scan/ruleset.h"
#include "scan/screen_laid.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static int lay(const struct ruleset *base, struct screen *screen, struct ruleset **out)
{
	struct ruleset *laid = malloc(sizeof(*laid));

	if (laid == NULL)
		return -ENOMEM;
	*laid = *base;
	laid->mapping = NULL;
	laid->below = NULL;
	laid->is_screened = true;
	laid->screen = screen;
	laid->own_screen = screen;
	*out = laid;
	return 0;
}

// Takes the list, also where it fails.
static int lay_own(const struct ruleset *base, struct screen *screen, struct ruleset **out)
{
	int err = lay(base, screen, out);

	if (err != 0)
		screen_close(screen);
	return err;
}

int ruleset_attach_screen(
	const struct ruleset *base, const void *image, size_t bytes, struct ruleset **out)
{
	struct screen *screen = NULL;
	int err = image != NULL ? screen_open(image, bytes, &screen) : 0;

	return err == 0 ? lay_own(base, screen, out) : err;
}

int ruleset_attach_screen_mapped(
	const struct ruleset *base, void *mapping, size_t bytes, struct ruleset **out)
{
	struct screen *screen = NULL;
	int err = screen_open(mapping, bytes, &screen);

	if (err == 0)
		err = lay_own(base, screen, out);
	if (err == 0)
		screen_own_mapping(screen, 0, mapping, bytes);
	return err;
}

int ruleset_attach_screen_layer_mapped(const struct ruleset *base, const struct ruleset *from,
	void *mapping, size_t bytes, struct ruleset **out)
{
	struct screen *screen = NULL;
	int err = from->screen != NULL ? screen_open_layer(from->screen, mapping, bytes, &screen)
				       : -ESTALE;

	if (err == 0)
		err = lay_own(base, screen, out);
	if (err == 0)
		screen_own_mapping(screen, 1, mapping, bytes);
	return err;
}

int ruleset_share_screen(
	const struct ruleset *base, const struct ruleset *from, struct ruleset **out)
{
	// Its owner is one of those that share it.
	struct screen *screen = (struct screen *)(uintptr_t)from->screen;
	int err = lay(base, screen, out);

	if (err == 0 && screen != NULL)
		screen->users++;
	return err;
}

static int map_beside(const char *path, const char *suffix, void **mapping, size_t *bytes)
{
	char beside[PATH_MAX];

	if (snprintf(beside, sizeof(beside), "%s%s", path, suffix) >= (int)sizeof(beside))
		return -ENOENT;
	return ruleset_map_file(beside, sizeof(struct screen_header), mapping, bytes);
}

// Of the layers in the file, one behind the other, that of the list: while a list takes the place of another there are
// those of both. *screen: the list with it, in the place of the one without. -ENOENT: there is none.
static int add_layer(const char *path, struct screen **screen)
{
	struct screen *both = NULL;
	void *mapping = NULL;
	size_t bytes = 0;
	size_t one = 0;
	int err = map_beside(path, RULESET_SCREEN_LAYER_SUFFIX, &mapping, &bytes);

	if (err != 0)
		return err;
	err = -ESTALE;
	for (size_t at = 0; at < bytes && err == -ESTALE; at += one) {
		const uint8_t *image = (const uint8_t *)mapping + at;

		one = screen_image_bytes(image, bytes - at);
		err = one > 0 ? screen_open_layer(*screen, image, one, &both) : -EBADMSG;
	}
	if (err != 0) {
		(void)munmap(mapping, bytes);
		return err == -ESTALE ? -ENOENT : err;
	}
	screen_own_mapping(both, 1, mapping, bytes);
	screen_close(*screen);
	*screen = both;
	return 0;
}

static int open_below(const char *path, struct screen **out)
{
	void *mapping = NULL;
	size_t bytes = 0;
	int err = map_beside(path, RULESET_SCREEN_SUFFIX, &mapping, &bytes);

	if (err != 0)
		return err;
	err = screen_open(mapping, bytes, out);
	if (err != 0) {
		(void)munmap(mapping, bytes);
		return err;
	}
	screen_own_mapping(*out, 0, mapping, bytes);
	return 0;
}

// Whether the image lies there still.
static bool is_there(const char *path, const struct screen *screen)
{
	const struct screen_part *below = screen->layers[0];
	void *mapping = NULL;
	size_t bytes = 0;
	bool is_same;

	if (map_beside(path, RULESET_SCREEN_SUFFIX, &mapping, &bytes) != 0)
		return false;
	is_same = memcmp(((const struct screen_header *)mapping)->sha256, below->sha256,
			  sizeof(((struct screen_header *)0)->sha256)) == 0;
	(void)munmap(mapping, bytes);
	return is_same;
}

int ruleset_open_screen(const char *path, struct ruleset *base, struct ruleset **out)
{
	struct screen *screen = NULL;
	int err = -EAGAIN;

	// Another image took its place before the layer was looked for: that one may have what was in the layer.
	for (unsigned int i = 0; i < RULESET_OPEN_TRIES && err == -EAGAIN; i++) {
		err = open_below(path, &screen);
		if (err != 0)
			return err;
		err = add_layer(path, &screen);
		if (err == -ENOENT)
			err = is_there(path, screen) ? 0 : -EAGAIN;
		if (err != 0)
			screen_close(screen);
	}
	if (err == 0)
		err = lay_own(base, screen, out);
	if (err == 0)
		(*out)->below = base;
	return err;
}

const struct screen_info *ruleset_get_screen(const struct ruleset *ruleset)
{
	static const struct screen_info none = {.version = ""};

	return ruleset->screen != NULL ? &ruleset->screen->info : &none;
}

uint32_t ruleset_get_screen_numbers(const struct ruleset *ruleset)
{
	return ruleset->screen != NULL ? screen_numbers(ruleset->screen) : 0;
}

bool ruleset_get_screen_entry(const struct ruleset *ruleset, uint32_t i, struct screen_entry *out)
{
	const struct screen *screen = ruleset->screen;
	const struct screen_record *record = screen_record(screen, i);

	if (screen_is_gone(screen, i))
		return false;
	*out = (struct screen_entry){.virus_id = screen_text(screen, i, record->virus_id),
		.name = screen_text(screen, i, record->name),
		.kind = (enum screen_kind)record->kind,
		.action = (enum screen_action)record->action,
		.algorithm = 1u << record->algorithm,
		.bytes = record->bytes,
		.file_type = screen_text(screen, i, record->file_type),
		.offset = record->offset,
		.from_end = record->from_end != 0,
		.length = record->length,
		.section = record->section,
		.rolling = record->rolling};
	memcpy(out->digest, record->digest, sizeof(out->digest));
	return true;
}

// Relaxed: counts that nothing else depends on.
uint64_t ruleset_get_screen_hits(const struct ruleset *ruleset, uint32_t i)
{
	return atomic_load_explicit(screen_hits(ruleset->screen, i), memory_order_relaxed);
}

static void move_hits(const struct screen *from, uint32_t number, const struct screen *to)
{
	_Atomic uint64_t *old = screen_hits(from, number);
	uint32_t at;

	if (atomic_load_explicit(old, memory_order_relaxed) == 0)
		return;
	at = screen_find_id(to, screen_record(from, number)->id);
	// Where both have an image in common it may be the same count.
	if (at != UINT32_MAX && screen_hits(to, at) != old)
		atomic_fetch_add_explicit(screen_hits(to, at),
			atomic_exchange_explicit(old, 0, memory_order_relaxed),
			memory_order_relaxed);
}

void ruleset_move_screen_hits(const struct ruleset *from, const struct ruleset *to)
{
	const struct screen *old = from->screen;
	const struct screen *now = to->screen;
	uint32_t first = 0;

	if (old == NULL || now == NULL || old == now)
		return;
	if (old->layers[0] == now->layers[0]) {
		const struct screen_part *layer = now->layers[1];

		first = old->below_count;
		for (uint32_t i = 0; layer != NULL && i < layer->gone_count; i++)
			move_hits(old, layer->gone[i], now);
	}
	for (uint32_t i = first; i < screen_numbers(old); i++)
		move_hits(old, i, now);
}
