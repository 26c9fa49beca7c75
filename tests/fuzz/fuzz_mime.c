// SPDX-License-Identifier: BSD-3-Clause
// Property: a message gives the same events whole, byte by byte and in chunks of sizes drawn from it, whether a
// parser has all its memory for itself or takes of a pool; parts are within the limits, and every part that
// begins ends.
#include "tests/support/mime_log.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct mime_limits limits = {
	.max_depth = 4, .max_parts = 20, .max_header_bytes = 1024};

static void run(struct mime_log *log, const uint8_t *data, size_t n, uint32_t seed)
{
	mime_log_begin(log, &limits);
	for (size_t at = 0; at < n;) {
		size_t take = seed == 0 ? n : 1;

		if (seed > 1) {
			seed = seed * 1664525u + 1013904223u;
			take = 1 + (seed >> 16) % (seed >> 30 == 0 ? 3000 : 30);
		}
		if (take > n - at)
			take = n - at;
		mime_log_feed(log, data + at, take);
		at += take;
	}
	mime_log_end(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct mime_log *whole;
	static struct mime_log *cut;
	uint32_t seed = 2;

	if (whole == NULL) {
		whole = mime_log_new(&limits);
		cut = mime_log_new_shared(&limits);
	}
	for (size_t i = 0; i < n; i++)
		seed = seed * 31 + data[i];
	run(whole, data, n, 0);
	if (whole->parts_count > limits.max_parts)
		abort();
	run(cut, data, n, 1);
	if (strcmp(whole->text, cut->text) != 0)
		abort();
	run(cut, data, n, seed | 2);
	if (strcmp(whole->text, cut->text) != 0)
		abort();
	return 0;
}
