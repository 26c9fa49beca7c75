// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/html_copies.h"

#include "scan/normalise_html.h"

#include <stdbool.h>

// cmocka.h wants these before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
// clang-format on

static void append(uint8_t *to, size_t *at, const void *from, size_t n)
{
	assert_true(*at + n <= HTML_COPIES_ROOM);
	memcpy(to + *at, from, n);
	*at += n;
}

static void collect(struct html_copies *copies, const struct normalise_html_out *out)
{
	append(copies->page, &copies->page_bytes, out->page, out->page_bytes);
	append(copies->text, &copies->text_bytes, out->text, out->text_bytes);
	append(copies->data, &copies->data_bytes, out->data, out->data_bytes);
	switch (out->event) {
	case NORMALISE_HTML_NEED_INPUT:
		break;
	case NORMALISE_HTML_DATA_BEGIN:
		append(copies->data, &copies->data_bytes, "[", 1);
		append(copies->data, &copies->data_bytes, out->data_type, strlen(out->data_type));
		append(copies->data, &copies->data_bytes, "|", 1);
		break;
	case NORMALISE_HTML_DATA_END:
		append(copies->data, &copies->data_bytes, "]", 1);
		break;
	}
}

static void take_no_text(struct normalise_run *run)
{
	(void)run;
}

static void take_nothing(struct normalise_html_run *run)
{
	(void)run;
}

static void take_no_piece(struct normalise_html_run *run, bool is_other)
{
	(void)run;
	(void)is_other;
}

const struct normalise_ops html_states_alone = {
	"states", take_no_text, take_nothing, take_no_piece, take_nothing, take_no_piece, false};

static void settle(
	struct normalise_html *html, struct normalise_html_out *buffers, struct html_copies *out)
{
	while (normalise_html_settle(html, buffers))
		collect(out, buffers);
}

// How a page is cut.
struct cuts {
	size_t first;
	size_t step;
	bool settles; // behind each piece
};

static void make(const struct normalise_ops *ops, const uint8_t *data, size_t n,
	const struct cuts *cuts, struct html_copies *out)
{
	static struct normalise_html_out buffers;
	struct normalise_html html;
	size_t at = 0;

	out->page_bytes = 0;
	out->text_bytes = 0;
	out->data_bytes = 0;
	normalise_html_begin(&html);
	html.ops = ops;
	while (at < n) {
		size_t piece = at == 0 && cuts->first > 0 ? cuts->first
			       : cuts->step > 0           ? cuts->step
							  : n;
		size_t used = 0;
		uint8_t *copy;

		piece = piece < n - at ? piece : n - at;
		copy = malloc(piece);
		assert_non_null(copy);
		memcpy(copy, data + at, piece);
		while (used < piece) {
			used += normalise_html(&html, copy + used, piece - used, &buffers);
			collect(out, &buffers);
		}
		free(copy);
		at += piece;
		if (cuts->settles)
			settle(&html, &buffers, out);
	}
	settle(&html, &buffers, out);
	normalise_html_end(&html, &buffers);
	collect(out, &buffers);
}

void html_copies_make(const struct normalise_ops *ops, const uint8_t *data, size_t n, size_t first,
	size_t step, struct html_copies *out)
{
	const struct cuts cuts = {first, step, false};

	make(ops, data, n, &cuts, out);
}

void html_copies_check_same(const struct html_copies *actual, const struct html_copies *expected)
{
	assert_int_equal(actual->page_bytes, expected->page_bytes);
	assert_memory_equal(actual->page, expected->page, expected->page_bytes);
	assert_int_equal(actual->text_bytes, expected->text_bytes);
	assert_memory_equal(actual->text, expected->text, expected->text_bytes);
	assert_int_equal(actual->data_bytes, expected->data_bytes);
	assert_memory_equal(actual->data, expected->data, expected->data_bytes);
}

void html_copies_check_variants(const uint8_t *html, size_t n, size_t cut)
{
	static struct html_copies expected;
	static struct html_copies copies;
	const struct cuts settled = {cut, 1 + cut % 150, true};

	html_copies_make(&html_states_alone, html, n, 0, 1, &expected);
	for (size_t k = 0; normalise_variant(k) != NULL; k++) {
		html_copies_make(normalise_variant(k), html, n, 0, 0, &copies);
		html_copies_check_same(&copies, &expected);
		html_copies_make(normalise_variant(k), html, n, cut, 0, &copies);
		html_copies_check_same(&copies, &expected);
		html_copies_make(normalise_variant(k), html, n, cut, 1 + cut % 200, &copies);
		html_copies_check_same(&copies, &expected);
		make(normalise_variant(k), html, n, &settled, &copies);
		html_copies_check_same(&copies, &expected);
	}
}
