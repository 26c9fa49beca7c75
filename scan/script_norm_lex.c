// SPDX-License-Identifier: BSD-3-Clause
// From the bytes of a script to tokens.
#include "scan/script_norm_state.h"

#include <stdio.h>
#include <stdlib.h>

// Room for what one byte adds at most: a number, and the parts of an escape.
#define MARGIN (TOKEN_HEAD * 4 + SCRIPT_NORM_NUMBER)

enum lexer_state {
	LEX_ANY,
	LEX_WORD,
	LEX_WORD_ESCAPE,
	LEX_NUMBER,
	LEX_EXPONENT, // its sign may follow
	LEX_STRING,
	LEX_SLASH,
	LEX_PLUS,
	LEX_LINE,
	LEX_COMMENT,
	LEX_COMMENT_STAR,
};

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_word(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
	       byte == '$';
}

// ---- tokens ------------------------------------------------------------------------------------

static void put_pair(struct script_norm *script, uint8_t kind, uint16_t value)
{
	script_put(script, kind);
	script_put(script, (uint8_t)value);
	script_put(script, (uint8_t)(value >> 8));
}

static void seen(struct script_norm *script, uint8_t kind)
{
	script->lexer.last[1] = script->lexer.last[0];
	script->lexer.last[0] = kind;
}

static void begin_token(struct script_norm *script, uint8_t kind, unsigned int flags)
{
	script->lexer.start = script->tokens_bytes;
	script_put(script, kind);
	script_put(script, (uint8_t)flags);
	script->tokens_bytes += TOKEN_HEAD - 2;
}

static uint32_t text_bytes(const struct script_norm *script)
{
	return script->tokens_bytes - script->lexer.start - TOKEN_HEAD;
}

static void end_token(struct script_norm *script)
{
	script_put32(script->tokens + script->lexer.start + 2, text_bytes(script));
}

// ---- words -------------------------------------------------------------------------------------

static void on_keyword(struct script_norm *script, const char *text, size_t n, uint16_t name)
{
	if (n == 8 && memcmp(text, "function", n) == 0) {
		script_scope_on_function(script);
		put_pair(script, TOKEN_FUNCTION, script->scope);
		return;
	}
	if (n == 3 && memcmp(text, "var", n) == 0)
		script_scope_on_var(script);
	put_pair(script, TOKEN_WORD, name);
}

static void end_word(struct script_norm *script)
{
	char *text = (char *)script->tokens + script->lexer.start + TOKEN_HEAD;
	const uint32_t n = text_bytes(script);
	const bool is_keyword = script_is_keyword(text, n);
	const bool is_member = script->lexer.last[0] == '.';
	const uint16_t name =
		script->lexer.is_part ? SCRIPT_NORM_NONE : script_name(script, text, n);

	script->lexer.state = LEX_ANY;
	seen(script, TOKEN_NAME);
	if (name == SCRIPT_NORM_NONE) {
		end_token(script);
		return;
	}
	script->tokens_bytes = script->lexer.start;
	if (is_keyword) {
		on_keyword(script, text, n, name);
	} else if (is_member) {
		put_pair(script, TOKEN_WORD, name);
	} else {
		script_scope_on_name(script, name);
		put_pair(script, TOKEN_NAME, name);
	}
}

static void begin_word(struct script_norm *script, uint8_t byte)
{
	begin_token(script, TOKEN_RAW, 0);
	script->lexer.is_part = false;
	script->lexer.state = byte == '\\' ? LEX_WORD_ESCAPE : LEX_WORD;
	if (byte != '\\')
		script_put(script, byte);
}

// Each returns whether the byte was taken.
static bool on_word(struct script_norm *script, uint8_t byte)
{
	if (byte == '\\') {
		script->lexer.state = LEX_WORD_ESCAPE;
	} else if (is_word(byte) || is_digit(byte)) {
		script_put(script, byte);
	} else {
		end_word(script);
		return false;
	}
	return true;
}

static bool on_word_escape(struct script_norm *script, uint8_t byte)
{
	if (byte != 'u') {
		end_word(script);
		return false;
	}
	script_put(script, '\\');
	script->lexer.state = LEX_WORD;
	return true;
}

// ---- numbers -----------------------------------------------------------------------------------

