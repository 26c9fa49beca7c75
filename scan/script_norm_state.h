// SPDX-License-Identifier: BSD-3-Clause
// The tokens of a script as they are held, one behind the other: a byte of a sign is itself, other kinds have what
// follows them here. Private to script_norm*.c.
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
	TOKEN_SPAN, // number of the span in two bytes
	TOKEN_NO_SIGN = 0x20,
};

#define TOKEN_HEAD 6
// Flags of parts of one word or string.
#define TOKEN_GOES_ON 1u // from the one before
#define TOKEN_IS_CUT 2u

// Names with a meaning, which every table begins with.
enum script_known { KNOWN_EVAL, KNOWN_UNESCAPE, KNOWN_SPLIT, KNOWN_COUNT };

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

// Bytes of the token.
static inline uint32_t script_token_bytes(const uint8_t *token)
{
	switch (token[0]) {
	case TOKEN_NAME:
	case TOKEN_WORD:
	case TOKEN_FUNCTION:
	case TOKEN_SPAN:
		return 3;
	case TOKEN_RAW:
	case TOKEN_NUMBER:
	case TOKEN_STRING:
		return TOKEN_HEAD + script_get32(token + 2);
	}
	return 1;
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

// ---- the rest ----------------------------------------------------------------------------------

bool script_is_keyword(const char *text, size_t n);
// Tokens of bytes that are within the script's memory, behind those that are there; what is not complete is not
// among them. Returns whether there was room.
bool script_lex_more(struct script_norm *script, const uint8_t *data, size_t n);
// To the token behind the one at this place, or the first of those that stand for it.
void script_advance(struct script_norm *script);
void script_fold(struct script_norm *script);
// Of digits of an escape: what is no digit is none, and as the last one all of the number's bits.
uint32_t script_number_of(const uint8_t *digits, size_t n);
// As UTF-8. Returns how many bytes.
size_t script_put_utf8(uint32_t character, uint8_t *out);
