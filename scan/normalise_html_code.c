// SPDX-License-Identifier: BSD-3-Clause
// Scripts in Microsoft's encoding: the page has them decoded, behind their tag, which is written once more with
// the language that they are then of.
#include "scan/normalise_html_state.h"

#include <strings.h>

#define MARK "#@~^"
#define MARK_BYTES 4
#define TAIL_BYTES 12 // a checksum, "==^#~@"

static void put_link(struct normalise_html *html, const char *text, size_t n)
{
	size_t room = sizeof(html->link) - html->link_bytes;

	n = n < room ? n : room;
	memcpy(html->link + html->link_bytes, text, n);
	html->link_bytes = (uint16_t)(html->link_bytes + n);
}

// What the value of the first argument "language" is replaced with, NULL: nothing.
static const char *decoded_language(
	const struct normalise_html *html, const char *value, size_t value_bytes)
{
	static const char *const languages[][2] = {
		{"jscript.encode", "javascript"}, {"vbscript.encode", "vbscript"}};

	for (size_t i = 0; i < sizeof(languages) / sizeof(languages[0]); i++)
		if (strlen(languages[i][0]) == value_bytes && !html->has_link &&
			strncasecmp(languages[i][0], value, value_bytes) == 0)
			return languages[i][1];
	return NULL;
}

void html_code_arg(struct normalise_html *html, bool has_value)
{
	static const char name[] = "language";
	const size_t most = sizeof(html->arg);
	const char *value = html->value;
	const char *language = NULL;
	size_t value_bytes;

	put_link(html, " ", 1);
	put_link(html, html->arg, html->arg_bytes < most ? html->arg_bytes : most);
	if (has_value) {
		html->value[html->value_bytes] = '\0';
		value_bytes = strlen(value);
		if (value[0] == '"') {
			value++;
			value_bytes -= value_bytes > 1 ? 2 : 1;
		}
		if (html->arg_bytes == sizeof(name) - 1 &&
			memcmp(html->arg, name, html->arg_bytes) == 0) {
			language = decoded_language(html, value, value_bytes);
			html->has_value = !html->has_link ? language != NULL : html->has_value;
			html->has_link = true;
		}
		put_link(html, "=\"", 2);
		put_link(html, language != NULL ? language : value,
			language != NULL ? strlen(language) : value_bytes);
		put_link(html, "\"", 1);
	}
}

bool html_code_begin(struct normalise_html *html, struct normalise_html_out *out)
{
	static const char tag[] = "<script";

	if (html->in_script || !html->has_link || !html->has_value)
		return false;
	memcpy(out->page + out->page_bytes, tag, sizeof(tag) - 1);
	out->page_bytes += sizeof(tag) - 1;
	for (size_t i = 0; i < html->link_bytes; i++)
		html_put_page(out, html_lower((uint8_t)html->link[i]));
	html_put_page(out, '>');
	html->code = (struct normalise_code){0};
	return true;
}

static void put_mark(struct normalise_html *html, struct normalise_html_out *out)
{
	for (size_t i = 0; i < html->code.bytes; i++)
		html_put_page(out, (uint8_t)MARK[i]);
	html->code.bytes = 0;
}

// Behind the mark. A length that is none is 0.
static void on_head(struct normalise_html *html, uint8_t byte)
{
	struct normalise_code *code = &html->code;

	code->head[code->bytes++ - MARK_BYTES] = byte;
	if (code->bytes < MARK_BYTES + SCRIPT_HEAD_BYTES)
		return;
	if (!script_read_length(code->head, &code->left))
		code->left = 0;
	code->bytes = 0;
	code->phase = code->left > 0 ? HTML_CODE_BODY : HTML_CODE_TAIL;
	html_go(html, HTML_TEXT);
}

bool html_on_code(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte)
{
	struct normalise_code *code = &html->code;

	if (code->bytes >= MARK_BYTES) {
		on_head(html, byte);
	} else if (byte == (uint8_t)MARK[code->bytes]) {
		code->bytes++;
	} else if (code->bytes > 0) {
		put_mark(html, out);
		return false;
	} else {
		html_put_page(out, html_lower(byte));
	}
	return true;
}

void html_code_decode(struct normalise_html *html, uint8_t byte)
{
	struct normalise_code *code = &html->code;

	if (code->phase == HTML_CODE_TAIL) {
		if (++code->bytes == TAIL_BYTES)
			code->phase = HTML_CODE_NONE;
		return;
	}
	code->has_byte = script_decode(&code->state, byte, &code->byte);
	code->left--;
	if (code->left == 0)
		code->phase = HTML_CODE_TAIL;
}
