// SPDX-License-Identifier: BSD-3-Clause
// The mark of inline data is found wherever it stands, however the page is cut, by every variant.
#include "scan/scan_inline.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ROUNDS 20000
#define MAX_BYTES 400

// Of a page of such pieces that mostly are no marks; in memory of its own size.
static uint8_t *make_page(struct random *random, size_t n)
{
	static const char *const pieces[] = {
		"4,", "4", ",", ";base64,", ";BASE64,", ";Base64", ";base6", "se64,", ";base65,"};
	const uint32_t rare = 1 + random_below(random, 100);
	uint8_t *data = malloc(n > 0 ? n : 1);

	assert_non_null(data);
	for (size_t i = 0; i < n;) {
		const char *piece =
			random_below(random, rare) == 0 ? pieces[random_below(random, 9)] : "x";

		while (*piece != '\0' && i < n)
			data[i++] = (uint8_t)*piece++;
	}
	return data;
}

static void every_variant_finds_the_same_end(void **state)
{
	struct random random = {11};
	size_t found = 0;

	(void)state;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		const size_t n = random_below(&random, MAX_BYTES + 1);
		const size_t from = random_below(&random, (uint32_t)n + 10);
		uint8_t *data = make_page(&random, n);
		const uint8_t *at = from < n ? memmem(data + from, n - from, "4,", 2) : NULL;

		for (size_t i = 0; scan_inline_variant(i) != NULL; i++)
			assert_int_equal(scan_inline_variant(i)(data, n, from),
				at != NULL ? (size_t)(at - data) : n);
		found += at != NULL;
		free(data);
	}
	assert_true(found > ROUNDS / 4);
}

// The end of the next mark from there on, one of which no other part is looked at again; n: there is none.
static size_t next_mark(const uint8_t *data, size_t n, size_t from)
{
	for (size_t at = from; at < n; at++)
		if (at + 1 >= INLINE_MARK_BYTES &&
			strncasecmp((const char *)data + at + 1 - INLINE_MARK_BYTES, ";base64,",
				INLINE_MARK_BYTES) == 0)
			return at + 1;
	return n + 1;
}

static void a_mark_is_found_however_the_page_is_cut(void **state)
{
	struct random random = {12};
	size_t marks = 0;

	(void)state;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		const size_t n = random_below(&random, MAX_BYTES + 1);
		const size_t most = 1 + random_below(&random, round % 2 == 0 ? 12 : 200);
		uint8_t *data = make_page(&random, n);
		struct scan_inline in = {0};
		size_t wanted = next_mark(data, n, 0);

		for (size_t at = 0; at < n;) {
			size_t piece = 1 + random_below(&random, (uint32_t)most);
			bool found;

			piece = piece < n - at ? piece : n - at;
			at += scan_inline_find(&in, data + at, piece, &found);
			if (found) {
				assert_int_equal(at, wanted);
				wanted = next_mark(data, n, at);
				marks++;
			}
			assert_true(at < wanted);
		}
		assert_true(wanted > n);
		free(data);
	}
	assert_true(marks > ROUNDS / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_variant_finds_the_same_end),
		cmocka_unit_test(a_mark_is_found_however_the_page_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
