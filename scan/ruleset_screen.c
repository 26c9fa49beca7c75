// SPDX-License-Identifier: BSD-3-Clause
// Rulesets with a list of screening entries laid on them.
#include "scan/ruleset.h"
#include "scan/screen_image.h"

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

int ruleset_attach_screen(
	const struct ruleset *base, const void *image, size_t bytes, struct ruleset **out)
{
	struct screen *screen = NULL;
	int err = image != NULL ? screen_open(image, bytes, &screen) : 0;

	if (err == 0)
		err = lay(base, screen, out);
	if (err != 0)
		screen_close(screen);
	return err;
}

int ruleset_attach_screen_mapped(
	const struct ruleset *base, void *mapping, size_t bytes, struct ruleset **out)
{
	struct screen *screen = NULL;
	int err = screen_open(mapping, bytes, &screen);

	if (err == 0)
		err = lay(base, screen, out);
	if (err != 0) {
		screen_close(screen);
		return err;
	}
	screen->mapping = mapping;
	screen->mapping_bytes = bytes;
	return 0;
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

int ruleset_open_screen(const char *path, struct ruleset *base, struct ruleset **out)
{
	char beside[PATH_MAX];
	void *mapping = NULL;
	size_t bytes = 0;
	int err;

	if (snprintf(beside, sizeof(beside), "%s" RULESET_SCREEN_SUFFIX, path) >=
		(int)sizeof(beside))
		return -ENOENT;
	err = ruleset_map_file(beside, sizeof(struct screen_header), &mapping, &bytes);
	if (err != 0)
		return err;
	err = ruleset_attach_screen_mapped(base, mapping, bytes, out);
	if (err != 0) {
		(void)munmap(mapping, bytes);
		return err;
	}
	(*out)->below = base;
	return 0;
}

const struct screen_info *ruleset_get_screen(const struct ruleset *ruleset)
{
	static const struct screen_info none = {.version = ""};

	return ruleset->screen != NULL ? &ruleset->screen->info : &none;
}

void ruleset_get_screen_entry(const struct ruleset *ruleset, uint32_t i, struct screen_entry *out)
{
	const struct screen *screen = ruleset->screen;
	const struct screen_record *record = &screen->records[i];

	*out = (struct screen_entry){.virus_id = screen->strings + record->virus_id,
		.name = screen->strings + record->name,
		.kind = (enum screen_kind)record->kind,
		.action = (enum screen_action)record->action,
		.algorithm = 1u << record->algorithm,
		.bytes = record->bytes,
		.file_type = screen->strings + record->file_type,
		.offset = record->offset,
		.from_end = record->from_end != 0,
		.length = record->length,
		.section = record->section,
		.rolling = record->rolling};
	memcpy(out->digest, record->digest, sizeof(out->digest));
}

// Relaxed: counts that nothing else depends on.
uint64_t ruleset_get_screen_hits(const struct ruleset *ruleset, uint32_t i)
{
	return atomic_load_explicit(&ruleset->screen->hits[i], memory_order_relaxed);
}

void ruleset_move_screen_hits(const struct ruleset *from, const struct ruleset *to)
{
	const struct screen *old = from->screen;
	const struct screen *now = to->screen;
	uint32_t at = 0;

	if (old == NULL || now == NULL || old == now)
		return;
	for (uint32_t i = 0; i < old->records_count; i++) {
		while (at < now->records_count && now->records[at].id < old->records[i].id)
			at++;
		if (at == now->records_count)
			return;
		if (now->records[at].id == old->records[i].id)
			atomic_fetch_add_explicit(&now->hits[at],
				atomic_exchange_explicit(&old->hits[i], 0, memory_order_relaxed),
				memory_order_relaxed);
	}
}
