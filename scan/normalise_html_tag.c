// SPDX-License-Identifier: BSD-3-Clause
// Tags, their arguments and inline data in them.
#include "scan/normalise_html_state.h"

#include <string.h>

bool html_on_tag(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte)
{
	if (html->tag_bytes == 0 && byte == '!') {
		if (html->in_script)
			html_put_page(out, '!');
		else if (out->page_bytes > 0)
			out->page_bytes--;
		html_go(html, HTML_COMMENT);
	} else if (byte == '>') {
		html_put_page(out, '>');
		html_skip_to(html, HTML_PROCESS);
	} else if (html_is_blank(byte)) {
		html->arg_bytes = 0;
		html_skip_to(html, html->in_script ? HTML_PROCESS : HTML_ARG);
		return false;
	} else {
		html_put_page(out, html_lower(byte));
		if (html->in_script && html->tag_bytes == 0 && byte != '/')
			html_go(html, HTML_TEXT);
		if (html->tag_bytes < sizeof(html->tag))
			html->tag[html->tag_bytes] = (char)html_lower(byte);
		if (html->tag_bytes < UINT16_MAX)
			html->tag_bytes++;
	}
	return true;
}

// An argument is complete. The first one of the name that is asked for counts, whatever its value.
static void end_arg(struct normalise_html *html, bool has_value)
{
	const char *asked = html_is_tag(html, "a") ? "href" : html_is_tag(html, "img") ? "src" : "";
	size_t n = strlen(asked);
	const char *value = html->value;
	size_t value_bytes;

	if (html_is_tag(html, "script"))
		html_code_arg(html, has_value);
	if (n == 0 || html->has_link || html->arg_bytes != n || memcmp(html->arg, asked, n) != 0)
		return;
	html->has_link = true;
	html->has_value = has_value;
	if (!has_value)
		return;
	html->value[html->value_bytes] = '\0';
	value_bytes = strlen(value);
	if (value[0] == '"') {
		value++;
		value_bytes -= value_bytes > 1 ? 2 : 1;
	}
	html->link_bytes = (uint16_t)value_bytes;
	memcpy(html->link, value, html->link_bytes);
}

static void begin_value(struct normalise_html *html, struct normalise_html_out *out)
{
	html_put_page(out, '=');
	html->quote = HTML_QUOTE_NONE;
	html->value_bytes = 0;
	html_skip_to(html, HTML_VALUE);
}

bool html_on_arg(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte)
{
	if (byte == '=') {
		begin_value(html, out);
	} else if (html_is_blank(byte)) {
		html_skip_to(html, HTML_EQUAL);
	} else if (byte == '>') {
		html_put_page(out, '>');
		if (html->arg_bytes > 0)
			end_arg(html, false);
		html_go(html, HTML_PROCESS);
	} else {
		if (html->arg_bytes == 0)
			html_put_page(out, ' ');
		html_put_page(out, html_lower(byte));
		if (html->arg_bytes < sizeof(html->arg))
			html->arg[html->arg_bytes] = (char)html_lower(byte);
		if (html->arg_bytes < UINT16_MAX)
			html->arg_bytes++;
	}
	return true;
}

bool html_on_equal(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte)
{
	if (byte == '=') {
		begin_value(html, out);
		return true;
	}
	if (html->arg_bytes > 0)
		end_arg(html, false);
	html->arg_bytes = 0;
	html_go(html, HTML_ARG);
	return false;
}

static void end_value(struct normalise_html *html)
{
	end_arg(html, true);
	html->arg_bytes = 0;
	html_skip_to(html, HTML_ARG);
}

static void on_quote(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte)
{
	enum html_quote quote = byte == '"' ? HTML_QUOTE_DOUBLE : HTML_QUOTE_SINGLE;
	bool is_first = html->value_bytes == 0;

	html_put_page(out, '"');
	html_put_value(html, '"');
	if (is_first)
		html->quote = (uint8_t)quote;
	else if (html->quote == quote)
		end_value(html);
}

// Bytes above 127 come out when the next byte shows what they are.
static bool value_wide(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte)
{
	uint32_t wide = html->value_wide;
	unsigned int shift = wide >= 0x10000 ? 24 : wide >= 0x100 ? 16 : 8;

	if (wide == 0 || (byte >= 0x80 && wide < 0x10000))
		return false;
	html->value_wide = 0;
	if (html_is_dot(wide, byte)) {
		html_put_page(out, '.');
		html_put_value(html, '.');
		return wide == 0xa1;
	}
	while (shift > 0) {
		shift -= 8;
		html_put_page(out, (uint8_t)(wide >> shift));
		html_put_value(html, (uint8_t)(wide >> shift));
	}
	return false;
}

static void plain_value(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte)
{
	if (value_wide(html, out, byte))
		return;
	if (byte >= 0x80) {
		html->value_wide = html->value_wide << 8 | byte;
	} else {
		html_put_page(out, html_lower(byte));
		html_put_value(html, byte);
	}
}

