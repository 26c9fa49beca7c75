// SPDX-License-Identifier: BSD-3-Clause
#include "scan/mime_lines.h"

#include "scan/mime_lines_rules.h"
#include "scan/processor.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

struct marks {
	uint64_t ends;
	uint64_t breaks;
	uint64_t odd;
	uint64_t equals;
};

// Every line is looked at.
static inline struct marks marks_of_block(const uint8_t *data)
{
	struct marks marks = {0};

	for (unsigned int i = 0; i < 64; i++) {
		const bool ends = data[i] == '\n' || (data[i] == '\r' && data[i + 1] != '\n');

		marks.ends |= (uint64_t)ends << i;
		marks.equals |= (uint64_t)(data[i] == '=') << i;
	}
	return marks;
}

// Blocks are looked at one by one.
static inline bool walk_groups(struct walk *walk)
{
	(void)walk;
	return false;
}

#include "scan/mime_lines.inc"

size_t mime_lines_skip_portable(const uint8_t *data, size_t n, bool stops_at_dashes)
{
	return skip_lines(data, n, stops_at_dashes);
}

mime_lines_skip_fn mime_lines_variant(size_t i)
{
	switch (i) {
	case 0:
		return mime_lines_skip_portable;
	case 1:
		return processor_has_avx2() ? mime_lines_skip_avx2 : NULL;
	case 2:
		return processor_has_avx512() ? mime_lines_skip_avx512 : NULL;
	default:
		return NULL;
	}
}

// Looked up once; threads that come at the same time find the same.
size_t mime_lines_skip(const uint8_t *data, size_t n, bool stops_at_dashes)
{
	static _Atomic(mime_lines_skip_fn) chosen;
	mime_lines_skip_fn skip = atomic_load_explicit(&chosen, memory_order_relaxed);

	if (skip == NULL) {
		for (size_t i = 0; mime_lines_variant(i) != NULL; i++)
			skip = mime_lines_variant(i);
		atomic_store_explicit(&chosen, skip, memory_order_relaxed);
	}
	return skip(data, n, stops_at_dashes);
}

bool mime_lines_after_dashes(const uint8_t *data, size_t n, bool before)
{
	const uint8_t *end;

	while (n > 0 && (data[n - 1] == '\n' || data[n - 1] == '\r'))
		n--;
	if (n == 0)
		return before;
	for (int byte = '\n'; byte != 0; byte = byte == '\n' ? '\r' : 0) {
		end = memrchr(data, byte, n);
		n -= end != NULL ? (size_t)(end + 1 - data) : 0;
		data = end != NULL ? end + 1 : data;
	}
	return n > 2 && data[0] == '-' && data[1] == '-';
}
