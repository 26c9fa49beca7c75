// SPDX-License-Identifier: BSD-3-Clause
// Characters by number, and calls whose result is known: unescape() and eval() of a string.
#include "scan/script_norm_state.h"

#include <stdlib.h>

#define MAX_PACKED 64
#define SPAN_BYTES 3u // of the token

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

// What is read between from and the end of the tokens stands from now on for what begins at the place, which has room for
// a span, up to resume in outer.
static void put_span(
	struct script_norm *script, uint32_t place, uint32_t from, uint32_t resume, uint16_t outer)
{
	uint8_t *token = script->tokens + place;
	uint32_t bytes = 0;

	script->spans[script->spans_count] = (struct script_norm_span){
		.from = from, .to = script->tokens_bytes, .resume = resume, .outer = outer};
	while (bytes < SPAN_BYTES)
		bytes += script_token_bytes(token + bytes);
	take_away(script, place, place + bytes);
	token[0] = TOKEN_SPAN;
	script_put16(token + 1, script->spans_count++);
}

static uint32_t behind_semicolon(const struct script_norm *script, uint32_t at)
{
	return at < script->end && script->tokens[at] == ';' ? next_of(script, at) : at;
}

static void fold_eval(struct script_norm *script, const uint32_t places[5])
{
	const uint8_t *string = script->tokens + places[2];
	const uint32_t from = script->tokens_bytes;

	if (script->tokens[places[3]] != ')' || script->spans_count == SCRIPT_NORM_SPANS ||
		!script_lex_begin(script))
		return;
	if (script_lex_end(script, from,
		    script_lex_more(script, string + TOKEN_HEAD, script_get32(string + 2))))
		put_span(
			script, places[0], from, behind_semicolon(script, places[4]), script->span);
}

// ---- packers -----------------------------------------------------------------------------------

// A place among the tokens, to come back to.
struct place {
	uint32_t at;
	uint32_t end;
	uint16_t span;
};

static struct place place_of(const struct script_norm *script)
{
	return (struct place){script->at, script->end, script->span};
}

static void go_to(struct script_norm *script, const struct place *place)
{
	script->at = place->at;
	script->end = place->end;
	script->span = place->span;
}

static bool is_at_end(const struct script_norm *script)
{
	return script->at == script->end;
}

// To the next one that is written.
static void go_on(struct script_norm *script)
{
	do
		script_advance(script);
	while (!is_at_end(script) && (script->tokens[script->at] == TOKEN_NOTHING ||
					     script->tokens[script->at] == TOKEN_SPAN));
}

static uint8_t kind_at(const struct script_norm *script)
{
	return is_at_end(script) ? TOKEN_NOTHING : script->tokens[script->at];
}

static void step(struct script_norm *script)
{
	if (!is_at_end(script))
		go_on(script);
}

// dF() of a string whose last character tells how far the others were moved. What it stands for follows the script.
static void fold_moved(struct script_norm *script, const uint32_t places[5])
{
	const uint8_t *string = script->tokens + places[2] + TOKEN_HEAD;
	const uint32_t from = script->tokens_bytes;
	const uint32_t n = script_get32(string - 4);
	uint8_t *moved = script->tokens + script->room - n;
	const uint32_t room = script->room;
	bool is_whole;

	if (n == 0 || n >= script->room - from || script->spans_count + 2 > SCRIPT_NORM_SPANS)
		return;
	for (uint32_t i = 0; i + 1 < n; i++)
		moved[i] = (uint8_t)(string[i] - (string[n - 1] - '0'));
	moved[n - 1] = '\0';
	script->room -= n;
	is_whole = script_lex_begin(script);
	if (is_whole)
		is_whole = script_lex_end(script, from,
			script_lex_more(script, moved,
				unescape(moved, (uint32_t)strlen((const char *)moved))));
	script->room = room;
	if (!is_whole)
		return;
	script->spans[script->tail].resume = from;
	script->spans[script->tail].outer = script->spans_count;
	script->tail = script->spans_count;
	script->spans[script->spans_count++] = (struct script_norm_span){
		.from = from, .to = script->tokens_bytes, .outer = SCRIPT_NORM_NONE};
	put_span(script, places[0], script->tokens_bytes, behind_semicolon(script, places[4]),
		script->span);
}

// The text of what a function that unpacks is called with, which may lie in signs; NULL: it has none.
static const uint8_t *get_argument(
	const struct script_norm *script, uint32_t at, uint8_t *signs, uint32_t *bytes)
{
	const uint8_t *token = script->tokens + at;
	const struct script_norm_name *name;

	if (token[0] == TOKEN_STRING && (token[1] & (TOKEN_IS_CUT | TOKEN_GOES_ON)) == 0) {
		*bytes = script_get32(token + 2);
		return token + TOKEN_HEAD;
	}
	if (signs != NULL && token[0] > TOKEN_NO_SIGN) {
		*bytes = script_token_bytes(token);
		for (uint32_t i = 0; i < *bytes && i < SCRIPT_NORM_OPERATOR; i++)
			signs[i] = token[i] & (uint8_t)~TOKEN_MORE;
		return signs;
	}
	if (signs == NULL || token[0] != TOKEN_NAME)
		return NULL;
	name = &script->names[script_get16(token + 1)];
	*bytes = name->bytes;
	return (const uint8_t *)script->name_text + name->text;
}

