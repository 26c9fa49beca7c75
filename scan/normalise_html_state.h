// SPDX-License-Identifier: BSD-3-Clause
// The states of the HTML normaliser and what each does with a byte. They are those of ClamAV's, odd as
// some of it is: signatures were made from what came out. Private to normalise_html*.c.
#pragma once

#include "scan/normalise_html.h"

#include <string.h>

enum html_state {
	HTML_TEXT,
	HTML_WIDE, // bytes above 127 in a text
	HTML_COMMENT,
	HTML_SKIP_BLANKS,
	HTML_TRIM_BLANKS,
	HTML_TAG,
	HTML_ARG,
	HTML_EQUAL, // is perhaps behind a blank
	HTML_VALUE,
	HTML_PROCESS, // the tag, which is complete
	HTML_REF,
	HTML_ENTITY,
	HTML_NUMBER,
	HTML_DATA_TYPE,
	HTML_DATA_BEGIN,
	HTML_DATA,
	HTML_DATA_END,
	HTML_ESCAPE,
	HTML_ESCAPE_END,
	HTML_CODE, // up to the head of an encoded script
};

// Of what stands in a page, whatever the state: an encoded script, and the checksum behind it.
enum html_code { HTML_CODE_NONE, HTML_CODE_BODY, HTML_CODE_TAIL };

enum html_quote { HTML_QUOTE_NONE, HTML_QUOTE_SINGLE, HTML_QUOTE_DOUBLE };

static inline bool html_is_blank(uint8_t byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static inline uint8_t html_lower(uint8_t byte)
{
	return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
}

static inline bool html_is_tag(const struct normalise_html *html, const char *name)
{
	size_t n = strlen(name);

	return html->tag_bytes == n && memcmp(html->tag, name, n) == 0;
}

static inline void html_put_page(struct normalise_html_out *out, uint8_t byte)
{
	out->page[out->page_bytes++] = byte;
}

static inline void html_put_text(struct normalise_html_out *out, uint8_t byte)
{
	out->text[out->text_bytes++] = byte;
}

static inline void html_put_data(struct normalise_html_out *out, uint8_t byte)
{
	out->data[out->data_bytes++] = byte;
}

// Of a script, up to a place in the input.
static inline void html_put_script(
	struct normalise_html *html, struct normalise_html_out *out, const uint8_t *to)
{
	const size_t n = (size_t)(to - html->script_from);

	if (html->in_code && n > 0) {
		memcpy(out->script + out->script_bytes, html->script_from, n);
		out->script_bytes += n;
	}
	html->script_from = to;
}

static inline void html_put_value(struct normalise_html *html, uint8_t byte)
{
	if (html->value_bytes < NORMALISE_HTML_VALUE)
		html->value[html->value_bytes++] = (char)byte;
}

static inline void html_go(struct normalise_html *html, enum html_state state)
{
	html->state = (uint8_t)state;
}

// Past white space, then to state.
static inline void html_skip_to(struct normalise_html *html, enum html_state state)
{
	html->state = HTML_SKIP_BLANKS;
	html->next = (uint8_t)state;
}

// Or behind white space.
static inline bool html_is_in_text(const struct normalise_html *html)
{
	return html->state == HTML_TEXT ||
	       ((html->state == HTML_SKIP_BLANKS || html->state == HTML_TRIM_BLANKS) &&
		       html->next == HTML_TEXT);
}

// Of the value of a digit.
bool html_is_hex_digit(uint8_t byte);
int html_digit_value(uint8_t byte);
// Whether bytes above 127 that were collected are a full stop, as another script writes it.
bool html_is_dot(uint32_t wide, uint8_t byte);

// Each returns whether the byte was consumed; else the next state is to look at it.
bool html_on_ref(struct normalise_html *html, uint8_t byte);
bool html_on_entity(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte);
bool html_on_number(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte);
bool html_on_tag(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte);
bool html_on_arg(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte);
bool html_on_equal(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte);
bool html_on_value(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte);
bool html_on_data_type(struct normalise_html *html, uint8_t byte);
bool html_on_data(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte);
bool html_on_escape(struct normalise_html *html, uint8_t byte);
void html_end_escape(struct normalise_html *html, struct normalise_html_out *out);
// at: the place in the input.
void html_on_process(
	struct normalise_html *html, struct normalise_html_out *out, const uint8_t *at);

// An argument of the tag of a script is complete; at the tag's end html_code_begin tells whether what follows
// is encoded.
void html_code_arg(struct normalise_html *html, bool has_value);
bool html_code_begin(struct normalise_html *html, struct normalise_html_out *out);
bool html_on_code(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte);
// A byte of an encoded script, or behind it.
void html_code_decode(struct normalise_html *html, uint8_t byte);

// What can be done with many bytes at once, in the state as it is. Returns how many were consumed; the
// next one is for the functions above.
size_t html_run(
	struct normalise_html *html, struct normalise_html_out *out, const uint8_t *in, size_t n);

// Whether what is left of the input, n bytes that html_run did not take, begins with a tag that has no end there:
// with the rest html_run takes it at once.
bool html_is_cut_off(const struct normalise_html *html, const uint8_t *in, size_t n);

void html_begin_ref(struct normalise_html *html, enum html_state next);
// A name at the end of the page.
void html_end_entity(struct normalise_html *html, struct normalise_html_out *out);
