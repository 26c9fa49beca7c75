// SPDX-License-Identifier: BSD-3-Clause
// Encoded words (RFC 2047).
#include "scan/decode.h"
#include "scan/header.h"
#include "scan/header_charset.h"

#include <string.h>

// RFC 2047 allows 75; senders do not keep to it.
#define MAX_WORD_BYTES 2048

struct word {
	struct span charset;
	struct span text;
	bool base64;
	size_t end; // after "?="
};

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Whether an encoded word begins at value[i]: =?charset?B or Q?text?=
static bool word_at(struct span value, size_t i, struct word *out)
{
	size_t left = value.bytes - i;
	const char *end = value.at + i + (left < MAX_WORD_BYTES ? left : MAX_WORD_BYTES);
	const char *charset = value.at + i + 2;
	const char *mark;
	const char *star;
	const char *close;

	if (left < 8 || value.at[i] != '=' || value.at[i + 1] != '?')
		return false;
	mark = memchr(charset, '?', (size_t)(end - charset));
	if (mark == NULL || end - mark < 5 || mark[2] != '?' || strchr("bBqQ", mark[1]) == NULL ||
		mark[1] == '\0')
		return false;
	close = memmem(mark + 3, (size_t)(end - mark - 3), "?=", 2);
	if (close == NULL)
		return false;
	// RFC 2231 section 5: a language may follow the character set.
	star = memchr(charset, '*', (size_t)(mark - charset));
	out->charset = (struct span){charset, (size_t)((star != NULL ? star : mark) - charset)};
	out->base64 = mark[1] == 'b' || mark[1] == 'B';
	out->text = (struct span){mark + 3, (size_t)(close - mark - 3)};
	out->end = (size_t)(close + 2 - value.at);
	return true;
}

static void push_base64(struct text_sink *sink, struct span text)
{
	struct base64_state state = {0};
	uint8_t in[64];
	uint8_t out[64 / 4 * 3 + 3 + DECODE_SLACK];
	size_t n;

	for (size_t i = 0; i < text.bytes; i += sizeof(in)) {
		size_t take = text.bytes - i < sizeof(in) ? text.bytes - i : sizeof(in);

		memcpy(in, text.at + i, take);
		n = base64_decode(&state, in, take, out);
		for (size_t j = 0; j < n; j++)
			text_push(sink, out[j]);
	}
	n = base64_end(&state, out);
	for (size_t j = 0; j < n; j++)
		text_push(sink, out[j]);
}

static void push_q(struct text_sink *sink, struct span text)
{
	for (size_t i = 0; i < text.bytes; i++) {
		int high = text.at[i] == '=' && i + 2 < text.bytes ? hex_value(text.at[i + 1]) : -1;
		int low = high >= 0 ? hex_value(text.at[i + 2]) : -1;

		if (low >= 0) {
			text_push(sink, (uint8_t)(high * 16 + low));
			i += 2;
		} else {
			text_push(sink, text.at[i] == '_' ? ' ' : (uint8_t)text.at[i]);
		}
	}
}

size_t header_text(struct span value, char *out, size_t size)
{
	struct text_sink sink;
	struct word word;
	size_t i = 0;
	bool after_word = false;

	text_begin(&sink, out, size);
	while (i < value.bytes && is_blank((uint8_t)value.at[i]))
		i++;
	while (value.bytes > i && is_blank((uint8_t)value.at[value.bytes - 1]))
		value.bytes--;
	while (i < value.bytes && !sink.full) {
		const char *stop;
		size_t next = i;
		size_t at;

		// Blanks between two encoded words are not part of the text (RFC 2047 section 6.2).
		while (after_word && next < value.bytes && is_blank((uint8_t)value.at[next]))
			next++;
		at = next < value.bytes ? next : i;
		if (value.at[at] == '=' && word_at(value, at, &word)) {
			text_charset(&sink, charset_find(word.charset));
			if (word.base64)
				push_base64(&sink, word.text);
			else
				push_q(&sink, word.text);
			i = word.end;
			after_word = true;
			continue;
		}
		text_charset(&sink, CHARSET_UTF8);
		// No word begins there.
		stop = next + 1 < value.bytes
			       ? memchr(value.at + next + 1, '=', value.bytes - next - 1)
			       : NULL;
		next = stop != NULL ? (size_t)(stop - value.at) : value.bytes;
		text_push_all(&sink, (const uint8_t *)value.at + i, next - i);
		i = next;
		after_word = false;
	}
	return text_end(&sink);
}
