// SPDX-License-Identifier: BSD-3-Clause
#include "scan/scan_marks.h"

#include "scan/processor.h"

#include <stdatomic.h>

#define BLOCK 64

static const uint8_t pairs[][2] = {{3, 4}, {5, 6}, {'~', '^'}};
static const uint8_t pair_marks[] = {SCAN_MARK_ZIP, SCAN_MARK_ZIP, SCAN_MARK_SCRIPT};
static const uint8_t archives[][SCAN_MARK_WHOLE_BYTES] = {
	{'7', 'z', 0xbc}, {'M', 'S', 'C'}, {'R', 'a', 'r'}};

// Of n places: of pairs that begin there, and of archives.
static inline unsigned int pairs_of(const uint8_t *data, size_t n)
{
	unsigned int found = 0;

	for (size_t i = 0; i < sizeof(pair_marks); i++) {
		uint8_t any = 0;

		for (size_t at = 0; at < n; at++)
			any |= ((data[at] ^ pairs[i][0]) | (data[at + 1] ^ pairs[i][1])) == 0;
		found |= any != 0 ? pair_marks[i] : 0;
	}
	return found;
}

static inline unsigned int archives_of(const uint8_t *data, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < sizeof(archives) / sizeof(archives[0]); i++)
		for (size_t at = 0; at < n; at++)
			any |= ((data[at] ^ archives[i][0]) | (data[at + 1] ^ archives[i][1]) |
				       (data[at + 2] ^ archives[i][2])) == 0;
	return any != 0 ? SCAN_MARK_WHOLE : 0;
}

unsigned int scan_marks_portable(const uint8_t *data, size_t n)
{
	unsigned int found = 0;
	size_t at = 0;

	// So many at once that the compiler need not ask how many there are.
	for (; at + BLOCK + 1 < n; at += BLOCK)
		found |= pairs_of(data + at, BLOCK) | archives_of(data + at, BLOCK);
	if (at + 1 < n)
		found |= pairs_of(data + at, n - at - 1);
	if (at + 2 < n)
		found |= archives_of(data + at, n - at - 2);
	return found;
}

scan_marks_fn scan_marks_variant(size_t i)
{
	if (i == 0)
		return scan_marks_portable;
	return i == 1 && processor_has_avx512() ? scan_marks_avx512 : NULL;
}

// Looked up once; threads that come at the same time find the same.
unsigned int scan_marks(const uint8_t *data, size_t n)
{
	static _Atomic(scan_marks_fn) chosen;
	scan_marks_fn marks = atomic_load_explicit(&chosen, memory_order_relaxed);

	if (marks == NULL) {
		for (size_t i = 0; scan_marks_variant(i) != NULL; i++)
			marks = scan_marks_variant(i);
		atomic_store_explicit(&chosen, marks, memory_order_relaxed);
	}
	return marks(data, n);
}
