// SPDX-License-Identifier: BSD-3-Clause
// RTF: the objects in it, hexadecimal text behind \objdata (RTF 1.9.1, "Objects"), and in these what OLE 1.0
// wraps (MS-OLEDS 2.2.5). Groups that say that they may be left out are, in an object too.
#include "scan/unpack_state.h"

#include <string.h>
#include <strings.h>

#define SHORT_MAX 4096 // class and other names are shorter

bool rtf_is_header(const uint8_t *data, size_t n)
{
	return n >= 4 && memcmp(data, "{\\rt", 4) == 0;
}

bool rtf_is_stepping(const struct unpack *unpack)
{
	return unpack->as.rtf.is_ending;
}

// ---- the text ----------------------------------------------------------------------------------

static void object_end(struct rtf *rtf)
{
	rtf->is_object = false;
	rtf->is_ending = true;
}

static void word_end(struct unpack *unpack, struct unpack_event *event)
{
	struct rtf *rtf = &unpack->as.rtf;

	rtf->state = RTF_TEXT;
	if (strcmp(rtf->word, "bin") == 0) {
		rtf->skip = rtf->number;
		rtf->state = rtf->skip > 0 ? RTF_BINARY : RTF_TEXT;
	} else if (strcasecmp(rtf->word, "objdata") == 0 && !rtf->is_object) {
		rtf->is_object = true;
		rtf->object_depth = rtf->depth;
		rtf->digits = 0;
		rtf->left_out = 0;
		unpack_name_begin(unpack);
		unpack_name_add(unpack, (const uint8_t *)"objdata", 7);
		unpack_member_begin(unpack, event);
		event->kind = UNPACK_OLE1;
	}
}

static void object_byte(struct unpack *unpack, uint8_t byte)
{
	struct rtf *rtf = &unpack->as.rtf;

	if (rtf->is_object && rtf->left_out == 0)
		unpack->out[rtf->out_bytes++] = byte;
}

static void text_byte(struct unpack *unpack, uint8_t c)
{
	struct rtf *rtf = &unpack->as.rtf;
	int digit = rtf->is_object && rtf->left_out == 0 ? unpack_hex_digit(c) : -1;

	if (c == '\\') {
		rtf->state = RTF_ESCAPE;
	} else if (c == '{') {
		rtf->depth++;
	} else if (c == '}') {
		if (rtf->left_out == rtf->depth)
			rtf->left_out = 0;
		if (rtf->is_object && rtf->depth <= rtf->object_depth)
			object_end(rtf);
		if (rtf->depth > 0)
			rtf->depth--;
	} else if (digit >= 0) {
		rtf->nibble = (uint8_t)(rtf->nibble << 4 | digit);
		if (++rtf->digits % 2 == 0)
			object_byte(unpack, rtf->nibble);
	}
}

static void escape_byte(struct rtf *rtf, uint8_t c)
{
	bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

	rtf->state = RTF_TEXT;
	if (is_letter) {
		rtf->state = RTF_WORD;
		rtf->word[0] = (char)c;
		rtf->word[1] = '\0';
		rtf->word_bytes = 1;
		rtf->number = 0;
		rtf->has_number = false;
	} else if (c == '\'') {
		rtf->state = RTF_BINARY; // two digits of a character, none of an object
		rtf->skip = 2;
	} else if (c == '*' && rtf->is_object && rtf->depth > rtf->object_depth &&
		   rtf->left_out == 0) {
		rtf->left_out = rtf->depth;
	}
}

// Returns true when c was consumed: a blank is part of the word.
static bool word_byte(struct unpack *unpack, uint8_t c, struct unpack_event *event)
{
	struct rtf *rtf = &unpack->as.rtf;

	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z' && !rtf->has_number) {
		if (rtf->word_bytes + 1u < sizeof(rtf->word)) {
			rtf->word[rtf->word_bytes++] = (char)c;
			rtf->word[rtf->word_bytes] = '\0';
		}
		return true;
	}
	if (c == '-' && !rtf->has_number)
		return true;
	if (c >= '0' && c <= '9') {
		rtf->has_number = true;
		rtf->number = rtf->number * 10 + (uint32_t)(c - '0');
		return true;
	}
	word_end(unpack, event);
	return c == ' ';
}

// Bytes of \bin belong to an object that they stand in; the digits of \'xx do not.
static void binary_byte(struct unpack *unpack, uint8_t c)
{
	struct rtf *rtf = &unpack->as.rtf;

	if (rtf->word_bytes > 0 && strcmp(rtf->word, "bin") == 0)
		object_byte(unpack, c);
	if (--rtf->skip == 0) {
		rtf->state = RTF_TEXT;
		rtf->word_bytes = 0;
		rtf->word[0] = '\0';
	}
}

