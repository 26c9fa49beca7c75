// SPDX-License-Identifier: BSD-3-Clause
// What stands in strings, and which signs are one operator.
#include "scan/script_norm_state.h"

static void put_simple(struct script_norm *script, uint8_t byte)
{
	static const char from[] = "0btnvfr";
	static const char to[] = "\1\b\t\n\v\f\r";
	const char *at = strchr(from, byte);

	script_put(script, byte != 0 && at != NULL ? (uint8_t)to[at - from] : byte);
}

void script_put_char(struct script_norm *script, uint8_t byte)
{
	struct script_norm_lexer *lexer = &script->lexer;
	const uint8_t bytes = lexer->escape == 'x' ? 2 : 4;

	if (lexer->escape == 0 && byte == '\\') {
		lexer->escape = '\\';
		lexer->escape_bytes = 0;
	} else if (lexer->escape == 0) {
		script_put(script, byte);
	} else if (lexer->escape == '\\') {
		lexer->escape = byte == 'x' || byte == 'u' ? byte : 0;
		if (lexer->escape == 0)
			put_simple(script, byte);
	} else {
		lexer->escaped[lexer->escape_bytes++] = byte;
		if (lexer->escape_bytes < bytes)
			return;
		lexer->escape = 0;
		if (bytes == 2) {
			uint8_t value = (uint8_t)script_number_of(lexer->escaped, 2);

			script_put(script, value != 0 ? value : 1);
		} else {
			script->tokens_bytes +=
				(uint32_t)script_put_utf8(script_number_of(lexer->escaped, 4),
					script->tokens + script->tokens_bytes);
		}
	}
}

void script_end_escape(struct script_norm *script)
{
	struct script_norm_lexer *lexer = &script->lexer;

	while (lexer->escape != 0) {
		const uint8_t n = lexer->escape == 'u' ? lexer->escape_bytes : 0;
		uint8_t bytes[4];

		memcpy(bytes, lexer->escaped, sizeof(bytes));
		lexer->escape = 0;
		script_put(script, '\\');
		for (uint8_t i = 0; i < n; i++)
			script_put_char(script, bytes[i]);
	}
}

bool script_is_operator(const char *text, size_t n)
{
	static const char operators[][SCRIPT_NORM_OPERATOR + 1] = {"!=", "!==", "%=", "&&",
		"&=", "*=", "--", "-=", "/=", "<<", "<<=", "<=", "==", "===", ">=", ">>",
		">>=", ">>>", ">>>=", "^=", "|=", "||"};

	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		if (strncmp(text, operators[i], n) == 0 && operators[i][n] == '\0')
			return true;
	}
	return false;
}