static void end_number(struct script_norm *script)
{
	char *text = (char *)script->tokens + script->lexer.start + TOKEN_HEAD;
	uint32_t n = text_bytes(script);

	text[n] = '\0';
	// A whole number that is too large is -1, of one of 64 bits the lower half counts.
	if (script->lexer.has_dot)
		n = (uint32_t)snprintf(text, SCRIPT_NORM_NUMBER, "%g", strtod(text, NULL));
	else
		n = (uint32_t)snprintf(
			text, SCRIPT_NORM_NUMBER, "%d", (int)strtoll(text, NULL, 10));
	script->tokens_bytes = script->lexer.start + TOKEN_HEAD + n;
	if (script->lexer.has_dot)
		script->tokens[script->lexer.start + 1] |= TOKEN_IS_FRACTION;
	end_token(script);
	script->lexer.state = LEX_ANY;
	seen(script, TOKEN_NUMBER);
}

static void put_digit(struct script_norm *script, uint8_t byte)
{
	if (text_bytes(script) < SCRIPT_NORM_NUMBER - 1)
		script_put(script, byte);
}

static void begin_number(struct script_norm *script, uint8_t byte)
{
	begin_token(script, TOKEN_NUMBER, 0);
	script->lexer.has_dot = false;
	script->lexer.state = LEX_NUMBER;
	script_put(script, byte);
}

static bool on_number(struct script_norm *script, uint8_t byte)
{
	struct script_norm_lexer *lexer = &script->lexer;

	if (byte == '.' && !lexer->has_dot) {
		lexer->has_dot = true;
	} else if ((byte == 'e' || byte == 'E') && lexer->has_dot) {
		lexer->state = LEX_EXPONENT;
	} else if (!is_digit(byte)) {
		end_number(script);
		return false;
	}
	put_digit(script, byte);
	return true;
}

static bool on_exponent(struct script_norm *script, uint8_t byte)
{
	script->lexer.state = LEX_NUMBER;
	if (byte == '+' || byte == '-') {
		put_digit(script, byte);
		return true;
	}
	if (!is_digit(byte))
		end_number(script);
	return false;
}

// ---- strings -----------------------------------------------------------------------------------

static void begin_string(struct script_norm *script, uint8_t byte)
{
	begin_token(script, TOKEN_STRING, 0);
	script->lexer.state = LEX_STRING;
	script->lexer.quote = byte;
	script->lexer.before = 0;
	script->lexer.escape = 0;
}

// To the string before it, if there is a + between them.
static bool join(struct script_norm *script)
{
	const struct script_norm_lexer *lexer = &script->lexer;
	uint8_t *before = script->tokens + script->last_string;
	uint32_t n = text_bytes(script);

	if (lexer->last[0] != '+' || lexer->last[1] != TOKEN_STRING)
		return false;
	memmove(script->tokens + lexer->start - 1, script->tokens + lexer->start + TOKEN_HEAD, n);
	script->tokens_bytes -= TOKEN_HEAD + 1;
	script_put32(before + 2, script_get32(before + 2) + n);
	return true;
}

static void end_string(struct script_norm *script)
{
	struct script_norm_lexer *lexer = &script->lexer;

	script_end_escape(script);
	lexer->state = LEX_ANY;
	if (join(script)) {
		lexer->last[0] = TOKEN_STRING;
		lexer->last[1] = TOKEN_NOTHING;
		return;
	}
	end_token(script);
	script->last_string = lexer->start;
	seen(script, TOKEN_STRING);
}

static bool on_string(struct script_norm *script, uint8_t byte)
{
	struct script_norm_lexer *lexer = &script->lexer;

	if (byte == lexer->quote && lexer->before != '\\') {
		end_string(script);
		return true;
	}
	lexer->before = byte;
	script_put_char(script, byte);
	return true;
}

// ---- signs -------------------------------------------------------------------------------------

static bool goes_on(struct script_norm_lexer *lexer, uint8_t byte)
{
	const uint8_t n = lexer->operator_bytes;

	if (n == 0 || n == sizeof(lexer->operator_text) || strchr("=&|<>-", byte) == NULL)
		return false;
	lexer->operator_text[n] = (char)byte;
	if (!script_is_operator(lexer->operator_text, n + 1u))
		return false;
	lexer->operator_bytes++;
	return true;
}

static void on_sign(struct script_norm *script, uint8_t byte)
{
	const uint16_t scope = script->scope;

	if (goes_on(&script->lexer, byte)) {
		script_put(script, byte | TOKEN_MORE);
		return;
	}
	script->lexer.operator_bytes = 1;
	script->lexer.operator_text[0] = (char)byte;
	if (byte == '(')
		script->open_brackets++;
	else if (byte == ')')
		script->open_brackets -= script->open_brackets > 0;
	script_scope_on_sign(script, byte);
	script_put(script, byte);
	if (byte == '}' && script->scope != scope)
		put_pair(script, TOKEN_FUNCTION_END, scope);
	seen(script, byte);
}

