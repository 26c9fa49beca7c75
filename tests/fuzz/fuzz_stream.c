// SPDX-License-Identifier: BSD-3-Clause
// Property: a stream agrees with a naive model of it after every operation. So of two copies of a byte
// that differ only the first is ever visible, to the parser and to the receiver.
#include "tests/support/stream_model.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	int line = stream_model_run(data, n < 400 ? n : 400);

	if (line != 0) {
		(void)fprintf(stderr, "stream_model.c:%d\n", line);
		abort();
	}
	return 0;
}
