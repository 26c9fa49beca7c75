// SPDX-License-Identifier: BSD-3-Clause
// Strings of a PDF (ISO 32000-1, 7.3.4): in parentheses, with escapes, or hexadecimal. Scripts stand in
// them; in UTF-16 they are given as UTF-8, other bytes as they are.
#include "scan/unpack_state.h"

#include <string.h>

// Room for what one byte can give besides those before it.
#define TEXT_ROOM (4 * CRYPT_BLOCK)

enum { WIDE_UNKNOWN, WIDE_NOT, WIDE_BIG, WIDE_LITTLE };

void pdf_text_begin(struct unpack *unpack, bool is_member, struct unpack_event *event)
{
	struct pdf *pdf = &unpack->as.pdf;

	pdf->text = (struct pdf_text){.is_member = is_member, .depth = 1};
	if (!is_member)
		return;
	if (pdf->key_of_all != NULL && pdf->object.number != pdf->key_of_all->number)
		pdf->text.is_encrypted = crypt_begin(pdf->text_crypt, pdf->key_of_all,
			pdf->key_of_all->strings, pdf->object.number, pdf->object.generation);
	unpack_name_begin(unpack);
	unpack_name_add(unpack, (const uint8_t *)"JavaScript", 10);
	unpack_member_begin(unpack, event);
}

static void put_point(struct unpack *unpack, uint32_t point)
{
	struct pdf_text *text = &unpack->as.pdf.text;
	uint8_t *at = unpack->out + text->bytes;
	uint32_t more = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
	static const uint8_t marks[] = {0, 0xc0, 0xe0, 0xf0};

	at[0] = (uint8_t)(marks[more] | point >> 6 * more);
	for (uint32_t i = 1; i <= more; i++)
		at[i] = (uint8_t)(0x80 | (point >> 6 * (more - i) & 0x3f));
	text->bytes += more + 1;
}

static void put_unit(struct unpack *unpack, uint16_t unit)
{
	struct pdf_text *text = &unpack->as.pdf.text;
	uint16_t before = text->surrogate;

	text->surrogate = 0;
	if (unit >= 0xd800 && unit < 0xdc00)
		text->surrogate = unit;
	else if (before != 0 && unit >= 0xdc00 && unit < 0xe000)
		put_point(unpack, 0x10000u + ((before & 0x3ffu) << 10) + (unit & 0x3ffu));
	else
		put_point(unpack, unit);
}

// The first two bytes tell whether the text is in UTF-16.
static void put_plain(struct unpack *unpack, uint8_t byte)
{
	struct pdf_text *text = &unpack->as.pdf.text;

	if (!text->is_member)
		return;
	text->given++;
	if (text->given == 1)
		text->unit = byte;
	if (text->given == 2 && text->unit == 0xfe && byte == 0xff)
		text->wide = WIDE_BIG;
	else if (text->given == 2 && text->unit == 0xff && byte == 0xfe)
		text->wide = WIDE_LITTLE;
	else if (text->given == 2)
		text->wide = WIDE_NOT;
	if (text->wide == WIDE_BIG || text->wide == WIDE_LITTLE) {
		if (text->given == 2) {
			text->bytes = 0;
			return;
		}
		text->has_unit = !text->has_unit;
		if (text->has_unit)
			text->unit = byte;
		else
			put_unit(unpack,
				(uint16_t)(text->wide == WIDE_BIG ? text->unit << 8 | byte
								  : byte << 8 | text->unit));
		return;
	}
	unpack->out[text->bytes++] = byte;
}

static void put(struct unpack *unpack, uint8_t byte)
{
	struct pdf *pdf = &unpack->as.pdf;
	uint8_t plain[2 * CRYPT_BLOCK];
	size_t n;

	if (!pdf->text.is_encrypted) {
		put_plain(unpack, byte);
		return;
	}
	n = crypt_feed(pdf->text_crypt, &byte, 1, plain);
	for (size_t i = 0; i < n; i++)
		put_plain(unpack, plain[i]);
}