static bool is_sign(uint8_t byte)
{
	return byte > ' ' && byte < 0x7f && byte != '#' && byte != '@' && byte != '`';
}

static bool on_any(struct script_norm *script, uint8_t byte)
{
	if (is_word(byte) || byte == '\\')
		begin_word(script, byte);
	else if (is_digit(byte))
		begin_number(script, byte);
	else if (byte == '"' || byte == '\'')
		begin_string(script, byte);
	else if (byte == '/')
		script->lexer.state = LEX_SLASH;
	else if (byte == '+')
		script->lexer.state = LEX_PLUS;
	else if (is_sign(byte)) {
		on_sign(script, byte);
		return true;
	}
	script->lexer.operator_bytes = 0;
	return true;
}

static bool on_slash(struct script_norm *script, uint8_t byte)
{
	script->lexer.state = byte == '*' ? LEX_COMMENT : byte == '/' ? LEX_LINE : LEX_ANY;
	if (script->lexer.state != LEX_ANY)
		return true;
	on_sign(script, '/');
	return false;
}

static bool on_plus(struct script_norm *script, uint8_t byte)
{
	script->lexer.state = LEX_ANY;
	if (byte != '+' && byte != '=') {
		on_sign(script, '+');
		return false;
	}
	script_put(script, byte == '+' ? TOKEN_INCREMENT : TOKEN_ADD_TO);
	seen(script, TOKEN_INCREMENT);
	return true;
}

static bool on_comment(struct script_norm *script, uint8_t byte)
{
	const bool after_star = script->lexer.state == LEX_COMMENT_STAR;

	script->lexer.state = byte == '*'                 ? LEX_COMMENT_STAR
			      : after_star && byte == '/' ? LEX_ANY
							  : LEX_COMMENT;
	return true;
}

static bool on_byte(struct script_norm *script, uint8_t byte)
{
	switch ((enum lexer_state)script->lexer.state) {
	case LEX_ANY:
		return on_any(script, byte);
	case LEX_WORD:
		return on_word(script, byte);
	case LEX_WORD_ESCAPE:
		return on_word_escape(script, byte);
	case LEX_NUMBER:
		return on_number(script, byte);
	case LEX_EXPONENT:
		return on_exponent(script, byte);
	case LEX_STRING:
		return on_string(script, byte);
	case LEX_SLASH:
		return on_slash(script, byte);
	case LEX_PLUS:
		return on_plus(script, byte);
	case LEX_LINE:
		// A blank ends it as well.
		if (byte == ' ' || byte == '\n')
			script->lexer.state = LEX_ANY;
		return true;
	case LEX_COMMENT:
	case LEX_COMMENT_STAR:
		return on_comment(script, byte);
	}
	return true;
}

static bool is_room(const struct script_norm *script)
{
	return !script->is_full && script->tokens_bytes + MARGIN <= script->room;
}

// ---- the script --------------------------------------------------------------------------------

static bool is_in_token(const struct script_norm_lexer *lexer)
{
	return lexer->state >= LEX_WORD && lexer->state <= LEX_STRING;
}

// What is not complete at the end is left out; with it begins what is read next for eval().
static void set_aside(struct script_norm *script)
{
	struct script_norm_lexer *lexer = &script->lexer;
	uint32_t n;

	if (lexer->state == LEX_LINE)
		lexer->state = LEX_ANY;
	if (!is_in_token(lexer))
		return;
	n = text_bytes(script);
	lexer->aside_kind = script->tokens[lexer->start];
	lexer->aside_bytes = (uint8_t)(n < sizeof(lexer->aside) ? n : sizeof(lexer->aside));
	memcpy(lexer->aside, script->tokens + lexer->start + TOKEN_HEAD, lexer->aside_bytes);
	script->tokens_bytes = lexer->start;
}

// What has begun goes on in the next piece.
static void cut(struct script_norm *script)
{
	struct script_norm_lexer *lexer = &script->lexer;

	if (!is_in_token(lexer))
		return;
	script->tokens[lexer->start + 1] |= TOKEN_IS_CUT;
	end_token(script);
}

// Of the token that is being read.
static uint8_t kind_of(const struct script_norm_lexer *lexer)
{
	if (lexer->state == LEX_STRING)
		return TOKEN_STRING;
	return lexer->state == LEX_NUMBER || lexer->state == LEX_EXPONENT ? TOKEN_NUMBER
									  : TOKEN_RAW;
}

