// SPDX-License-Identifier: BSD-3-Clause
// State of a PDF being unpacked, and of the filters of its streams. Shared by scan/unpack*.c alone.
#pragma once

#include "scan/unpack_crypt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PDF_FILTERS 12
// Of these are undone while the file passes.
#define PDF_FILTERS_PASSING 4
// What stands elsewhere is looked for so often in a file that is there as a whole, and in so many bytes.
#define PDF_LOOKUPS 64u
#define PDF_LOOKUP_BYTES (128u << 20)
// Decryption, and a predictor behind each filter.
#define PDF_STAGES (2 * PDF_FILTERS + 1)
#define PDF_WORD_BYTES 32
#define PDF_MAX_DEPTH 64

struct unpack;

// A filter of PDF that is none of a library's (ISO 32000-1, 7.4).
struct filter {
	uint32_t word; // bits, digits or bytes of a group
	uint8_t bits;  // of word; digits in it; bytes left of a run
	bool is_repeated;
	bool is_late; // LZW: codes become longer one code later (EarlyChange 0)
	uint8_t width;
	uint16_t next;
	uint16_t last; // code, or NO_CODE
	uint8_t first; // byte of the last code's string
};

// Rows that are told by the bytes before and above them.
struct predictor {
	bool is_png;     // each row begins with how it is told
	bool is_great;   // its memory is that of the great decoders
	uint8_t tag;     // of the row
	uint32_t bits;   // of a sample
	uint32_t colors; // samples of a pixel
	uint32_t pixel;  // bytes, at least 1
	uint32_t row;    // bytes
	uint32_t at;     // of the row, its tag included
	uint8_t *last;   // row before, behind a pixel of zeros
	uint8_t *now;
};

// What a filter's parameters say of its predictor (ISO 32000-1, 7.4.4.4); 0: not given.
struct pdf_parms {
	uint32_t predictor;
	uint32_t colors;
	uint32_t bits;
	uint32_t columns;
};

struct pdf_stage {
	struct unpack *unit; // whose codec and memory it uses
	uint32_t at;         // input that is left in the buffer of the stage before it
	uint32_t bytes;
	bool is_over;
};

struct pdf_chain {
	uint32_t count;
	struct pdf_stage stages[PDF_STAGES];
};

enum pdf_state {
	PDF_OBJECTS,
	PDF_STREAM_LINE, // what is left of the line with the word "stream"
	PDF_STREAM,
	PDF_DRAIN, // the stream is over, what its filters hold is not
	PDF_TEXT_END,
};

enum pdf_lex {
	LEX_SPACE,
	LEX_WORD,
	LEX_NAME,
	LEX_STRING,
	LEX_LESS,
	LEX_GREATER,
	LEX_HEX,
	LEX_COMMENT,
};

enum pdf_key {
	KEY_OTHER,
	KEY_FILTER,
	KEY_SHORT_FILTER,
	KEY_LENGTH,
	KEY_SCRIPT,
	KEY_ENCRYPT,
	KEY_TYPE,
	KEY_EARLY_CHANGE,
	KEY_PARMS,
	KEY_PREDICTOR,
	KEY_COLORS,
	KEY_BITS,
	KEY_COLUMNS,
	KEY_NAME,
};

// "12 0 obj" wherever it stands, whatever is around it.
struct pdf_watch {
	uint8_t state;
	uint32_t numbers[2];
};

// A string that is given as a member.
struct pdf_text {
	bool is_member;
	uint8_t escape; // 1: after a backslash; 2, 3: digits of \ddd that may follow
	uint8_t octal;
	uint8_t digits; // of a hexadecimal byte
	uint8_t nibble;
	uint8_t wide; // 0: not known, 1: bytes, 2: UTF-16BE, 3: UTF-16LE
	uint8_t unit; // first byte of a UTF-16 unit
	bool has_unit;
	bool was_return;
	uint16_t surrogate;
	uint32_t depth; // of parentheses
	uint64_t given;
	uint32_t bytes; // in the output buffer
	bool is_encrypted;
};

// What an object's dictionary says of its stream.
struct pdf_object {
	uint32_t number;
	uint32_t generation;
	bool is_inside; // of one, or of a trailer
	bool is_trailer;
	bool has_value; // something came after "obj"
	bool has_dictionary;
	bool has_length;
	bool has_filters;
	bool has_long_filters;    // by /Filter, wherever they are told
	bool has_short_filters;   // by the /F that is being read
	bool is_filter_elsewhere; // an indirect object
	bool is_opaque;           // a filter that is not undone: those after it are not either
	bool is_too_long;
	bool is_late;
	bool is_objects; // /Type /ObjStm
	bool is_xref;    // /Type /XRef
	bool is_metadata;
	bool has_crypt;      // a filter that says how it is encrypted: not at all
	bool is_crypt_named; // or as all others
	bool in_parms;
	bool is_parms_elsewhere;
	uint64_t length;
	uint32_t filters;
	uint8_t filter[PDF_FILTERS];   // enum codec_kind
	uint8_t parms_of[PDF_FILTERS]; // which of parms
	uint32_t filters_named;        // all, also such as are not undone
	uint32_t parms_count;          // until now
	struct pdf_parms parms[PDF_FILTERS + 1];
};

struct pdf_stream {
	uint64_t taken;  // bytes of it, those held back included
	uint8_t eol;     // held back: 0 nothing, 1 CR, 2 LF, 3 CR LF
	uint8_t matched; // bytes of "endstream" held back
	uint8_t hold_bytes;
	uint8_t hold_at;
	uint8_t hold[16];
	uint8_t junk;   // bytes behind "stream" in its line, two at most are counted
	bool is_pdf;    // in itself
	bool is_hidden; // a stream of another object may be in it
	bool is_finished;
	bool is_ending; // once what is held is given
	uint8_t head_bytes;
	uint8_t head[8];
	uint8_t tail_bytes; // the last bytes, for words that are cut in two
	uint8_t tail[16];
};

struct pdf {
	enum pdf_state state;
	const struct crypt_key *key_of_all; // NULL: nothing is decrypted
	struct crypt *stream_crypt;         // its user's
	struct crypt *text_crypt;
	const uint8_t *whole; // all of the file, where it is there; else NULL
	size_t whole_bytes;
	uint32_t lookups; // in it, until now
	bool has_looked_up;
	bool has_first; // the key of streams of objects, in which what was looked up may be hidden
	enum pdf_lex lex;
	struct pdf_watch watch;
	struct pdf_object object;
	struct pdf_stream stream;
	struct pdf_text text;
	struct pdf_chain chain;
	enum pdf_key key;
	enum pdf_key last_key; // whose value was a number
	bool has_key;          // the next token is its value
	bool is_end_unsure;    // the last stream may have been meant to go on
	uint8_t end_matched;   // bytes of the word that would end it, wherever it stands
	uint64_t at;           // offset of the byte being looked at
	uint64_t expected_end; // of a stream that ended before its /Length, 0: none
	uint32_t numbers[2];   // the last two tokens, where they are such
	uint32_t numbers_count;
	uint32_t depth;
	uint64_t dictionaries; // a bit for each level: a dictionary, not an array
	uint32_t word_bytes;
	char word[PDF_WORD_BYTES];
	uint8_t hash_digits; // of #xx in a name
	uint8_t hash;
};
