// SPDX-License-Identifier: BSD-3-Clause
// The texts of an image of screening entries while it is built, each once. Private to scan/screen_build.c.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct screen_texts {
	char *bytes;
	size_t used;
	size_t room;
	uint32_t *slots; // offsets, 0: free
	size_t slots_count;
};

// For so many entries, which have three texts each at most. Returns 0 or -ENOMEM; to be ended in either case.
int screen_texts_init(struct screen_texts *texts, size_t entries);
void screen_texts_fini(struct screen_texts *texts);
// Returns 0 with the text's offset, 0 for "" or NULL, or -ENOMEM.
int screen_texts_add(struct screen_texts *texts, const char *text, uint32_t *out);
