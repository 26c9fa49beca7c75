// SPDX-License-Identifier: BSD-3-Clause
// From the tokens of a script to its copy.
#include "scan/script_norm_state.h"

#include <stdio.h>

// Of a piece of a word or string.
#define NUMBER_BYTES 8

static const char *const keywords[] = {"abstract", "boolean", "break", "byte", "case", "catch",
	"char", "class", "const", "continue", "debugger", "default", "delete", "do", "double",
	"else", "enum", "export", "extends", "false", "final", "finally", "float", "for",
	"function", "goto", "if", "implements", "import", "in", "instanceof", "int", "interface",
	"long", "native", "new", "null", "package", "private", "protected", "public", "return",
	"short", "static", "super", "switch", "synchronized", "this", "throw", "throws",
	"transient", "true", "try", "typeof", "var", "void", "volatile", "while", "with"};

bool script_is_keyword(const char *text, size_t n)
{
	size_t from = 0;
	size_t to = sizeof(keywords) / sizeof(keywords[0]);

	if (n < 2 || n > 12)
		return false;
	while (from < to) {
		size_t at = from + (to - from) / 2;
		int order = strncmp(text, keywords[at], n);

		if (order == 0 && keywords[at][n] == '\0')
			return true;
		if (order > 0)
			from = at + 1;
		else
			to = at;
	}
	return false;
}

// What is written of a token: its text, between quotes if it is a string.
struct written {
	const uint8_t *text;
	uint32_t bytes;
	bool opens;
	bool closes;
	bool is_word;
	bool goes_on;
	char buffer[NUMBER_BYTES];
};

static void get_name(
	const struct script_norm *script, const uint8_t *token, struct written *written)
{
	const struct script_norm_name *name = &script->names[script_get16(token + 1)];

	written->is_word = true;
	if (token[0] == TOKEN_NAME && name->number != SCRIPT_NORM_NONE) {
		written->bytes = (uint32_t)snprintf(written->buffer, sizeof(written->buffer),
			"n%03u", (unsigned int)name->number);
		written->text = (const uint8_t *)written->buffer;
		return;
	}
	written->text = (const uint8_t *)script->name_text + name->text;
	written->bytes = name->bytes;
}

static void get_text(const uint8_t *token, struct written *written)
{
	written->text = token + TOKEN_HEAD;
	written->bytes = script_get32(token + 2);
	written->goes_on = (token[1] & TOKEN_GOES_ON) != 0;
	written->is_word = token[0] != TOKEN_STRING;
	written->opens = token[0] == TOKEN_STRING && !written->goes_on;
	written->closes = token[0] == TOKEN_STRING && (token[1] & TOKEN_IS_CUT) == 0;
}

static void get_signs(const uint8_t *token, struct written *written)
{
	written->bytes = script_token_bytes(token);
	for (uint32_t i = 0; i < written->bytes; i++)
		written->buffer[i] = (char)(token[i] & ~TOKEN_MORE);
	written->text = (const uint8_t *)written->buffer;
}

static void get_written(
	const struct script_norm *script, const uint8_t *token, struct written *written)
{
	*written = (struct written){.text = token};
	switch (token[0]) {
	case TOKEN_NOTHING:
	case TOKEN_SPAN:
	case TOKEN_FUNCTION_END:
		break;
	case TOKEN_NAME:
	case TOKEN_WORD:
		get_name(script, token, written);
		break;
	case TOKEN_RAW:
	case TOKEN_NUMBER:
	case TOKEN_STRING:
		get_text(token, written);
		break;
	case TOKEN_FUNCTION:
		written->text = (const uint8_t *)"function";
		written->bytes = 8;
		written->is_word = true;
		break;
	case TOKEN_INCREMENT:
		written->text = (const uint8_t *)"++";
		written->bytes = 2;
		break;
	case TOKEN_ADD_TO:
		written->text = (const uint8_t *)"+=";
		written->bytes = 2;
		break;
	default:
		get_signs(token, written);
		break;
	}
}

static uint8_t plain(uint8_t byte)
{
	if (byte >= '\t' && byte <= '\r')
		return ' ';
	return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
}

// Bytes of the token from the place where it stands, a blank or a quote before it included.
static size_t write_some(struct script_norm *script, const struct written *written, uint8_t *out,
	size_t room, bool *ends)
{
	const bool has_blank = written->is_word && script->after_word && !written->goes_on;
	const uint32_t before = has_blank || written->opens;
	const uint32_t total = before + written->bytes + written->closes;
	size_t n = 0;

	for (; n < room && script->inside < total; n++, script->inside++) {
		uint32_t at = script->inside;

		if (at < before)
			out[n] = has_blank ? ' ' : '"';
		else if (at < before + written->bytes)
			out[n] = plain(written->text[at - before]);
		else
			out[n] = '"';
	}
	*ends = script->inside == total;
	return n;
}

// Whether a blank is written before another word. Of a word that is no variable the last character tells.
static bool ends_word(
	const struct script_norm *script, const uint8_t *token, const struct written *written)
{
	uint8_t last;

	if (token[0] != TOKEN_WORD)
		return written->is_word;
	if (written->bytes == 0)
		return script->after_word;
	last = written->text[written->bytes - 1];
	return (last >= '0' && last <= '9') || (plain(last) >= 'a' && plain(last) <= 'z');
}

// Behind the token: what it says of the scope.
static void follow(struct script_norm *script, const uint8_t *token, const struct written *written)
{
	if (token[0] == TOKEN_FUNCTION_END)
		script_write_scope(script, script->scopes[script->written_scope].parent);
	if (token[0] == TOKEN_NOTHING || token[0] == TOKEN_SPAN || token[0] == TOKEN_FUNCTION_END)
		return;
	script->after_word = ends_word(script, token, written);
	if (token[0] == TOKEN_FUNCTION)
		script_write_scope(script, script_get16(token + 1));
}

void script_advance(struct script_norm *script)
{
	const uint8_t *token = script->tokens + script->at;

	script->inside = 0;
	if (token[0] == TOKEN_SPAN) {
		script->span = script_get16(token + 1);
		script->at = script->spans[script->span].from;
		script->end = script->spans[script->span].to;
	} else {
		script->at += script_token_bytes(token);
	}
	while (script->at == script->end && script->spans[script->span].outer != SCRIPT_NORM_NONE) {
		const struct script_norm_span *span = &script->spans[script->span];

		script->at = span->resume;
		script->span = span->outer;
		script->end = script->spans[span->outer].to;
	}
}

size_t script_norm_read(struct script_norm *script, uint8_t *out, size_t room)
{
	size_t n = 0;

	if (!script->is_writing)
		return 0;
	if (script->written_scope == SCRIPT_NORM_NONE)
		script_write_scope(script, 0);
	while (n < room && script->at < script->end) {
		const uint8_t *token = script->tokens + script->at;
		struct written written;
		bool ends;

		get_written(script, token, &written);
		n += write_some(script, &written, out + n, room - n, &ends);
		if (!ends)
			break;
		follow(script, token, &written);
		script_advance(script);
	}
	for (; n < room && script->at >= script->end && script->has_ended &&
		script->open_brackets > 0;
		script->open_brackets--)
		out[n++] = ')';
	return n;
}