// What is in the buffer, or the object's end. True when that made an event.
static bool object_event(struct unpack *unpack, struct unpack_event *event)
{
	struct rtf *rtf = &unpack->as.rtf;

	if (rtf->out_bytes > 0 &&
		(rtf->is_ending || rtf->out_bytes == UNPACK_OUT_BYTES || unpack->is_finishing)) {
		unpack_member_data(unpack, unpack->out, rtf->out_bytes, event);
		rtf->out_bytes = 0;
		return true;
	}
	if (!rtf->is_ending)
		return false;
	rtf->is_ending = false;
	unpack_member_end(unpack, event);
	return true;
}

size_t rtf_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct rtf *rtf = &unpack->as.rtf;
	size_t i = 0;

	while (!object_event(unpack, event) && event->type == UNPACK_NEED_INPUT && i < n) {
		switch (rtf->state) {
		case RTF_TEXT:
			text_byte(unpack, data[i++]);
			break;
		case RTF_ESCAPE:
			escape_byte(rtf, data[i++]);
			break;
		case RTF_WORD:
			i += word_byte(unpack, data[i], event) ? 1 : 0;
			break;
		case RTF_BINARY:
			binary_byte(unpack, data[i++]);
			break;
		}
		if (event->type != UNPACK_NEED_INPUT)
			break;
	}
	return i;
}

bool rtf_finish(struct unpack *unpack, struct unpack_event *event)
{
	return object_event(unpack, event);
}

// ---- OLE 1.0 -----------------------------------------------------------------------------------

#define TO_ZERO 255

// Bytes of each field; 0: a length and so many bytes.
static const uint8_t ole1_fields[] = {
	[OLE1_VERSION] = 8,
	[OLE1_SIZE] = 4,
	[OLE1_PACKAGE] = 2,
	[OLE1_LABEL] = TO_ZERO,
	[OLE1_PATH] = TO_ZERO,
	[OLE1_KIND] = 4,
	[OLE1_FILE_SIZE] = 4,
};

static void ole1_next(struct unpack *unpack)
{
	struct ole1 *ole1 = &unpack->as.ole1;

	ole1->head_bytes = 0;
	ole1->has_length = false;
	if (ole1->state == OLE1_CLASS)
		ole1->is_package = strcasecmp(unpack->name, "Package") == 0;
	if (ole1->state == OLE1_SIZE && !ole1->is_package)
		ole1->state = OLE1_DATA;
	else
		ole1->state++;
	if (ole1->state == OLE1_LABEL)
		unpack_name_begin(unpack);
}

// Whether a field of a text ends with this byte. Of a package's path some readers mind the length, others the zero.
static bool ole1_text_ends(struct unpack *unpack, uint8_t byte)
{
	struct ole1 *ole1 = &unpack->as.ole1;

	if (!ole1->has_length)
		return byte == 0;
	if (ole1->left > 0)
		ole1->left--;
	if (ole1->state != OLE1_TEMPORARY)
		return ole1->left == 0;
	if ((byte == 0) != (ole1->left == 0))
		unpack_warn(unpack, WARN_AMBIGUOUS);
	return byte == 0;
}

// One byte of a field before the data.
static void ole1_byte(struct unpack *unpack, uint8_t byte)
{
	struct ole1 *ole1 = &unpack->as.ole1;
	uint8_t bytes = ole1_fields[ole1->state];
	bool is_name = ole1->state == OLE1_CLASS || ole1->state == OLE1_LABEL;

	if (bytes == TO_ZERO || ole1->has_length) {
		if (is_name && byte != 0)
			unpack_name_add(unpack, &byte, 1);
		if (ole1_text_ends(unpack, byte))
			ole1_next(unpack);
		return;
	}
	ole1->head[ole1->head_bytes++] = byte;
	if (ole1->head_bytes < (bytes > 0 ? bytes : 4))
		return;
	ole1->left = read_le32(ole1->head);
	if (bytes > 0 || ole1->left == 0)
		ole1_next(unpack);
	else if (ole1->left > SHORT_MAX)
		unpack->is_over = true;
	else
		ole1->has_length = true;
}

size_t ole1_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct ole1 *ole1 = &unpack->as.ole1;
	size_t i = 0;

	while (i < n && ole1->state != OLE1_DATA && !unpack->is_over)
		ole1_byte(unpack, data[i++]);
	if (ole1->state != OLE1_DATA || i == n)
		return i;
	if (!unpack->is_open && ole1->left > 0) {
		unpack_member_begin(unpack, event);
		return i;
	}
	n = n - i < ole1->left ? n - i : ole1->left;
	ole1->left -= (uint32_t)n;
	if (n > 0)
		unpack_member_data(unpack, data + i, n, event);
	else
		unpack->is_over = true;
	return i + n;
}
