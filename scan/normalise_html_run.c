// SPDX-License-Identifier: BSD-3-Clause
// The bytes of a page that change no state, many at a time.
#include "scan/normalise_html_state.h"
#include "scan/normalise_ops.h"

#include <string.h>

// What a byte ends, or is.
#define IS_BLANK 1u
#define ENDS_SCRIPT 2u
#define ENDS_VALUE 4u
#define ENDS_TAG 8u
#define ENDS_ARG 16u
#define ENDS_DATA 32u

static const uint8_t classes[256] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 61, 61, 61, 61, 61, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 61, 0, 36, 0, 0, 32, 38, 36, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 16, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6,
	6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6,
	6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6,
	6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6,
	6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6};

// Copies the bytes up to one of this class in lower case. Returns how many.
static size_t copy_lower(uint8_t *to, const uint8_t *in, size_t n, unsigned int end)
{
	size_t used = 0;

	while (used < n && (classes[in[used]] & end) == 0) {
		to[used] = html_lower(in[used]);
		used++;
	}
	return used;
}

static size_t run_script(struct normalise_html_out *out, const uint8_t *in, size_t n)
{
	uint8_t *to = out->page + out->page_bytes;
	size_t used = 0;

	while (used < n && (classes[in[used]] & ENDS_SCRIPT) == 0) {
		uint8_t byte = in[used++];

		*to = byte == '\'' ? '"' : html_lower(byte);
		to += (classes[byte] & IS_BLANK) == 0;
	}
	out->page_bytes = (size_t)(to - out->page);
	return used;
}

static size_t run_text(
	struct normalise_html *html, struct normalise_html_out *out, const uint8_t *in, size_t n)
{
	size_t used;

	if (html->in_script)
		return run_script(out, in, n);
	used = normalise_best()->html_run(
		in, n, out->page + out->page_bytes, out->text + out->text_bytes);
	out->page_bytes += used;
	out->text_bytes += used;
	html->after_space = html->after_space && used == 0;
	return used;
}

static size_t run_value(
	struct normalise_html *html, struct normalise_html_out *out, const uint8_t *in, size_t n)
{
	size_t room = NORMALISE_HTML_VALUE - html->value_bytes;
	size_t used;

	// Not while it may be inline data, nor behind what is collected.
	if (html->value_bytes <= sizeof("\"data:") - 1 || html->value_wide != 0)
		return 0;
	used = copy_lower(out->page + out->page_bytes, in, n, ENDS_VALUE);
	out->page_bytes += used;
	room = room < used ? room : used;
	memcpy(html->value + html->value_bytes, in, room);
	html->value_bytes = (uint16_t)(html->value_bytes + room);
	return used;
}

// The first byte of a name is not for here. Of the rest the start is kept.
static size_t run_name(struct normalise_html_out *out, const uint8_t *in, size_t n, char name[8],
	uint16_t *name_bytes, unsigned int end)
{
	const uint8_t *copied = out->page + out->page_bytes;
	size_t used;

	if (*name_bytes == 0)
		return 0;
	used = copy_lower(out->page + out->page_bytes, in, n, end);
	out->page_bytes += used;
	for (size_t i = *name_bytes; i < 8 && i - *name_bytes < used; i++)
		name[i] = (char)copied[i - *name_bytes];
	*name_bytes = (uint16_t)(*name_bytes + used < UINT16_MAX ? *name_bytes + used : UINT16_MAX);
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

static size_t run_comment(const struct normalise_html *html, const uint8_t *in, size_t n)
{
	const uint8_t *end = html->in_script ? in : memchr(in, '>', n);

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
		html_on_process(html, out);
	if (html->state == HTML_SKIP_BLANKS || html->state == HTML_TRIM_BLANKS)
		used = run_blanks(html, out, in, n);
	in += used;
	n -= used;
	if (html->state == HTML_PROCESS && n > 0) {
		html_on_process(html, out);
		html->state = html->next; // behind the blanks
	}
	switch ((enum html_state)html->state) {
	case HTML_TEXT:
		return used + run_text(html, out, in, n);
	case HTML_VALUE:
		return used + run_value(html, out, in, n);
	case HTML_TAG:
		return used + run_name(out, in, n, html->tag, &html->tag_bytes, ENDS_TAG);
	case HTML_ARG:
		return used + run_name(out, in, n, html->arg, &html->arg_bytes, ENDS_ARG);
	case HTML_COMMENT:
		return used + run_comment(html, in, n);
	case HTML_DATA:
		return used + run_data(out, in, n);
	case HTML_WIDE:
	case HTML_SKIP_BLANKS:
	case HTML_TRIM_BLANKS:
	case HTML_EQUAL:
	case HTML_PROCESS:
	case HTML_REF:
	case HTML_ENTITY:
	case HTML_NUMBER:
	case HTML_DATA_TYPE:
	case HTML_DATA_BEGIN:
	case HTML_DATA_END:
	case HTML_ESCAPE:
	case HTML_ESCAPE_END:
		break;
	}
	return used;
}
