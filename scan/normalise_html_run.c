// SPDX-License-Identifier: BSD-3-Clause
// The bytes of a page that change no state, many at a time.
#include "scan/normalise_html_state.h"
#include "scan/normalise_ops.h"

#include <string.h>

// What a byte ends, or is.
#define IS_BLANK 1u
#define IS_NAME 2u // of a character
#define ENDS_ARG 16u
#define ENDS_DATA 32u

static const uint8_t classes[256] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 49, 49, 49, 49, 49, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 49, 0, 32, 0, 0, 32, 32, 32, 0, 0, 0, 0, 0, 2, 0, 0,
	2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0, 0, 16, 48, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
	2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0, 2, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
	2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

static const struct normalise_ops *get_ops(const struct normalise_html *html)
{
	return html->ops != NULL ? html->ops : normalise_best();
}

// Text, also with tags in it, or a script, or a comment in that.
static size_t run_text(
	struct normalise_html *html, struct normalise_html_out *out, const uint8_t *in, size_t n)
{
	const struct normalise_ops *ops = get_ops(html);
	struct normalise_html_run run = {.in = in,
		.end = in + n,
		.page = out->page + out->page_bytes,
		.text = out->text + out->text_bytes,
		.after_space = html->after_space,
		.wide = html->value_wide};

	if (html->in_script)
		ops->script_run(&run, html->state == HTML_COMMENT);
	else
		ops->html_run(&run);
	out->page_bytes = (size_t)(run.page - out->page);
	out->text_bytes = (size_t)(run.text - out->text);
	html->after_space = run.after_space;
	html->value_wide = run.wide;
	if (run.skips_blanks || run.trims_blanks) {
		html->state = run.skips_blanks ? HTML_SKIP_BLANKS : HTML_TRIM_BLANKS;
		html->next = HTML_TEXT;
	}
	return (size_t)(run.in - in);
}

// Whether the value may be inline data: it is the start of "data:", in double quotes or none.
static bool may_be_data(const struct normalise_html *html, uint8_t next)
{
	static const char start[] = "\"data:";
	size_t n = html->value_bytes;
	size_t from = n > 0 && html->value[0] == '"' ? 0 : 1;

	return from + n < sizeof(start) && memcmp(html->value, start + from, n) == 0 &&
	       (start[from + n] == '\0' || next == (uint8_t)start[from + n]);
}

static size_t run_value(
	struct normalise_html *html, struct normalise_html_out *out, const uint8_t *in, size_t n)
{
	struct normalise_html_run run = {
		.in = in, .end = in + n, .page = out->page + out->page_bytes};
	size_t room = NORMALISE_HTML_VALUE - html->value_bytes;
	size_t used;

	// Not behind bytes that are collected.
	if (n == 0 || html->value_wide != 0 || may_be_data(html, in[0]))
		return 0;
	get_ops(html)->value_run(&run);
	used = (size_t)(run.in - in);
	out->page_bytes += used;
	room = room < used ? room : used;
	memcpy(html->value + html->value_bytes, in, room);
	html->value_bytes = (uint16_t)(html->value_bytes + room);
	return used;
}

// The first byte of a name is not for here. Of the rest the start is kept.
static size_t run_name(struct normalise_html *html, struct normalise_html_out *out,
	const uint8_t *in, size_t n, bool is_arg)
{
	const uint8_t *copied = out->page + out->page_bytes;
	struct normalise_html_run run = {
		.in = in, .end = in + n, .page = out->page + out->page_bytes};
	uint16_t *name_bytes = is_arg ? &html->arg_bytes : &html->tag_bytes;
	char *name = is_arg ? html->arg : html->tag;
	size_t used;

	if (*name_bytes == 0)
		return 0;
	get_ops(html)->name_run(&run, is_arg);
	used = (size_t)(run.in - in);
	out->page_bytes += used;
	for (size_t i = *name_bytes; i < 8 && i - *name_bytes < used; i++)
		name[i] = (char)copied[i - *name_bytes];
	*name_bytes = (uint16_t)(*name_bytes + used < UINT16_MAX ? *name_bytes + used : UINT16_MAX);
	return used;
}

