// SPDX-License-Identifier: BSD-3-Clause
// Property: what the headers of a RAR archive tell does not depend on how the archive was kept, nor on
// what stands before it. The first input byte chooses the form, the second how.
#include "scan/unpack_rar.h"

#include <stdlib.h>
#include <string.h>

#define MOST_BYTES 32768

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

static unsigned int look(size_t chunk, size_t before, const uint8_t *data, size_t n)
{
	struct whole_budget budget = {UINT64_MAX / 2, NULL};
	struct capture capture;
	struct capture_pool pool;
	struct whole whole = {.capture = &capture, .from = before, .budget = &budget};
	uint8_t *front = calloc(1, before + 1);
	unsigned int found;

	check(front != NULL);
	check(capture_pool_init(&pool, chunk, (uint32_t)((before + n) / chunk + 3)) == 0);
	capture_begin(&capture, &pool, UINT64_MAX / 2);
	check(capture_append(&capture, front, before) == before);
	check(capture_append(&capture, data, n) == n);
	found = rar_look(&whole);
	capture_free(&capture);
	capture_pool_fini(&pool);
	free(front);
	return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint8_t marks[2][8] = {"Rar!\x1a\x07\x00", "Rar!\x1a\x07\x01"};
	uint8_t *archive;
	size_t mark;
	unsigned int found;

	if (n < 2 || n > MOST_BYTES)
		return 0;
	mark = data[0] % 3 < 2 ? 7 + (size_t)data[0] % 3 : 0;
	archive = malloc(mark + n);
	check(archive != NULL);
	if (mark > 0)
		memcpy(archive, marks[mark - 7], mark);
	memcpy(archive + mark, data + 2, n - 2);
	found = look(65536, 0, archive, mark + n - 2);
	check((found & ~15u) == 0);
	check(look((size_t)512 << data[1] % 4, data[1], archive, mark + n - 2) == found);
	free(archive);
	return 0;
}
