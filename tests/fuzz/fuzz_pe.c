// SPDX-License-Identifier: BSD-3-Clause
// Headers, import tables and version information of executable files. What is read of the first bytes of
// a file alone is what is read of the whole, unless it says that something was cut; and what is read of
// a captured file is what is read of one in a piece.
#include "scan/pe_import.h"

#include <stdlib.h>
#include <string.h>

#define MD5_ALONE 1u
#define CHUNK_BYTES 64
#define CHUNKS 1024

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_header(const struct executable *file)
{
	uint32_t offset;

	if (file->sections_count > EXECUTABLE_MAX_SECTIONS)
		abort();
	for (uint32_t i = 0; i < file->sections_count && file->format == FILETYPE_TARGET_PE; i++)
		if (file->sections[i].bytes > 0 &&
			!pe_offset_of(file, file->sections[i].address, &offset))
			abort();
}

static void check_same(const struct executable *a, const struct executable *b)
{
	if (a->format != b->format || a->has_entry_point != b->has_entry_point ||
		(a->has_entry_point && a->entry_point != b->entry_point) ||
		a->has_sections != b->has_sections || a->sections_count != b->sections_count ||
		memcmp(a->sections, b->sections, a->sections_count * sizeof(a->sections[0])) != 0)
		abort();
}

static void check_imports(const struct executable *pe, const struct executable_source *all,
	const struct executable_source *first)
{
	struct pe_imports whole = {0};
	struct pe_imports part = {0};
	uint8_t digests[2][DIGEST_MAX_BYTES];

	pe_imports_read(pe, all, MD5_ALONE, &whole);
	if (whole.is_cut)
		abort();
	pe_imports_read(pe, first, MD5_ALONE, &part);
	if (part.is_there && (!whole.is_there || part.bytes != whole.bytes))
		abort();
	if (!part.is_cut && part.is_there != whole.is_there)
		abort();
	if (whole.is_there && !digest_end(&whole.digest, DIGEST_INDEX_MD5, digests[0]))
		abort();
	if (part.is_there && (!digest_end(&part.digest, DIGEST_INDEX_MD5, digests[1]) ||
				     memcmp(digests[0], digests[1], sizeof(digests[0])) != 0))
		abort();
}

static void check_versions(const struct executable *pe, const struct executable_source *all,
	const struct executable_source *first)
{
	static struct pe_versions whole;
	static struct pe_versions part;

	pe_versions_read(pe, all, &whole);
	pe_versions_read(pe, first, &part);
	if (part.count > whole.count || (!part.is_cut && part.count != whole.count) ||
		(!part.is_cut && memcmp(part.offsets, whole.offsets,
					 part.count * sizeof(whole.offsets[0])) != 0))
		abort();
	for (uint32_t i = 0; i < whole.count; i++)
		if (whole.offsets[i] > all->bytes)
			abort();
}

static void check(enum filetype_target format, const struct executable_source *all,
	const struct executable_source *first, const struct executable_source *captured)
{
	static struct executable whole;
	static struct executable part;
	enum executable_result result = executable_parse(format, all, &whole);

	if (result == EXECUTABLE_MORE)
		abort();
	if (executable_parse(format, captured, &part) != result)
		abort();
	check_same(&whole, &part);
	check_header(&whole);
	if (executable_parse(format, first, &part) != EXECUTABLE_MORE)
		check_same(&whole, &part);
	if (result != EXECUTABLE_TAKEN || format != FILETYPE_TARGET_PE)
		return;
	check_imports(&whole, all, first);
	check_versions(&whole, all, first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct capture_pool pool;
	struct executable_source all = {0};
	struct executable_source first;
	struct executable_source captured;
	struct capture capture;
	size_t cut;

	if (pool.memory == NULL && capture_pool_init(&pool, CHUNK_BYTES, CHUNKS) != 0)
		abort();
	if (n < 2 || n > (size_t)CHUNK_BYTES * (CHUNK_BYTES / 4))
		return 0;
	cut = (size_t)data[0] << 4;
	all.data = data + 1;
	all.n = n - 1;
	all.bytes = n - 1;
	first = all;
	first.n = cut < all.n ? cut : all.n;
	capture_begin(&capture, &pool, n);
	if (capture_append(&capture, all.data, all.n) != all.n)
		abort();
	captured = (struct executable_source){.capture = &capture, .bytes = all.bytes};
	check(FILETYPE_TARGET_PE, &all, &first, &captured);
	check(FILETYPE_TARGET_ELF, &all, &first, &captured);
	check(FILETYPE_TARGET_MACHO, &all, &first, &captured);
	capture_free(&capture);
	return 0;
}