// The first byte of an argument has a space before it.
static size_t run_arg(
	struct normalise_html *html, struct normalise_html_out *out, const uint8_t *in, size_t n)
{
	if (html->arg_bytes == 0 && n > 0 && (classes[in[0]] & ENDS_ARG) == 0) {
		html_put_page(out, ' ');
		html_put_page(out, html_lower(in[0]));
		html->arg[0] = (char)html_lower(in[0]);
		html->arg_bytes = 1;
		return 1 + run_name(html, out, in + 1, n - 1, true);
	}
	return run_name(html, out, in, n, true);
}

static size_t run_entity(struct normalise_html *html, const uint8_t *in, size_t n)
{
	size_t used = 0;

	if (html->state == HTML_REF && n > 0 && in[0] != '#')
		html_go(html, HTML_ENTITY);
	if (html->state == HTML_REF)
		return 0;
	while (used < n && html->entity_total < sizeof(html->entity) &&
		(classes[in[used]] & IS_NAME) != 0) {
		html->entity[html->entity_bytes++] = (char)in[used++];
		html->entity_total++;
	}
	return used;
}

static size_t run_blanks(
	struct normalise_html *html, struct normalise_html_out *out, const uint8_t *in, size_t n)
{
	size_t used = 0;

	while (used < n && (classes[in[used]] & IS_BLANK) != 0)
		used++;
	if (used == n)
		return n;
	if (html->state == HTML_TRIM_BLANKS && !html->in_script)
		html_put_page(out, ' ');
	html->state = html->next;
	return used;
}

static size_t run_comment(
	struct normalise_html *html, struct normalise_html_out *out, const uint8_t *in, size_t n)
{
	const uint8_t *end;

	if (html->in_script)
		return run_text(html, out, in, n);
	end = memchr(in, '>', n);
	return end != NULL ? (size_t)(end - in) : n;
}

static size_t run_data(struct normalise_html_out *out, const uint8_t *in, size_t n)
{
	size_t used = 0;

	while (used < n && (classes[in[used]] & ENDS_DATA) == 0)
		used++;
	memcpy(out->data + out->data_bytes, in, used);
	out->data_bytes += used;
	return used;
}

size_t html_run(
	struct normalise_html *html, struct normalise_html_out *out, const uint8_t *in, size_t n)
{
	size_t used = 0;

	if (html->state == HTML_PROCESS && n > 0)
		html_on_process(html, out, in);
	if (html->state == HTML_SKIP_BLANKS || html->state == HTML_TRIM_BLANKS)
		used = run_blanks(html, out, in, n);
	in += used;
	n -= used;
	if (html->state == HTML_PROCESS && n > 0) {
		html_on_process(html, out, in);
		html->state = html->next; // behind the blanks
	}
	switch ((enum html_state)html->state) {
	case HTML_TEXT:
		return used + run_text(html, out, in, n);
	case HTML_VALUE:
		return used + run_value(html, out, in, n);
	case HTML_TAG:
		return used + run_name(html, out, in, n, false);
	case HTML_ARG:
		return used + run_arg(html, out, in, n);
	case HTML_COMMENT:
		return used + run_comment(html, out, in, n);
	case HTML_DATA:
		return used + run_data(out, in, n);
	case HTML_REF:
	case HTML_ENTITY:
		return used + run_entity(html, in, n);
	case HTML_WIDE:
	case HTML_SKIP_BLANKS:
	case HTML_TRIM_BLANKS:
	case HTML_EQUAL:
	case HTML_PROCESS:
	case HTML_NUMBER:
	case HTML_DATA_TYPE:
	case HTML_DATA_BEGIN:
	case HTML_DATA_END:
	case HTML_ESCAPE:
	case HTML_ESCAPE_END:
	case HTML_CODE:
		break;
	}
	return used;
}

bool html_is_cut_off(const struct normalise_html *html, const uint8_t *in, size_t n)
{
	return n <= NORMALISE_HTML_TAIL && in[0] == '<' && !html->in_script &&
	       html_is_in_text(html) && get_ops(html)->takes_tags && memchr(in, '>', n) == NULL;
}
