// SPDX-License-Identifier: BSD-3-Clause
#include "scan/mime_fields.h"

#include "scan/processor.h"

#include <stdatomic.h>
#include <stdbool.h>

struct marks {
	uint64_t ends;
	uint64_t odd;
};

static inline struct marks marks_of_block(const uint8_t *data)
{
	struct marks marks = {0};

	for (unsigned int i = 0; i < 64; i++) {
		const bool is_cr = (data[i] == '\r') & (data[i + 1] != '\n');
		const bool is_hint = (data[i] == '-') & ((data[i + 1] | 0x20) == 't') &
				     ((data[i + 2] | 0x20) == 'r');

		marks.ends |= (uint64_t)(data[i] == '\n') << i;
		marks.odd |= (uint64_t)(is_cr | is_hint) << i;
	}
	return marks;
}

// Only the first is asked for.
static inline uint64_t not_of_name(const uint8_t *data)
{
	for (unsigned int i = 0; i < 64; i++)
		if (data[i] <= ' ' || data[i] > '~' || data[i] == ':' || data[i] == '(')
			return UINT64_C(1) << i;
	return 0;
}

#include "scan/mime_fields.inc"

size_t mime_fields_skip_portable(const uint8_t *data, size_t n, size_t most, uint32_t *lines)
{
	return skip_fields(data, n, most, lines);
}

mime_fields_skip_fn mime_fields_variant(size_t i)
{
	switch (i) {
	case 0:
		return mime_fields_skip_portable;
	case 1:
		return processor_has_avx2() ? mime_fields_skip_avx2 : NULL;
	case 2:
		return processor_has_avx512() ? mime_fields_skip_avx512 : NULL;
	default:
		return NULL;
	}
}

// Looked up once; threads that come at the same time find the same.
size_t mime_fields_skip(const uint8_t *data, size_t n, size_t most, uint32_t *lines)
{
	static _Atomic(mime_fields_skip_fn) chosen;
	mime_fields_skip_fn skip = atomic_load_explicit(&chosen, memory_order_relaxed);

	if (skip == NULL) {
		for (size_t i = 0; mime_fields_variant(i) != NULL; i++)
			skip = mime_fields_variant(i);
		atomic_store_explicit(&chosen, skip, memory_order_relaxed);
	}
	return skip(data, n, most, lines);
}
