// SPDX-License-Identifier: BSD-3-Clause
// The copies of HTML that people sent, and of the same pages damaged: every variant gives what the states give alone.
#include "tests/support/html_copies.h"
#include "tests/support/random.h"

#include <ftw.h>

// cmocka.h wants these before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
// clang-format on

#define MAX_PAGES 400
#define PAGE_BYTES 24000 // of which the copies' room is two and a half times as much

struct page {
	uint8_t *data;
	size_t bytes;
};

static struct page pages[MAX_PAGES];
static size_t pages_count;

// A mail as it is, with its header: what of it is no HTML is odd HTML.
static int add_page(const char *path, const struct stat *info, int type, struct FTW *walk)
{
	static uint8_t data[PAGE_BYTES + 1];
	FILE *file;
	size_t n;

	(void)info;
	(void)walk;
	if (type != FTW_F || pages_count == MAX_PAGES)
		return 0;
	file = fopen(path, "rb");
	assert_non_null(file);
	n = fread(data, 1, PAGE_BYTES, file);
	data[n] = 0;
	(void)fclose(file);
	if (strcasestr((const char *)data, "<html") == NULL)
		return 0;
	pages[pages_count].data = malloc(n);
	pages[pages_count].bytes = n;
	assert_non_null(pages[pages_count].data);
	memcpy(pages[pages_count++].data, data, n);
	return 0;
}

static int find_pages(void **state)
{
	const char *data = getenv("CORDON_TEST_DATA"); // NOLINT(concurrency-mt-unsafe): one thread
	char root[4096];

	(void)state;
	(void)snprintf(root, sizeof(root), "%s/mail", data != NULL ? data : "");
	if (data != NULL)
		// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
		(void)nftw(root, add_page, 16, FTW_PHYS);
	return 0;
}

static int free_pages(void **state)
{
	(void)state;
	while (pages_count > 0)
		free(pages[--pages_count].data);
	return 0;
}

static bool have_pages(void)
{
	if (pages_count == 0)
		printf("skip: CORDON_TEST_DATA has no mail with HTML\n");
	return pages_count > 0;
}

static void real_pages_give_the_same_copies_in_every_variant(void **state)
{
	struct random random = {UINT64_C(0x853c49e6748fea9b)};

	(void)state;
	if (!have_pages())
		skip();
	for (size_t i = 0; i < pages_count; i++)
		html_copies_check_variants(pages[i].data, pages[i].bytes,
			random_below(&random, (uint32_t)pages[i].bytes));
}

// Pieces of it are somewhere else, and what tags are made of stands where it does not belong.
static void damaged_pages_give_the_same_copies_in_every_variant(void **state)
{
	static const char *const pieces[] = {"<", ">", "\"", "'", " = ", "&", ";", "\r", "\xc3\xa9",
		"\xe3\x80\x82", "data:", "<!--", "-->", "<a href=", "<img src='", "</", "&amp;",
		"&x", "\x01", "  ", "\t"};
	static uint8_t html[PAGE_BYTES];
	struct random random = {UINT64_C(0xda3e39cb94b95bdb)};

	(void)state;
	if (!have_pages())
		skip();
	for (size_t i = 0; i < pages_count; i++) {
		const uint32_t n = (uint32_t)pages[i].bytes;

		memcpy(html, pages[i].data, n);
		for (uint32_t k = 1 + random_below(&random, 60); k > 0; k--) {
			const char *piece =
				pieces[random_below(&random, sizeof(pieces) / sizeof(pieces[0]))];
			const uint32_t at = random_below(&random, n);
			const uint32_t from = random_below(&random, n);
			const uint32_t bytes = random_below(&random, 200);

			if (k % 3 == 0 && at + bytes < n && from + bytes < n)
				memmove(html + at, html + from, bytes);
			else if (k % 17 == 0)
				html[at] = 0;
			else if (at + strlen(piece) < n)
				memcpy(html + at, piece, strlen(piece));
		}
		html_copies_check_variants(html, n, random_below(&random, n));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_pages_give_the_same_copies_in_every_variant),
		cmocka_unit_test(damaged_pages_give_the_same_copies_in_every_variant),
	};

	return cmocka_run_group_tests(tests, find_pages, free_pages);
}