static void put_rest(struct unpack *unpack)
{
	struct pdf *pdf = &unpack->as.pdf;
	uint8_t plain[CRYPT_BLOCK];
	size_t n;

	if (!pdf->text.is_encrypted)
		return;
	pdf->text.is_encrypted = false;
	n = crypt_finish(pdf->text_crypt, plain);
	for (size_t i = 0; i < n; i++)
		put_plain(unpack, plain[i]);
}

static uint8_t escaped(uint8_t byte)
{
	static const char from[] = "nrtbf";
	static const char to[] = "\n\r\t\b\f";
	const char *at = byte != 0 ? strchr(from, byte) : NULL;

	return at != NULL ? (uint8_t)to[at - from] : byte;
}

// Returns true when the byte is part of an escape.
static bool escape_byte(struct unpack *unpack, uint8_t byte)
{
	struct pdf_text *text = &unpack->as.pdf.text;
	bool is_octal = byte >= '0' && byte <= '7';
	uint8_t escape = text->escape;

	text->escape = 0;
	if (escape == 0)
		return false;
	if (is_octal) {
		text->octal = (uint8_t)((escape == 1 ? 0u : text->octal * 8u) + (byte - '0'));
		if (escape == 3)
			put(unpack, text->octal);
		else
			text->escape = (uint8_t)(escape + 1);
		return true;
	}
	if (escape > 1) {
		put(unpack, text->octal);
		return false;
	}
	// A line end behind a backslash is none.
	if (byte == '\r')
		text->was_return = true;
	else if (byte != '\n')
		put(unpack, escaped(byte));
	return true;
}

static bool literal_byte(struct unpack *unpack, uint8_t byte)
{
	struct pdf_text *text = &unpack->as.pdf.text;
	bool was_return = text->was_return;

	text->was_return = false;
	if (escape_byte(unpack, byte))
		return false;
	if (byte == '\\') {
		text->escape = 1;
		return false;
	}
	if (byte == ')' && --text->depth == 0)
		return true;
	if (byte == '(')
		text->depth++;
	// Every line end is one LF.
	if (byte == '\n' && was_return)
		return false;
	text->was_return = byte == '\r';
	put(unpack, byte == '\r' ? '\n' : byte);
	return false;
}

static bool hex_byte(struct unpack *unpack, uint8_t byte)
{
	struct pdf_text *text = &unpack->as.pdf.text;
	int digit = unpack_hex_digit(byte);

	if (byte == '>') {
		if (text->digits > 0)
			put(unpack, (uint8_t)(text->nibble << 4));
		return true;
	}
	if (digit < 0)
		return false;
	if (text->digits++ == 0) {
		text->nibble = (uint8_t)digit;
		return false;
	}
	text->digits = 0;
	put(unpack, (uint8_t)(text->nibble << 4 | digit));
	return false;
}

static void give(struct unpack *unpack, struct unpack_event *event)
{
	struct pdf_text *text = &unpack->as.pdf.text;

	if (text->bytes > 0)
		unpack_member_data(unpack, unpack->out, text->bytes, event);
	text->bytes = 0;
}

bool pdf_text_byte(struct unpack *unpack, uint8_t byte, struct unpack_event *event)
{
	struct pdf *pdf = &unpack->as.pdf;
	bool is_over = pdf->lex == LEX_HEX ? hex_byte(unpack, byte) : literal_byte(unpack, byte);

	if (is_over)
		put_rest(unpack);
	if (is_over || pdf->text.bytes + TEXT_ROOM > UNPACK_OUT_BYTES)
		give(unpack, event);
	return is_over;
}

void pdf_text_finish(struct unpack *unpack, struct unpack_event *event)
{
	put_rest(unpack);
	give(unpack, event);
}
