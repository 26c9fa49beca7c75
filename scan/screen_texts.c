// SPDX-License-Identifier: BSD-3-Clause
#include "scan/screen_texts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int screen_texts_init(struct screen_texts *texts, size_t entries)
{
	texts->slots_count = 64;
	while (texts->slots_count < entries * 4)
		texts->slots_count *= 2;
	texts->slots = calloc(texts->slots_count, sizeof(*texts->slots));
	texts->room = 4096;
	texts->bytes = calloc(1, texts->room);
	texts->used = 1; // ""
	return texts->slots != NULL && texts->bytes != NULL ? 0 : -ENOMEM;
}

void screen_texts_fini(struct screen_texts *texts)
{
	free(texts->bytes);
	free(texts->slots);
}

static uint64_t text_hash(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *text != '\0'; text++)
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return hash ^ hash >> 32;
}

static int texts_grow(struct screen_texts *texts, size_t bytes)
{
	size_t room = texts->room;
	char *grown;

	while (room - texts->used < bytes)
		room *= 2;
	if (room == texts->room)
		return 0;
	grown = room <= UINT32_MAX ? realloc(texts->bytes, room) : NULL;
	if (grown == NULL)
		return -ENOMEM;
	texts->bytes = grown;
	texts->room = room;
	return 0;
}

int screen_texts_add(struct screen_texts *texts, const char *text, uint32_t *out)
{
	size_t n = text != NULL ? strlen(text) : 0;
	size_t at;

	*out = 0;
	if (n == 0)
		return 0;
	at = text_hash(text) & (texts->slots_count - 1);
	while (texts->slots[at] != 0 && strcmp(texts->bytes + texts->slots[at], text) != 0)
		at = (at + 1) & (texts->slots_count - 1);
	if (texts->slots[at] == 0) {
		if (texts_grow(texts, n + 1) != 0)
			return -ENOMEM;
		memcpy(texts->bytes + texts->used, text, n + 1);
		texts->slots[at] = (uint32_t)texts->used;
		texts->used += n + 1;
	}
	*out = texts->slots[at];
	return 0;
}
