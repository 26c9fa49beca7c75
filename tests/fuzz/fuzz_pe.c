// SPDX-License-Identifier: BSD-3-Clause
// Headers and import tables of PE files. What is read of the first bytes of a file alone is what is read
// of the whole, unless it says that something was cut.
#include "scan/pe_import.h"

#include <stdlib.h>
#include <string.h>

#define MD5_ALONE 1u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_header(const struct pe *pe)
{
	uint32_t offset;

	if (pe->sections_count > PE_MAX_SECTIONS)
		abort();
	for (uint32_t i = 0; i < pe->sections_count; i++)
		if (pe->sections[i].bytes > 0 &&
			!pe_offset_of(pe, pe->sections[i].address, &offset))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct pe_imports whole = {0};
	struct pe_imports part = {0};
	uint8_t digests[2][DIGEST_MAX_BYTES];
	struct pe pe;
	size_t first;

	if (n < 2)
		return 0;
	first = (size_t)data[0] << 4;
	data++;
	n--;
	if (pe_parse(data, n, &pe) != PE_TAKEN)
		return 0;
	check_header(&pe);
	pe_imports_read(&pe, data, n, n, MD5_ALONE, &whole);
	if (whole.is_cut)
		abort();
	pe_imports_read(&pe, data, first < n ? first : n, n, MD5_ALONE, &part);
	if (part.is_there && (!whole.is_there || part.bytes != whole.bytes))
		abort();
	if (!part.is_cut && part.is_there != whole.is_there)
		abort();
	if (whole.is_there && !digest_end(&whole.digest, DIGEST_INDEX_MD5, digests[0]))
		abort();
	if (part.is_there && (!digest_end(&part.digest, DIGEST_INDEX_MD5, digests[1]) ||
				     memcmp(digests[0], digests[1], sizeof(digests[0])) != 0))
		abort();
	return 0;
}
