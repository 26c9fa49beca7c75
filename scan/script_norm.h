// SPDX-License-Identifier: BSD-3-Clause
// The copy of a page's script that signatures for texts and HTML (targets 7 and 3) are made for, as ClamAV makes
// it: without comments, blanks between words alone, all letters small, declared names numbered in their order
// (n000), strings in double quotes, those with + between them joined, their escapes and what unescape() is called
// with decoded, numbers decimal, strings for eval() in its place.
//
// A script is held until it ends, as names may be declared behind their use. One that does not fit comes out in
// pieces, each as if it were a script of its own but for the numbers, which go on.
//
// State is a struct in the caller's memory, some 400 KiB of which as much is touched as a script needs. Any
// chunking gives the same copy.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCRIPT_NORM_TOKENS                                                                         \
	(192 * 1024) // bytes, about those of a script and of what eval() is called with
#define SCRIPT_NORM_MAIN (128 * 1024) // of them, those of the script
#define SCRIPT_NORM_NAMES 4096        // different ones
#define SCRIPT_NORM_NAME_BYTES (48 * 1024)
#define SCRIPT_NORM_SCOPES 1024
#define SCRIPT_NORM_DECLARED 4096
#define SCRIPT_NORM_HASH 8192
#define SCRIPT_NORM_SPANS 257 // the script's, and of tokens that stand for others
// What is kept of a number.
#define SCRIPT_NORM_NUMBER 64
#define SCRIPT_NORM_OPERATOR 4

struct script_norm_name {
	uint32_t text;
	uint16_t bytes;
	uint16_t number; // at the place that is written, SCRIPT_NORM_NONE: not declared
};

struct script_norm_declared {
	uint16_t name;
	uint16_t scope;
	uint16_t number;
	uint16_t saved; // the number of the name outside of the scope
	uint16_t next;  // in the scope
};

struct script_norm_scope {
	uint16_t parent;
	uint16_t depth;
	uint16_t first; // declared in it
	uint8_t state;
	uint32_t braces;
	uint32_t brackets;
};

struct script_norm_span {
	uint32_t from;
	uint32_t to;
	uint32_t resume; // what follows the tokens in whose place it is
	uint16_t outer;  // in which that is; SCRIPT_NORM_NONE: nothing follows
};

// What is read.
struct script_norm_lexer {
	uint8_t state;
	uint8_t quote;
	uint8_t before; // the last byte of a string
	uint8_t escape;
	uint8_t escape_bytes;
	uint8_t escaped[4];
	uint8_t last[2];        // kinds of the last tokens, the latest first
	uint8_t operator_bytes; // of that which may go on
	char operator_text[SCRIPT_NORM_OPERATOR];
	bool has_dot;
	bool is_part;       // the token began in what was written already
	uint32_t start;     // of the token
	uint8_t aside_kind; // of what a script ended in
	uint8_t aside_bytes;
	uint8_t aside[SCRIPT_NORM_NUMBER - 1];
};

struct script_norm {
	struct script_norm_lexer lexer;
	uint32_t tokens_bytes;
	uint32_t room;       // for tokens now
	uint32_t main_bytes; // of them, without those of spans
	uint32_t last_string;
	uint32_t names_bytes;
	uint32_t open_brackets;
	uint16_t names_count;
	uint16_t scopes_count;
	uint16_t declared_count;
	uint16_t spans_count;
	uint8_t packed_count; // functions that looked like those of packers
	uint16_t scope;
	uint32_t number; // of the next name
	bool is_full;    // what is held comes out before more is taken
	bool is_writing;
	bool has_ended;
	// What is written.
	bool after_word;
	uint16_t written_scope;
	uint32_t at;
	uint32_t inside; // bytes of the token at that place
	uint32_t end;
	uint16_t span;
	uint16_t tail; // the last span: main's, or of what stands behind the script
	uint16_t name_hash[SCRIPT_NORM_HASH];
	uint16_t declared_hash[SCRIPT_NORM_HASH];
	struct script_norm_name names[SCRIPT_NORM_NAMES];
	struct script_norm_declared declared[SCRIPT_NORM_DECLARED];
	struct script_norm_scope scopes[SCRIPT_NORM_SCOPES];
	struct script_norm_span spans[SCRIPT_NORM_SPANS];
	char name_text[SCRIPT_NORM_NAME_BYTES];
	uint8_t tokens[SCRIPT_NORM_TOKENS + 1];
};

void script_norm_begin(struct script_norm *script);
// Returns how many of n bytes were consumed: fewer where the copy is to be read before the rest.
size_t script_norm_feed(struct script_norm *script, const uint8_t *data, size_t n);
// The script is complete: the rest is to be read.
void script_norm_end(struct script_norm *script);
// Up to room bytes of the copy. Returns how many, 0: there are no more now.
size_t script_norm_read(struct script_norm *script, uint8_t *out, size_t room);
