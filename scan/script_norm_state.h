// SPDX-License-Identifier: BSD-3-Clause
// The tokens of a script as they are held, one behind the other: a sign is itself, with TOKEN_MORE those that follow it in
// an operator; other kinds have what follows them here. Private to script_norm*.c.
#pragma once

#include "scan/script_norm.h"

#include <string.h>

#define SCRIPT_NORM_NONE UINT16_MAX

enum script_token {
	TOKEN_NOTHING,  // was taken away
	TOKEN_NAME,     // number of the name in two bytes
	TOKEN_WORD,     // the same, of a word that is no variable
	TOKEN_RAW,      // flags, length in four bytes, a word as it is
	TOKEN_NUMBER,   // as TOKEN_RAW
	TOKEN_STRING,   // as TOKEN_RAW, without its escapes
	TOKEN_FUNCTION, // number of its scope in two bytes
	TOKEN_INCREMENT,
	TOKEN_ADD_TO,
	TOKEN_SPAN,         // number of the span in two bytes
	TOKEN_FUNCTION_END, // behind its brace; number of its scope in two bytes
	TOKEN_NO_SIGN = 0x20,
	TOKEN_MORE = 0x80,
};

#define TOKEN_HEAD 6
// Flags of parts of one word or string.
#define TOKEN_GOES_ON 1u // from the one before
#define TOKEN_IS_CUT 2u
#define TOKEN_IS_FRACTION 4u // of a number

// Names with a meaning, which every table begins with.
enum script_known { KNOWN_EVAL, KNOWN_UNESCAPE, KNOWN_DF, KNOWN_P, KNOWN_A, KNOWN_C, KNOWN_COUNT };

static inline uint16_t script_get16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static inline void script_put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
}

static inline uint32_t script_get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static inline void script_put32(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

// Below 0: no hexadecimal digit.
static inline int script_digit_of(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte |= 0x20;
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

// Bytes of the token, behind which is one more.
static inline uint32_t script_token_bytes(const uint8_t *token)
{
	uint32_t n = 1;

	switch (token[0]) {
	case TOKEN_NAME:
	case TOKEN_WORD:
	case TOKEN_FUNCTION:
	case TOKEN_SPAN:
	case TOKEN_FUNCTION_END:
		return 3;
	case TOKEN_RAW:
	case TOKEN_NUMBER:
	case TOKEN_STRING:
		return TOKEN_HEAD + script_get32(token + 2);
	}
	while (token[0] > TOKEN_NO_SIGN && (token[n] & TOKEN_MORE) != 0)
		n++;
	return n;
}

// ---- names and scopes ---------------------------------------------------------------------------

// Forgets all of them.
void script_names_begin(struct script_norm *script);
// SCRIPT_NORM_NONE where there is no room.
uint16_t script_name(struct script_norm *script, const char *text, size_t n);
// What is read says which names are declared, and where. Where there is no room for one the script is full.
void script_scope_on_name(struct script_norm *script, uint16_t name);
void script_scope_on_function(struct script_norm *script);
void script_scope_on_var(struct script_norm *script);
void script_scope_on_sign(struct script_norm *script, uint8_t byte);
// From the scope that is written to another.
void script_write_scope(struct script_norm *script, uint16_t scope);

// ---- text --------------------------------------------------------------------------------------

static inline void script_put(struct script_norm *script, uint8_t byte)
{
	script->tokens[script->tokens_bytes++] = byte;
}

// A character of a string, which may be a part of an escape.
void script_put_char(struct script_norm *script, uint8_t byte);
// Of an escape that is not complete: without what follows \x, and as it is behind \u.
void script_end_escape(struct script_norm *script);
// More than one sign that are one token; those with + are told apart without this.
bool script_is_operator(const char *text, size_t n);

// ---- the rest ----------------------------------------------------------------------------------

bool script_is_keyword(const char *text, size_t n);
// Tokens of more bytes, behind those that are there. A false one: there is no room. Behind the end there is nothing of
// what was not complete, and after a failure nothing at all.
bool script_lex_begin(struct script_norm *script);
bool script_lex_more(struct script_norm *script, const uint8_t *data, size_t n);
bool script_lex_end(struct script_norm *script, uint32_t from, bool is_whole);
// To the token behind the one at this place, or the first of those that stand for it.
void script_advance(struct script_norm *script);
void script_fold(struct script_norm *script);
// Of digits of an escape: what is no digit is none, and as the last one all of the number's bits.
uint32_t script_number_of(const uint8_t *digits, size_t n);
// As UTF-8. Returns how many bytes.
size_t script_put_utf8(uint32_t character, uint8_t *out);