// Between tokens that do not lie one behind the other: a member's name may follow, but no string is joined to one
// that is elsewhere.
static void forget_last(struct script_norm_lexer *lexer)
{
	if (lexer->last[0] != '.')
		lexer->last[0] = TOKEN_NOTHING;
	lexer->last[1] = TOKEN_NOTHING;
	lexer->operator_bytes = 0;
}

static void begin_piece(struct script_norm *script)
{
	struct script_norm_lexer *lexer = &script->lexer;
	const bool in_token = script->is_writing && is_in_token(lexer);

	script_names_begin(script);
	script->tokens_bytes = 0;
	script->room = SCRIPT_NORM_MAIN;
	script->main_bytes = 0;
	script->spans_count = 0;
	script->last_string = 0;
	script->is_full = false;
	script->is_writing = false;
	script->at = 0;
	script->inside = 0;
	script->end = 0;
	script->span = 0;
	forget_last(lexer);
	lexer->is_part = in_token;
	lexer->start = 0;
	if (in_token)
		begin_token(script, kind_of(lexer), TOKEN_GOES_ON);
}

void script_norm_begin(struct script_norm *script)
{
	script->lexer = (struct script_norm_lexer){0};
	script->number = 0;
	script->open_brackets = 0;
	script->has_ended = false;
	script->is_writing = false;
	script->after_word = false;
	begin_piece(script);
}

// What eval() is called with is read as a text of its own; behind it goes on what was being read.
static void end_piece(struct script_norm *script)
{
	const struct script_norm_lexer lexer = script->lexer;
	const uint32_t open = script->open_brackets;

	script->tokens[script->tokens_bytes] = TOKEN_NOTHING;
	script->main_bytes = script->tokens_bytes;
	script->spans[0] =
		(struct script_norm_span){.to = script->main_bytes, .outer = SCRIPT_NORM_NONE};
	script->spans_count = 1;
	script->tail = 0;
	script->packed_count = 0;
	script->end = script->main_bytes;
	script->is_writing = true;
	script->is_full = false;
	script->room = SCRIPT_NORM_TOKENS;
	if (!script->has_ended)
		script->lexer.state = LEX_ANY;
	script_fold(script);
	script->lexer = lexer;
	script->open_brackets = open;
}

size_t script_norm_feed(struct script_norm *script, const uint8_t *data, size_t n)
{
	size_t used = 0;

	if (script->is_writing && script->at < script->end)
		return 0;
	if (script->is_writing)
		begin_piece(script);
	while (used < n && is_room(script))
		used += on_byte(script, data[used]);
	if (used < n) {
		cut(script);
		end_piece(script);
	}
	return used;
}

void script_norm_end(struct script_norm *script)
{
	struct script_norm_lexer *lexer = &script->lexer;

	if (script->is_writing)
		begin_piece(script);
	if (lexer->state == LEX_STRING) {
		end_string(script);
	} else if (lexer->state == LEX_SLASH || lexer->state == LEX_PLUS) {
		on_sign(script, lexer->state == LEX_SLASH ? '/' : '+');
		lexer->state = LEX_ANY;
	} else if (lexer->state == LEX_WORD_ESCAPE) {
		end_word(script);
	}
	set_aside(script);
	script->has_ended = true;
	// Those for which there is no room are written behind the rest.
	for (; script->open_brackets > 0 && is_room(script); script->open_brackets--)
		script_put(script, ')');
	end_piece(script);
}

bool script_lex_begin(struct script_norm *script)
{
	struct script_norm_lexer *lexer = &script->lexer;

	if (!is_room(script))
		return false;
	forget_last(lexer);
	if (is_in_token(lexer)) {
		begin_token(script, lexer->aside_kind, 0);
		memcpy(script->tokens + script->tokens_bytes, lexer->aside, lexer->aside_bytes);
		script->tokens_bytes += lexer->aside_bytes;
		lexer->has_dot = false;
	}
	return true;
}

bool script_lex_more(struct script_norm *script, const uint8_t *data, size_t n)
{
	size_t used = 0;

	while (used < n && is_room(script))
		used += on_byte(script, data[used]);
	return used == n;
}

bool script_lex_end(struct script_norm *script, uint32_t from, bool is_whole)
{
	struct script_norm_lexer *lexer = &script->lexer;

	if (lexer->state == LEX_SLASH || lexer->state == LEX_PLUS) {
		on_sign(script, lexer->state == LEX_SLASH ? '/' : '+');
		lexer->state = LEX_ANY;
	}
	set_aside(script);
	if (!is_whole)
		script->tokens_bytes = from;
	script->tokens[script->tokens_bytes] = TOKEN_NOTHING;
	return is_whole;
}