// Of the number that a token is; else, and of fractions, all bits are set.
static uint32_t get_base(const struct script_norm *script, uint32_t at)
{
	const uint8_t *token = script->tokens + at;
	char text[SCRIPT_NORM_NUMBER];
	uint32_t n;

	if (token[0] != TOKEN_NUMBER)
		return UINT32_MAX;
	n = script_get32(token + 2);
	if (n >= sizeof(text) || (token[1] & TOKEN_IS_FRACTION) != 0)
		return UINT32_MAX;
	memcpy(text, token + TOKEN_HEAD, n);
	text[n] = '\0';
	return (uint32_t)strtol(text, NULL, 10);
}

// The words, between bars: where each begins, and one behind the last.
struct words {
	const uint8_t *text;
	const uint8_t *places;
	uint32_t count;
};

static uint32_t word_at(const struct words *words, uint32_t number)
{
	return script_get32(words->places + 4 * (size_t)number);
}

// Into the room for tokens, from its end.
static bool find_words(
	struct script_norm *script, const uint8_t *text, uint32_t n, struct words *words)
{
	uint8_t *place;

	*words = (struct words){.text = text, .count = 1};
	for (uint32_t i = 0; i < n; i++)
		words->count += text[i] == '|';
	if (4 * (words->count + 1) >= script->room - script->tokens_bytes)
		return false;
	script->room -= 4 * (words->count + 1);
	words->places = place = script->tokens + script->room;
	script_put32(place, 0);
	for (uint32_t i = 0; i < n; i++) {
		if (text[i] == '|')
			script_put32(place += 4, i + 1);
	}
	script_put32(place + 4, n + 1);
	return true;
}

static bool is_of_number(uint8_t byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
	       (byte >= 'A' && byte <= 'Z');
}

static uint32_t digit_of(uint8_t byte)
{
	if (byte >= 'a')
		return byte - 'a' + 10u;
	return byte >= 'A' ? byte - 'A' + 36u : byte - '0' + 0u;
}

// One word of the packed text, or what lies between two. Returns how many of its bytes it takes.
static uint32_t unpack_word(struct script_norm *script, const struct words *words, uint32_t base,
	const uint8_t *text, uint32_t n, bool *is_whole)
{
	uint32_t number = 0;
	uint32_t at = 0;

	for (; at < n && is_of_number(text[at]); at++)
		number = number * base + digit_of(text[at]);
	if (at == 0) {
		at = 1;
		if (text[0] == '\\' && n > 1 && (text[1] == '\'' || text[1] == '"'))
			return at;
	} else if (number < words->count &&
		   word_at(words, number + 1) - word_at(words, number) > 1) {
		*is_whole = script_lex_more(script, words->text + word_at(words, number),
			word_at(words, number + 1) - word_at(words, number) - 1);
		return at;
	}
	*is_whole = script_lex_more(script, text, at);
	return at;
}

#define ARGUMENTS 6

// What one call was packed of.
static bool unpack(struct script_norm *script, const uint32_t arguments[ARGUMENTS])
{
	const uint32_t room = script->room;
	uint32_t text_bytes = 0;
	uint32_t words_bytes = 0;
	uint8_t signs[SCRIPT_NORM_OPERATOR];
	const uint8_t *text = get_argument(script, arguments[0], signs, &text_bytes);
	const uint8_t *list = get_argument(script, arguments[3], NULL, &words_bytes);
	const uint32_t base = get_base(script, arguments[1]);
	struct words words;
	bool is_whole = true;

	if (text == NULL || list == NULL)
		return true;
	if (!find_words(script, list, words_bytes, &words))
		return false;
	for (uint32_t at = 0; at < text_bytes && is_whole;)
		at += unpack_word(script, &words, base, text + at, text_bytes - at, &is_whole);
	script->room = room;
	return is_whole;
}

// From the first one: each but the last ends at a comma. Goes on behind the last; false: there are not so many.
static bool get_arguments(struct script_norm *script, uint32_t arguments[ARGUMENTS])
{
	for (int i = 0; i < ARGUMENTS; i++) {
		if (is_at_end(script))
			return false;
		arguments[i] = script->at;
		go_on(script);
		while (i + 1 < ARGUMENTS && !is_at_end(script) && kind_at(script) != ',')
			go_on(script);
		if (i + 1 < ARGUMENTS && !is_at_end(script))
			go_on(script);
	}
	return true;
}