// White space or the tag's end: it ends a value without quotes. One in quotes goes on as if it had none.
static bool on_value_break(
	struct normalise_html *html, struct normalise_html_out *out, uint8_t byte)
{
	if (html->quote == HTML_QUOTE_NONE) {
		end_value(html);
		return false;
	}
	html_put_page(out, byte);
	html_put_value(html, byte == '>' ? '>' : ' ');
	html->quote = HTML_QUOTE_NONE;
	html_skip_to(html, HTML_VALUE);
	return true;
}

static bool is_data(const struct normalise_html *html)
{
	return (html->value_bytes == 5 && memcmp(html->value, "data:", 5) == 0) ||
	       (html->value_bytes == 6 && memcmp(html->value, "\"data:", 6) == 0);
}

bool html_on_value(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte)
{
	if (is_data(html)) {
		if (out->page_bytes > 0)
			out->page_bytes--;
		if (html->quote != HTML_QUOTE_NONE)
			html_put_page(out, '"');
		html->value_bytes = 0;
		html_go(html, HTML_DATA_TYPE);
		return false;
	}
	if (byte == '&')
		html_begin_ref(html, HTML_VALUE);
	else if (byte == '\'' || byte == '"')
		on_quote(html, out, byte);
	else if (html_is_blank(byte) || byte == '>')
		return on_value_break(html, out, byte);
	else
		plain_value(html, out, byte);
	return true;
}

void html_on_process(struct normalise_html *html, struct normalise_html_out *out, const uint8_t *at)
{
	bool is_style = html_is_tag(html, "style");
	bool is_code = html_is_tag(html, "script") && html_code_begin(html, out);

	// A script's end ends a style too, but not the other way round.
	if (html_is_tag(html, "/script") || (html->in_style && html_is_tag(html, "/style"))) {
		html_put_script(html, out, at);
		if (html->in_code)
			out->script[out->script_bytes++] = '\0';
		html->in_code = false;
		html->in_script = false;
		html->in_style = false;
	} else if (is_style || html_is_tag(html, "script")) {
		// A style does not end the code that comes out, nor does one begin in it.
		if (!html->in_code)
			html->script_from = at;
		html->in_code = html->in_code || (!is_style && !html->in_script);
		html->in_script = true;
		html->in_style = is_style;
	} else if (html->has_link && html->has_value && html->link_bytes > 0) {
		memcpy(out->text + out->text_bytes, html->link, html->link_bytes);
		out->text_bytes += html->link_bytes;
		html_put_text(out, ' ');
		html->after_space = true;
	}
	html->has_link = false;
	html->link_bytes = 0;
	html_skip_to(html, is_code ? HTML_CODE : HTML_TEXT);
}

// ---- inline data -------------------------------------------------------------------------------

bool html_on_data_type(struct normalise_html *html, uint8_t byte)
{
	bool is_quote = byte == '\'' || byte == '"';

	if (is_quote) {
		if (html->quote == (byte == '"' ? HTML_QUOTE_DOUBLE : HTML_QUOTE_SINGLE)) {
			html->arg_bytes = 0;
			html_skip_to(html, HTML_ARG);
		} else {
			html_put_value(html, '"');
		}
	} else if (html_is_blank(byte) || byte == '>') {
		if (html->quote == HTML_QUOTE_NONE) {
			html->arg_bytes = 0;
			html_skip_to(html, HTML_ARG);
			return false;
		}
		html_put_value(html, byte == '>' ? '>' : ' ');
		html->quote = HTML_QUOTE_NONE;
		html_skip_to(html, HTML_DATA_TYPE);
	} else if (byte == ',') {
		html_go(html, HTML_DATA_BEGIN);
	} else {
		html_put_value(html, html_lower(byte));
	}
	return true;
}

bool html_on_data(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte)
{
	bool ends = (byte == '\'' && html->quote == HTML_QUOTE_SINGLE) ||
		    (byte == '"' && html->quote == HTML_QUOTE_DOUBLE) ||
		    ((html_is_blank(byte) || byte == '>') && html->quote == HTML_QUOTE_NONE);

	if (byte == '&') {
		html_begin_ref(html, HTML_DATA);
	} else if (byte == '%') {
		html->number = 0;
		html->escape_digits = 0;
		html_go(html, HTML_ESCAPE);
	} else if (ends) {
		html_go(html, HTML_DATA_END);
	} else {
		html_put_data(out, byte);
	}
	return true;
}

bool html_on_escape(struct normalise_html *html, uint8_t byte)
{
	html->number *= 16;
	html->escape_digits++;
	if (html_is_hex_digit(byte))
		html->number += html_digit_value(byte);
	else
		html_go(html, HTML_ESCAPE_END);
	if (html->escape_digits == 2)
		html_go(html, HTML_ESCAPE_END);
	return true;
}

void html_end_escape(struct normalise_html *html, struct normalise_html_out *out)
{
	if (html->escape_digits == 2) {
		html_put_data(out, (uint8_t)html->number);
	} else {
		html_put_data(out, '%');
		html_put_data(out, (uint8_t)(html->number + '0'));
	}
	html_go(html, HTML_DATA);
}
