// SPDX-License-Identifier: BSD-3-Clause
// Property: what is found in text that no header has told of is the same whole, where lines of no interest are passed
// over at once, byte by byte and in pieces of sizes drawn from it.
#include "scan/mime_state.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

// Of the events and of the bytes between them, in order.
struct sum {
	struct block block;
	uint64_t value;
	uint64_t bytes;
};

static void add(struct sum *sum, const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum->value = (sum->value ^ data[i]) * UINT64_C(0x100000001b3);
	sum->bytes += n;
}

static void take(struct sum *sum, enum block_step step)
{
	struct block *block = &sum->block;
	const uint8_t event[] = {(uint8_t)step, (uint8_t)block->kind};

	switch (step) {
	case BLOCK_DATA:
		add(sum, block->out, block->out_bytes);
		block->out_bytes = 0;
		break;
	case BLOCK_BEGIN:
	case BLOCK_END:
		add(sum, event, sizeof(event));
		break;
	case BLOCK_MORE:
		break;
	}
}

static void run(struct sum *sum, const uint8_t *data, size_t n, uint32_t seed)
{
	enum block_step step;

	block_init(&sum->block);
	sum->value = UINT64_C(0xcbf29ce484222325);
	sum->bytes = 0;
	for (size_t at = 0; at < n;) {
		size_t piece = seed == 0 ? n : 1;
		size_t used = 0;

		if (seed > 1) {
			seed = seed * 1664525u + 1013904223u;
			piece = 1 + (seed >> 16) % (seed >> 30 == 0 ? 3000 : 90);
		}
		piece = piece < n - at ? piece : n - at;
		do {
			size_t read = 0;

			step = block_scan(&sum->block, data + at + used, piece - used, &read);
			used += read;
			take(sum, step);
		} while (step != BLOCK_MORE);
		if (used != piece)
			abort();
		at += piece;
	}
	do {
		step = block_finish(&sum->block);
		take(sum, step);
	} while (step != BLOCK_MORE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct sum whole;
	static struct sum cut;
	uint32_t seed = 2;

	for (size_t i = 0; i < n; i++)
		seed = seed * 31 + data[i];
	run(&whole, data, n, 0);
	for (uint32_t way = 1; way < 3; way++) {
		run(&cut, data, n, way == 1 ? 1 : seed | 2);
		if (cut.value != whole.value || cut.bytes != whole.bytes ||
			cut.block.is_encrypted != whole.block.is_encrypted)
			abort();
	}
	return 0;
}
