// SPDX-License-Identifier: BSD-3-Clause
// Characters by number, and calls whose result is known: unescape() and eval() of a string.
#include "scan/script_norm_state.h"

size_t script_put_utf8(uint32_t character, uint8_t *out)
{
	if (character == 0)
		character = 1;
	if (character < 0x80) {
		out[0] = (uint8_t)character;
		return 1;
	}
	if (character < 0x800) {
		out[0] = (uint8_t)(0xc0 | character >> 6);
		out[1] = (uint8_t)(0x80 | (character & 0x3f));
		return 2;
	}
	out[0] = (uint8_t)(0xe0 | character >> 12);
	out[1] = (uint8_t)(0x80 | (character >> 6 & 0x3f));
	out[2] = (uint8_t)(0x80 | (character & 0x3f));
	return 3;
}

uint32_t script_number_of(const uint8_t *digits, size_t n)
{
	uint32_t number = 0;

	for (size_t i = 0; i < n; i++) {
		int digit = script_digit_of(digits[i]);

		if (digit < 0 && i + 1 == n)
			return UINT32_MAX >> (32 - 4 * n);
		number = number << 4 | (uint32_t)(digit < 0 ? 0 : digit);
	}
	return number;
}

// Of n digits; false where there are fewer.
static bool get_digits(const uint8_t *text, size_t left, size_t n, uint32_t *number)
{
	*number = 0;
	for (size_t i = 0; i < n; i++) {
		int digit = i < left ? script_digit_of(text[i]) : -1;

		if (digit < 0)
			return false;
		*number = *number << 4 | (uint32_t)digit;
	}
	return true;
}

static uint32_t unescape(uint8_t *text, uint32_t n)
{
	uint32_t out = 0;
	uint32_t number;

	for (uint32_t at = 0; at < n;) {
		const bool is_escape = text[at] == '%';

		if (is_escape && get_digits(text + at + 1, n - at - 1, 2, &number)) {
			text[out++] = number != 0 ? (uint8_t)number : 1;
			at += 3;
		} else if (is_escape && n - at > 1 && text[at + 1] == 'u' &&
			   get_digits(text + at + 2, n - at - 2, 4, &number)) {
			out += (uint32_t)script_put_utf8(number, text + out);
			at += 6;
		} else {
			text[out++] = text[at++];
		}
	}
	return out;
}

// The next token that is still there, or the end of those among which it is.
static uint32_t next_of(const struct script_norm *script, uint32_t at)
{
	do
		at += script_token_bytes(script->tokens + at);
	while (at < script->end && script->tokens[at] == TOKEN_NOTHING);
	return at;
}

static bool is_call(const struct script_norm *script, uint32_t at, enum script_known name)
{
	const uint8_t *token = script->tokens + at;

	return token[0] == TOKEN_NAME && script_get16(token + 1) == name;
}

// Where a call of name with a string begins: places of the four tokens, and of what follows.
static bool get_call(
	const struct script_norm *script, uint32_t at, enum script_known name, uint32_t places[5])
{
	if (!is_call(script, at, name))
		return false;
	places[0] = at;
	for (int i = 1; i < 5; i++) {
		if (places[i - 1] >= script->end)
			return false;
		places[i] = next_of(script, places[i - 1]);
	}
	return places[3] < script->end && script->tokens[places[1]] == '(' &&
	       script->tokens[places[2]] == TOKEN_STRING &&
	       (script->tokens[places[2] + 1] & TOKEN_IS_CUT) == 0;
}

static void take_away(struct script_norm *script, uint32_t from, uint32_t to)
{
	memset(script->tokens + from, TOKEN_NOTHING, to - from);
}

// ClamAV does not look whether the call ends behind the string.
static void fold_unescape(struct script_norm *script, const uint32_t places[5])
{
	uint8_t *string = script->tokens + places[2];
	const uint32_t before = script_get32(string + 2);
	const uint32_t n = unescape(string + TOKEN_HEAD, before);

	script_put32(string + 2, n);
	take_away(script, places[2] + TOKEN_HEAD + n, places[2] + TOKEN_HEAD + before);
	take_away(script, places[0], places[2]);
	take_away(script, places[3], places[3] + script_token_bytes(script->tokens + places[3]));
}

static void fold_eval(struct script_norm *script, const uint32_t places[5])
{
	const uint8_t *string = script->tokens + places[2];
	struct script_norm_span *span = &script->spans[script->spans_count];
	const uint32_t from = script->tokens_bytes;
	uint32_t resume = places[4];

	if (script->tokens[places[3]] != ')' || script->spans_count == SCRIPT_NORM_SPANS)
		return;
	if (!script_lex_more(script, string + TOKEN_HEAD, script_get32(string + 2)))
		return;
	if (resume < script->end && script->tokens[resume] == ';')
		resume = next_of(script, resume);
	*span = (struct script_norm_span){
		.from = from, .to = script->tokens_bytes, .resume = resume, .outer = script->span};
	script->tokens[places[0]] = TOKEN_SPAN;
	script_put16(script->tokens + places[0] + 1, script->spans_count++);
}

// Whether so many tokens follow the one at the cursor.
static bool has_more(const struct script_norm *script, unsigned int tokens)
{
	uint32_t at = script->at;
	uint32_t to = script->end;
	uint16_t span = script->span;

	for (; at < to && tokens > 0; tokens--) {
		at = next_of(script, at);
		while (at >= to && span != SCRIPT_NORM_NONE) {
			at = script->spans[span].resume;
			span = script->spans[span].outer;
			to = span == SCRIPT_NORM_NONE ? script->main_bytes : script->spans[span].to;
		}
	}
	return at < to;
}

// What a function is called is no call, nor is what stands behind its name.
static void skip_function(struct script_norm *script)
{
	if (script->tokens[script->at] != TOKEN_FUNCTION || !has_more(script, 13))
		return;
	script_advance(script);
	if (script->tokens[script->at] == TOKEN_NAME)
		script_advance(script);
}

// In what stands for a call others are looked for, but not at its first token.
void script_fold(struct script_norm *script)
{
	uint32_t places[5];

	for (; script->at < script->end; script_advance(script))
		if (get_call(script, script->at, KNOWN_UNESCAPE, places))
			fold_unescape(script, places);
	script->at = 0;
	for (; script->at < script->end; script_advance(script)) {
		skip_function(script);
		if (get_call(script, script->at, KNOWN_EVAL, places))
			fold_eval(script, places);
		if (script->tokens[script->at] == TOKEN_SPAN)
			script_advance(script);
		if (script->at == script->end)
			break;
	}
	script->at = 0;
}
