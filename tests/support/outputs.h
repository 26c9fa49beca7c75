// SPDX-License-Identifier: BSD-3-Clause
// What leaves an engine, kept as bytes to be compared with what leaves another one.
#pragma once

#include "dataplane/engine.h"
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

#define OUTPUT_FRAME_ROOM 72000u

struct output {
	uint8_t *data;
	size_t bytes;
	size_t room;
	uint32_t frames; // these are counted by who appends
	uint32_t mails;
	uint32_t sessions;
};

static inline void output_append(struct output *output, const void *data, size_t n)
{
	if (output->bytes + n > output->room) {
		output->room = (output->bytes + n) * 2;
		output->data = realloc(output->data, output->room);
		assert_non_null(output->data);
	}
	memcpy(output->data + output->bytes, data, n);
	output->bytes += n;
}

// Of an engine's operations: frames of the heap.
static inline bool output_give_frame(void *ctx, uint32_t bytes, struct frame *out)
{
	(void)ctx;
	assert_true(bytes <= OUTPUT_FRAME_ROOM);
	*out = (struct frame){malloc(OUTPUT_FRAME_ROOM), 0, OUTPUT_FRAME_ROOM, NULL};
	return out->data != NULL;
}

static inline void output_drop_frame(void *ctx, struct frame *frame)
{
	(void)ctx;
	free(frame->data);
}
