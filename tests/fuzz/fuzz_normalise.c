// SPDX-License-Identifier: BSD-3-Clause
// Property: input cut into pieces gives, with every variant, the copies that the states give alone, byte by
// byte; and the first tag is found at the same place. The first input byte chooses the size of the pieces, and whether
// what waits is asked for behind each.
#include "scan/normalise_detect.h"
#include "scan/normalise_html.h"
#include "scan/normalise_ops.h"
#include "scan/normalise_text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES 40000
#define ROOM (4 * MAX_BYTES + 4 * NORMALISE_HTML_VALUE)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct copy {
	size_t bytes;
	uint8_t data[ROOM];
};

struct outcome {
	struct copy page;
	struct copy text;
	struct copy inline_data;
	struct copy script;
	struct copy plain;
	size_t tag; // where the first one begins, n: there is none
};

static void append(struct copy *copy, const void *data, size_t n)
{
	if (n > sizeof(copy->data) - copy->bytes)
		return; // an attribute's value may be given again and again
	memcpy(copy->data + copy->bytes, data, n);
	copy->bytes += n;
}

static void collect(struct outcome *outcome, const struct normalise_html_out *out)
{
	append(&outcome->page, out->page, out->page_bytes);
	append(&outcome->text, out->text, out->text_bytes);
	append(&outcome->inline_data, out->data, out->data_bytes);
	append(&outcome->script, out->script, out->script_bytes);
	if (out->event == NORMALISE_HTML_DATA_BEGIN)
		append(&outcome->inline_data, out->data_type, strlen(out->data_type) + 1);
	if (out->event == NORMALISE_HTML_DATA_END)
		append(&outcome->inline_data, "\n", 1);
}

static void feed(struct normalise_html *html, const uint8_t *data, size_t n, bool settles,
	struct outcome *outcome)
{
	static struct normalise_html_out out;
	size_t used = 0;

	while (used < n) {
		used += normalise_html(html, data + used, n - used, &out);
		collect(outcome, &out);
	}
	while (settles && normalise_html_settle(html, &out))
		collect(outcome, &out);
	if (data == NULL) {
		normalise_html_end(html, &out);
		collect(outcome, &out);
	}
}

static void normalise(const uint8_t *data, size_t n, unsigned int cuts,
	const struct normalise_ops *ops, struct outcome *outcome)
{
	struct normalise_search search = {0};
	struct normalise_text text = {0};
	struct normalise_html html;
	const size_t step = (cuts & 127) < 100 ? (cuts & 127) + 1 : (cuts & 127) * 11;

	outcome->page.bytes = 0;
	outcome->text.bytes = 0;
	outcome->inline_data.bytes = 0;
	outcome->script.bytes = 0;
	outcome->plain.bytes = 0;
	outcome->tag = n;
	normalise_html_begin(&html);
	html.ops = ops;
	for (size_t at = 0; at < n; at += step) {
		size_t piece = n - at < step ? n - at : step;
		uint8_t *in = malloc(piece); // of its own size: a sanitizer sees a byte too many
		uint8_t *out = malloc(piece + NORMALISE_TEXT_SLACK);
		size_t found;

		if (in == NULL || out == NULL)
			abort();
		memcpy(in, data + at, piece);
		append(&outcome->plain, out, normalise_text_with(ops, &text, in, piece, out));
		feed(&html, in, piece, cuts > 127, outcome);
		if (outcome->tag == n && normalise_find_tag(&search, in, piece, &found))
			outcome->tag = at + found - search.count;
		free(out);
		free(in);
	}
	feed(&html, NULL, 0, true, outcome);
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

static void check_copy(const struct copy *a, const struct copy *b)
{
	if (a->bytes != b->bytes || memcmp(a->data, b->data, a->bytes) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct outcome whole;
	static struct outcome pieces;

	const struct normalise_ops states = {"states", normalise_ops_portable.text_run,
		take_nothing, take_no_piece, take_nothing, take_no_piece, false};

	if (n < 1 || n > MAX_BYTES)
		return 0;
	normalise(data + 1, n - 1, 0, &states, &whole);
	for (size_t i = 0; normalise_variant(i) != NULL; i++) {
		normalise(data + 1, n - 1, data[0], normalise_variant(i), &pieces);
		check_copy(&pieces.page, &whole.page);
		check_copy(&pieces.text, &whole.text);
		check_copy(&pieces.inline_data, &whole.inline_data);
		check_copy(&pieces.script, &whole.script);
		check_copy(&pieces.plain, &whole.plain);
		if (pieces.tag != whole.tag)
			abort();
	}
	(void)normalise_detect(data + 1, n - 1);
	return 0;
}
