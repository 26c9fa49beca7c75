// SPDX-License-Identifier: BSD-3-Clause
// Property: whatever the bytes are, deflate is read as zlib reads it: what comes out, how many bytes are
// read, and where it ends or is broken. The first input byte chooses the size of the pieces.
#include "tests/support/inflated.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *what;

	if (n == 0)
		return 0;
	(void)inflated_compare(data + 1, n - 1, data[0] % 2 == 0 ? data[0] * 37u : data[0], &what);
	if (what != NULL)
		abort();
	return 0;
}
