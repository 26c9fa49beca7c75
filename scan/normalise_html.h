// SPDX-License-Identifier: BSD-3-Clause
// The copies of an HTML page that signatures for HTML (target 3) are made for, byte for byte as ClamAV
// makes them, whatever one thinks of the rules:
//
//   page  without comments: lower case, runs of white space shortened, single quotes and character
//         references in their plain form, scripts and styles without white space
//   text  without tags, scripts and styles; the targets of links and images stand in it as written
//
// Beside them come out the scripts as they are, each with the tag that ends it and a NUL behind it (script_norm.h
// makes a copy of them).
//
// Inline data (RFC 2397, data: in an attribute) comes out beside them; what stands elsewhere: scan_inline.h. Pull
// style: normalise_html takes input and fills the buffers of out until all is consumed or inline data begins or ends.
//
// State is a struct in the caller's memory; any chunking gives the same copies.
#pragma once

#include "scan/script_code.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// So many bytes of an attribute's value are kept.
#define NORMALISE_HTML_VALUE 1024
// Of a tag that the input's end cuts off so many bytes wait for the rest.
#define NORMALISE_HTML_TAIL 512
// Input of one call, and the room that its output needs at most, with what waited: two and a half times as much,
// where tags of scripts are written once more, and a value or two.
#define NORMALISE_HTML_INPUT 4096
#define NORMALISE_HTML_ROOM                                                                        \
	((NORMALISE_HTML_INPUT + NORMALISE_HTML_TAIL) * 5 / 2 + 2 * NORMALISE_HTML_VALUE)

enum normalise_html_event {
	NORMALISE_HTML_NEED_INPUT,
	NORMALISE_HTML_DATA_BEGIN, // of inline data: its type is in out->data_type
	NORMALISE_HTML_DATA_END,
};

struct normalise_html_out {
	enum normalise_html_event event;
	size_t page_bytes;
	size_t text_bytes;
	size_t data_bytes;
	size_t script_bytes;
	const char *data_type; // "text/plain;base64"
	uint8_t page[NORMALISE_HTML_ROOM];
	uint8_t text[NORMALISE_HTML_ROOM];
	uint8_t data[NORMALISE_HTML_ROOM];
	uint8_t script[NORMALISE_HTML_ROOM];
};

struct normalise_ops;

// A script in Microsoft's encoding.
struct normalise_code {
	uint8_t phase;
	uint8_t bytes; // of the mark, the head or the tail until here
	uint8_t byte;  // decoded, and not taken yet
	bool has_byte;
	uint32_t left; // of the script
	struct script_code state;
	uint8_t head[SCRIPT_HEAD_BYTES];
};

struct normalise_html {
	uint8_t state;
	uint8_t next;
	uint8_t quote;
	uint8_t held; // the last byte of the page: it may be taken back
	bool has_held;
	bool in_script; // or a style
	bool in_style;
	bool in_code;      // a script comes out
	bool in_data;      // line breaks stand as they are
	bool after_space;  // in the text
	bool skips_blanks; // at the start of a chunk
	bool is_hex;
	bool has_link;  // the argument that the tag is asked for was there
	bool has_value; // with a value
	uint8_t escape_digits;
	uint8_t entity_bytes;
	uint16_t entity_total; // with those that were given already
	uint16_t tag_bytes;
	uint16_t arg_bytes;
	uint16_t value_bytes;
	uint16_t link_bytes;
	uint16_t tail_bytes;  // of a tag that was cut off
	uint16_t chunk_bytes; // of ClamAV's chunk until here
	uint16_t chunk_blank; // behind the last white space in it, 0: there is none
	uint32_t wide;        // bytes above 127 that are collected
	uint32_t value_wide;  // in a value
	int64_t number;
	struct normalise_code code;
	const struct normalise_ops *ops; // NULL: the best
	const uint8_t *script_from;      // what of the input is not taken yet, within a call
	char tag[8];
	char arg[8];
	char entity[8];
	char value[NORMALISE_HTML_VALUE + 1];
	char link[NORMALISE_HTML_VALUE + 1];
	uint8_t tail[NORMALISE_HTML_TAIL];
};

void normalise_html_begin(struct normalise_html *html);
// Of n bytes at most NORMALISE_HTML_INPUT are taken. Returns how many were consumed; out is written
// anew by each call. After an event that is not NEED_INPUT the same is to be called with what is left.
size_t normalise_html(
	struct normalise_html *html, const uint8_t *in, size_t n, struct normalise_html_out *out);
// What comes out of bytes that were consumed and wait for the rest of their tag, as if that did not come. Returns
// whether there were any; else out is as it was. To be called until there are none where what comes out is asked
// for at a place of the input, and before the page's end.
bool normalise_html_settle(struct normalise_html *html, struct normalise_html_out *out);
// Whether what comes next is inline data, after as many bytes as were consumed, none of which wait.
bool normalise_html_is_in_data(const struct normalise_html *html);
// What was held back at the end of the page.
void normalise_html_end(struct normalise_html *html, struct normalise_html_out *out);