// The next call of the function: to its first argument. One without a name is called by the next bracket, once.
static bool find_packed_call(struct script_norm *script, uint16_t name, bool is_first)
{
	if (name == SCRIPT_NORM_NONE && !is_first)
		return false;
	while (!is_at_end(script)) {
		const uint8_t *token = script->tokens + script->at;
		const bool is_it = name == SCRIPT_NORM_NONE ||
				   (token[0] == TOKEN_NAME && script_get16(token + 1) == name);

		if (name != SCRIPT_NORM_NONE)
			go_on(script);
		if (is_it && kind_at(script) == '(') {
			go_on(script);
			return !is_at_end(script);
		}
		if (name == SCRIPT_NORM_NONE)
			go_on(script);
	}
	return false;
}

// What all calls behind a function that unpacks were packed of stands for all from the first one's arguments to the
// last one's.
static void fold_packed(struct script_norm *script, uint16_t name)
{
	const uint32_t from = script->tokens_bytes;
	uint32_t arguments[ARGUMENTS];
	struct place behind_last;
	struct place behind = {0};
	struct place first = {0};
	bool is_whole = script->spans_count < SCRIPT_NORM_SPANS && script_lex_begin(script);

	for (bool is_first = true; is_whole && find_packed_call(script, name, is_first);
		is_first = false) {
		const struct place begin = place_of(script);

		if (!get_arguments(script, arguments))
			break;
		if (first.end == 0)
			first = begin;
		is_whole = unpack(script, arguments);
		behind_last = place_of(script);
		step(script);
		behind = place_of(script);
		// The next call begins behind a bracket and one token more.
		go_to(script, &behind_last);
		while (!is_at_end(script) && kind_at(script) != ')')
			go_on(script);
		step(script);
		step(script);
	}
	if (!script_lex_end(script, from, is_whole && first.end >= first.at + SPAN_BYTES))
		return;
	go_to(script, &behind);
	if (kind_at(script) == ';')
		go_on(script);
	put_span(script, first.at, from, script->at, script->span);
}

static bool is_name(const struct script_norm *script, enum script_known name)
{
	return !is_at_end(script) && is_call(script, script->at, name);
}

// Whether the function's parameters at this place begin as a packer's.
static bool begins_packed(struct script_norm *script)
{
	static const enum script_known names[] = {KNOWN_P, KNOWN_A, KNOWN_C};
	bool is_so = kind_at(script) == '(';

	for (size_t i = 0; is_so && i < sizeof(names) / sizeof(names[0]); i++) {
		go_on(script);
		is_so = is_name(script, names[i]);
		go_on(script);
		is_so = is_so && kind_at(script) == ',';
	}
	return is_so;
}

// Behind the end of the function whose scope this is.
static bool find_end(struct script_norm *script, uint16_t scope)
{
	while (!is_at_end(script)) {
		const uint8_t *token = script->tokens + script->at;
		const bool is_end =
			token[0] == TOKEN_FUNCTION_END && script_get16(token + 1) == scope;

		go_on(script);
		if (is_end)
			return true;
	}
	return false;
}

// ---- all together ------------------------------------------------------------------------------

// Whether so many tokens follow the one at the cursor.
static bool has_more(struct script_norm *script, unsigned int tokens)
{
	const struct place place = place_of(script);
	bool has;

	for (; tokens > 0 && !is_at_end(script); tokens--)
		go_on(script);
	has = !is_at_end(script);
	go_to(script, &place);
	return has;
}

// What a function is called, or stands behind its end, is no call, nor is what follows.
static bool skip_function(struct script_norm *script)
{
	const uint8_t *token = script->tokens + script->at;
	const uint16_t scope = script_get16(token + 1);
	const bool is_begin = token[0] == TOKEN_FUNCTION;
	uint16_t name = SCRIPT_NORM_NONE;
	struct place place;

	if ((!is_begin && token[0] != TOKEN_FUNCTION_END) || !has_more(script, 13))
		return false;
	go_on(script);
	if (kind_at(script) == TOKEN_NAME) {
		name = script_get16(script->tokens + script->at + 1);
		go_on(script);
	}
	place = place_of(script);
	if (is_begin && script->packed_count < MAX_PACKED && begins_packed(script)) {
		script->packed_count++;
		if (find_end(script, scope))
			fold_packed(script, name);
	}
	go_to(script, &place);
	return true;
}

static void fold_call(struct script_norm *script)
{
	uint32_t places[5];

	if (get_call(script, script->at, KNOWN_EVAL, places))
		fold_eval(script, places);
	else if (get_call(script, script->at, KNOWN_DF, places))
		fold_moved(script, places);
}

// In what stands for a call others are looked for, but not at its first token.
void script_fold(struct script_norm *script)
{
	uint32_t places[5];

	for (; !is_at_end(script); script_advance(script))
		if (get_call(script, script->at, KNOWN_UNESCAPE, places))
			fold_unescape(script, places);
	script->at = 0;
	for (; !is_at_end(script); script_advance(script)) {
		if (skip_function(script)) {
			if (is_at_end(script))
				break;
			continue;
		}
		fold_call(script);
		if (script->tokens[script->at] == TOKEN_SPAN)
			script_advance(script);
		if (is_at_end(script))
			break;
	}
	go_to(script, &(struct place){0, script->main_bytes, 0});
}
