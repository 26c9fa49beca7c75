// SPDX-License-Identifier: BSD-3-Clause
// Encodings that a header names in odd ways.
#include "scan/mime_state.h"

#include <string.h>

#define TEXT_BYTES 512

static char lower(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c | 0x20);
	return c;
}

// The letters and digits of text in lower case; what stands in comments on demand.
static void squeeze(const char *text, bool with_comments, char *out)
{
	unsigned int depth = 0;
	size_t n = 0;

	for (; *text != '\0' && n < TEXT_BYTES - 1; text++) {
		char c = lower(*text);

		if (c == '(' && !with_comments)
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (depth == 0 && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
			out[n++] = c;
	}
	out[n] = '\0';
}

static unsigned int named(const char *word)
{
	unsigned int codings = 0;

	if (strstr(word, "64") != NULL || strcmp(word, "b") == 0)
		codings |= MIME_CODING_BIT(MIME_BASE64);
	if (strstr(word, "quoted") != NULL || strstr(word, "print") != NULL ||
		strstr(word, "qp") != NULL || strcmp(word, "q") == 0)
		codings |= MIME_CODING_BIT(MIME_QP);
	if (strstr(word, "uu") != NULL)
		codings |= MIME_CODING_BIT(MIME_UU);
	return codings;
}

unsigned int mime_codings_named(struct span value)
{
	char text[TEXT_BYTES];
	char word[TEXT_BYTES];
	unsigned int codings;

	(void)header_text(value, text, sizeof(text));
	squeeze(text, false, word);
	codings = named(word);
	squeeze(text, true, word);
	return codings | named(word);
}

unsigned int mime_codings_hidden(struct span line)
{
	static const char field[] = "transfer-encoding";
	static const struct {
		const char *word;
		enum mime_coding coding;
	} words[] = {
		{"base64", MIME_BASE64},
		{"quoted-printable", MIME_QP},
	};
	unsigned int codings = 0;
	char text[TEXT_BYTES];
	const char *at = line.at;
	const char *end = line.at + line.bytes;
	size_t n;

	do {
		at = memchr(at, '-', (size_t)(end - at));
		if (at == NULL || (size_t)(end - at) < sizeof(field) + 5)
			return 0;
		at++;
	} while (lower(*at) != field[0] || !span_is((struct span){at, sizeof(field) - 1}, field));
	at += sizeof(field) - 1;
	n = (size_t)(end - at) < sizeof(text) - 1 ? (size_t)(end - at) : sizeof(text) - 1;
	for (size_t i = 0; i < n; i++) {
		text[i] = lower(at[i]);
		if (text[i] == '\0')
			text[i] = ' ';
	}
	text[n] = '\0';
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strstr(text, words[i].word) != NULL)
			codings |= MIME_CODING_BIT(words[i].coding);
	return codings;
}
