// SPDX-License-Identifier: BSD-3-Clause
#include "control/rebuild_embed.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEAD_MOST 300   // between "data:" and its comma: what is longer counts as one
#define SPELT_QUOTE '`' // a quote that is spelt as a reference or an escape: it ends no value

// ---- HTML as a reader of URLs takes it ----------------------------------------------------------

// Text without character references, tabs and line ends, in lower case; what is above ASCII is '?'.
struct plain {
	char *text;
	size_t bytes;
};

static const struct {
	const char *name;
	char value;
} entities[] = {{"colon;", ':'}, {"comma;", ','}, {"tab;", '\t'}, {"newline;", '\n'},
	{"semi;", ';'}, {"sol;", '/'}, {"equals;", '='}, {"quot;", '"'}, {"quot", '"'},
	{"apos;", '\''}, {"lpar;", '('}, {"nbsp;", ' '}, {"amp;", '&'}};

// A numeric reference whose digits begin at at. Returns how long it is.
static size_t read_number(const char *at, size_t n, unsigned long *value)
{
	bool is_hex = n > 0 && (at[0] == 'x' || at[0] == 'X');
	size_t begin = is_hex ? 1 : 0;
	size_t used = begin;

	*value = 0;
	while (used < n &&
		(is_hex ? isxdigit((unsigned char)at[used]) : isdigit((unsigned char)at[used]))) {
		char digit[2] = {at[used++], '\0'};

		if (*value < 0x110000)
			*value = *value * (is_hex ? 16 : 10) + strtoul(digit, NULL, 16);
	}
	if (used == begin)
		return 0;
	return used < n && at[used] == ';' ? used + 1 : used;
}

// What a "&" begins, whose text is behind it. Returns how long that is, 0: nothing.
static size_t read_reference(const char *at, size_t n, int *out)
{
	unsigned long value;
	size_t used;

	if (n > 1 && at[0] == '#') {
		used = read_number(at + 1, n - 1, &value);
		*out = value < 0x80 ? (int)value : '?';
		return used > 0 ? used + 1 : 0;
	}
	for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
		used = strlen(entities[i].name);
		if (used <= n && strncasecmp(at, entities[i].name, used) == 0) {
			*out = (unsigned char)entities[i].value;
			return used;
		}
	}
	return 0;
}

// A CSS escape behind its backslash: hexadecimal digits and a blank.
static size_t read_escape(const char *at, size_t n, int *out)
{
	unsigned long value = 0;
	size_t used = 0;

	while (used < n && used < 6 && isxdigit((unsigned char)at[used])) {
		char digit[2] = {at[used++], '\0'};

		value = value * 16 + strtoul(digit, NULL, 16);
	}
	if (used == 0)
		return 0;
	*out = value < 0x80 ? (int)value : '?';
	return used < n && at[used] == ' ' ? used + 1 : used;
}

static bool is_quote(int c)
{
	return c == '"' || c == '\'';
}

static struct plain make_plain(const uint8_t *data, size_t bytes)
{
	const char *at = (const char *)data;
	struct plain plain = {malloc(bytes + 1), 0};

	for (size_t i = 0; plain.text != NULL && i < bytes;) {
		int c = (unsigned char)at[i++];
		size_t used = 0;

		if (c == '&')
			used = read_reference(at + i, bytes - i, &c);
		else if (c == '\\')
			used = read_escape(at + i, bytes - i, &c);
		// A style sheet takes what stands behind it as it is.
		if (c == '\\' && used == 0)
			continue;
		if (used > 0 && is_quote(c))
			c = SPELT_QUOTE;
		i += used;
		// Readers of URLs leave these out, and control characters before one.
		if (c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\0')
			continue;
		plain.text[plain.bytes++] = (char)(c < 0x80 ? tolower(c) : '?');
	}
	return plain;
}

// ---- data: URLs ---------------------------------------------------------------------------------

// What stands around a URL.
struct around {
	bool is_value; // of an attribute, or of url( in a style sheet
	char quote;    // that ends it; 0: none
};

// Where a URL begins.
static struct around look_around(const char *text, size_t at)
{
	struct around around = {false, '\0'};

	while (at > 0 &&
		(text[at - 1] <= ' ' || is_quote(text[at - 1]) || text[at - 1] == SPELT_QUOTE)) {
		at--;
		// The innermost one.
		if (text[at] > ' ' && around.quote == '\0')
			around.quote = text[at];
	}
	around.is_value = (at > 0 && text[at - 1] == '=') ||
			  (at >= 4 && strncmp(text + at - 4, "url(", 4) == 0);
	return around;
}

static bool ends_url(const struct around *around, char c)
{
	if (!around->is_value)
		return strchr(" \"'`>", c) != NULL;
	if (around->quote == '\0')
		return c == ' ' || c == '>';
	return c == around->quote && c != SPELT_QUOTE;
}

// Whether what stands behind "data:" is what a URL would have there: a type or parameters, a comma, and
// content. In a value that cannot be anything else they may be missing.
static bool is_url(const char *at, size_t n, const struct around *around)
{
	size_t most = n < HEAD_MOST ? n : HEAD_MOST;
	size_t length = 0;
	bool has_type = around->is_value;

	while (length < most && at[length] != ',') {
		if (ends_url(around, at[length]) || (!around->is_value && at[length] == '<'))
			return false;
		has_type = has_type || at[length] == '/' || at[length] == ';';
		length++;
	}
	if (length == most)
		return n > most && has_type;
	do
		length++;
	while (around->quote != '\0' && length < n && at[length] == ' ');
	return has_type && length < n && !ends_url(around, at[length]);
}

bool rebuild_embed_in_html(const uint8_t *data, size_t bytes)
{
	static const char scheme[] = "data:";
	struct plain plain = make_plain(data, bytes);
	const char *at = plain.text;
	bool found = false;

	// Without memory it is not let through.
	if (at == NULL)
		return true;
	while (!found) {
		size_t left = plain.bytes - (size_t)(at - plain.text);
		const char *hit = memmem(at, left, scheme, strlen(scheme));
		struct around around;
		size_t before;

		if (hit == NULL)
			break;
		before = (size_t)(hit - plain.text);
		at = hit + strlen(scheme);
		// Not the end of another word.
		if (before == 0 || isalnum((unsigned char)plain.text[before - 1]))
			continue;
		around = look_around(plain.text, before);
		found = is_url(at, plain.bytes - (size_t)(at - plain.text), &around);
	}
	free(plain.text);
	return found;
}

// ---- blocks in text -----------------------------------------------------------------------------

bool rebuild_embed_in_text(const uint8_t *data, size_t bytes)
{
	static const char *const begins[] = {"=ybegin ", "-----BEGIN PGP MESSAGE-----"};

	if (bytes == 0)
		return false; // of nothing data may be NULL
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		size_t n = strlen(begins[i]);
		const uint8_t *at = data;
		const uint8_t *hit;

		while ((hit = memmem(at, bytes - (size_t)(at - data), begins[i], n)) != NULL) {
			if (hit == data || hit[-1] == '\n' || hit[-1] == '\r')
				return true;
			at = hit + n;
		}
	}
	return false;
}

bool rebuild_embed_can_read(const char *charset)
{
	static const char *const others[] = {"utf-7", "utf7", "unicode", "csunicode", "utf-16",
		"utf16", "utf-32", "utf32", "ucs-", "iso-10646", "ebcdic", "ibm037", "cp037", "hz"};

	while (*charset == ' ')
		charset++;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (strncasecmp(charset, others[i], strlen(others[i])) == 0)
			return false;
	}
	return true;
}
