// SPDX-License-Identifier: BSD-3-Clause
// Text of a named character set to UTF-8, a byte at a time. For names in header fields: never on the
// path of message bodies.
#pragma once

#include "scan/header.h"

enum charset {
	CHARSET_UTF8, // also what is unknown: valid sequences stay, each bad byte becomes U+FFFD
	CHARSET_WINDOWS_1252, // and ISO 8859-1, as every mail reader takes it
	CHARSET_ISO_8859_2,
	CHARSET_ISO_8859_5,
	CHARSET_ISO_8859_15,
	CHARSET_KOI8_R,
	CHARSET_WINDOWS_1250,
	CHARSET_WINDOWS_1251,
	CHARSET_UTF_16, // big endian unless a mark says otherwise
	CHARSET_UTF_16LE,
};

struct text_sink {
	char *out;
	size_t size;
	size_t bytes;
	enum charset charset;
	uint16_t high;      // first half of a UTF-16 pair
	uint8_t pending[4]; // of a character that is not complete
	uint8_t pending_bytes;
	bool full;
};

enum charset charset_find(struct span name);

// size is at least 1.
void text_begin(struct text_sink *sink, char *out, size_t size);
// What follows is in this character set; a character left incomplete before becomes U+FFFD.
void text_charset(struct text_sink *sink, enum charset charset);
void text_push_any(struct text_sink *sink, uint8_t byte);
static inline void text_push(struct text_sink *sink, uint8_t byte)
{
	// Most are plain, and stand in no other character.
	if (byte != 0 && byte < 0x80 && sink->charset == CHARSET_UTF8 && sink->pending_bytes == 0 &&
		!sink->full && sink->bytes + 1 < sink->size)
		sink->out[sink->bytes++] = (char)byte;
	else
		text_push_any(sink, byte);
}
// The same of many.
void text_push_all(struct text_sink *sink, const uint8_t *data, size_t n);
// Writes the NUL, returns the length.
size_t text_end(struct text_sink *sink);
