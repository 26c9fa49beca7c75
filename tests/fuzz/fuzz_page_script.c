// SPDX-License-Identifier: BSD-3-Clause
// Property: the copy of a script is the same however the script comes and however the copy is read, and what is held
// stays within its memory. The first input byte chooses the size of the pieces, the second how often the script
// stands behind itself, so that it does not fit.
#include "scan/script_norm.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES ((size_t)160 * 1024)
#define ROOM (8 * MOST_BYTES)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct copy {
	size_t bytes;
	uint8_t data[ROOM];
};

static void check(int is_true)
{
	if (!is_true)
		abort();
}

static void check_limits(const struct script_norm *script)
{
	check(script->tokens_bytes <= SCRIPT_NORM_TOKENS);
	check(script->names_bytes <= SCRIPT_NORM_NAME_BYTES);
	check(script->names_count <= SCRIPT_NORM_NAMES);
	check(script->declared_count <= SCRIPT_NORM_DECLARED);
	check(script->scopes_count <= SCRIPT_NORM_SCOPES);
	check(script->spans_count <= SCRIPT_NORM_SPANS);
}

static void read_copy(struct script_norm *script, size_t room, struct copy *copy)
{
	uint8_t *out = malloc(room); // of its own size: a sanitizer sees a byte too many
	size_t n;

	check(out != NULL);
	while ((n = script_norm_read(script, out, room)) > 0) {
		check(n <= room && n <= sizeof(copy->data) - copy->bytes);
		memcpy(copy->data + copy->bytes, out, n);
		copy->bytes += n;
	}
	free(out);
}

static void normalise(const uint8_t *data, size_t n, size_t step, size_t room, struct copy *copy)
{
	struct script_norm *script = malloc(sizeof(*script));

	check(script != NULL);
	// What was there before does not matter.
	memset(script, 0xa5, sizeof(*script));
	script_norm_begin(script);
	copy->bytes = 0;
	for (size_t at = 0; at < n; at += step) {
		const size_t most = n - at < step ? n - at : step;
		uint8_t *in = malloc(most);

		check(in != NULL);
		memcpy(in, data + at, most);
		for (size_t used = 0; used < most;) {
			used += script_norm_feed(script, in + used, most - used);
			check_limits(script);
			read_copy(script, room, copy);
		}
		free(in);
	}
	script_norm_end(script);
	check_limits(script);
	read_copy(script, room, copy);
	free(script);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct copy whole;
	static struct copy pieces;
	uint8_t *text;
	size_t bytes;
	size_t times;

	if (n < 3)
		return 0;
	bytes = n - 2;
	times = data[1] < 250 ? 1 : (size_t)1 << (data[1] - 246);
	while (times > 1 && bytes * times > MOST_BYTES)
		times--;
	text = malloc(bytes * times);
	check(text != NULL);
	for (size_t i = 0; i < times; i++)
		memcpy(text + i * bytes, data + 2, bytes);
	bytes *= times;
	normalise(text, bytes, bytes, 4096, &whole);
	normalise(text, bytes, data[0] + (size_t)1, 1 + data[0] % 7, &pieces);
	check(pieces.bytes == whole.bytes && memcmp(pieces.data, whole.data, whole.bytes) == 0);
	free(text);
	return 0;
}
