// SPDX-License-Identifier: BSD-3-Clause
// Characters by reference: &name; and &#number;.
#include "scan/normalise_entity.h"
#include "scan/normalise_html_state.h"

#include <string.h>

#define ENTITY_MAX 1024

static const uint32_t dots[] = {
	0xe38082, 0xefbc8e, 0xefb992}; // full stops of other scripts in UTF-8

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

bool html_is_hex_digit(uint8_t byte)
{
	return is_digit(byte) || (html_lower(byte) >= 'a' && html_lower(byte) <= 'f');
}

int html_digit_value(uint8_t byte)
{
	return is_digit(byte) ? byte - '0' : html_lower(byte) - 'a' + 10;
}

static bool is_name_byte(uint8_t byte)
{
	return is_digit(byte) || (html_lower(byte) >= 'a' && html_lower(byte) <= 'z') ||
	       byte == '_' || byte == ':' || byte == '-';
}

bool html_is_dot(uint32_t wide, uint8_t byte)
{
	for (size_t i = 0; i < sizeof(dots) / sizeof(dots[0]); i++)
		if (wide == dots[i])
			return true;
	return wide == 0xa1 && (byte == 'C' || byte == 'D' || byte == 'O'); // in Big5
}

// Of the name of a character; in an attribute's value there too.
static void put_ref(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte)
{
	html_put_page(out, byte);
	if (html->next == HTML_VALUE)
		html_put_value(html, byte);
}

// What was taken for a name and is none.
static void put_entity(struct normalise_html *html, struct normalise_html_out *out)
{
	if (html->entity_total == html->entity_bytes)
		put_ref(html, out, '&');
	for (size_t i = 0; i < html->entity_bytes; i++)
		put_ref(html, out, html_lower((uint8_t)html->entity[i]));
	html->entity_bytes = 0;
}

static void end_entity(struct normalise_html *html)
{
	html->entity_bytes = 0;
	html->entity_total = 0;
	html_go(html, (enum html_state)html->next);
}

static void known_entity(
	struct normalise_html *html, struct normalise_html_out *out, uint16_t character)
{
	uint8_t bytes[NORMALISE_ENTITY_RENDERED];
	size_t n = normalise_entity_render(character, bytes);

	for (size_t i = 0; i < n; i++)
		put_ref(html, out, bytes[i]);
}

bool html_on_entity(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte)
{
	if (byte == ';') {
		uint16_t character = html->entity_total == html->entity_bytes
					     ? normalise_entity(html->entity, html->entity_bytes)
					     : 0;

		if (character != 0) {
			known_entity(html, out, character);
		} else {
			put_entity(html, out);
			put_ref(html, out, ';');
		}
		end_entity(html);
		return true;
	}
	if (is_name_byte(byte) && html->entity_total < ENTITY_MAX) {
		// Longer than any name: given as it comes.
		if (html->entity_bytes == sizeof(html->entity))
			put_entity(html, out);
		html->entity[html->entity_bytes++] = (char)byte;
		html->entity_total++;
		return true;
	}
	put_entity(html, out);
	end_entity(html);
	return false;
}

static void end_number(struct normalise_html *html, struct normalise_html_out *out)
{
	uint8_t bytes[NORMALISE_ENTITY_RENDERED];
	size_t n;

	if (html->next == HTML_VALUE)
		html_put_value(html, (uint8_t)html->number);
	html_go(html, (enum html_state)html->next);
	if (html->number < 0x80) {
		html_put_page(out, html_lower((uint8_t)html->number));
		return;
	}
	n = normalise_entity_render((uint16_t)html->number, bytes);
	for (size_t i = 0; i < n; i++)
		html_put_page(out, bytes[i]);
}

static bool add_digit(struct normalise_html *html, uint8_t byte)
{
	int64_t top = html->number >> 32;

	if (html->is_hex && top * 16 < INT32_MAX)
		html->number *= 16;
	else if (top * 10 < INT32_MAX)
		html->number *= 10;
	else
		return false;
	if (html->number > INT64_MAX - html_digit_value(byte))
		return false;
	html->number += html_digit_value(byte);
	return true;
}

bool html_on_number(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte)
{
	bool is_part = is_digit(byte) || (html->is_hex && html_is_hex_digit(byte));

	if (html->number == 0 && (byte == 'x' || byte == 'X')) {
		html->is_hex = true;
		return true;
	}
	if (byte == ';') {
		end_number(html, out);
		return true;
	}
	if (is_part && add_digit(html, byte))
		return true;
	html_put_page(out, (uint8_t)html->number);
	html_go(html, (enum html_state)html->next);
	return is_part;
}

bool html_on_ref(struct normalise_html *html, uint8_t byte)
{
	if (byte != '#') {
		html_go(html, HTML_ENTITY);
		return false;
	}
	html->number = 0;
	html->is_hex = false;
	html_go(html, HTML_NUMBER);
	return true;
}

void html_begin_ref(struct normalise_html *html, enum html_state next)
{
	html->next = (uint8_t)next;
	html_go(html, HTML_REF);
}

void html_end_entity(struct normalise_html *html, struct normalise_html_out *out)
{
	uint16_t character = html->entity_total == html->entity_bytes
				     ? normalise_entity(html->entity, html->entity_bytes)
				     : 0;

	if (character != 0)
		known_entity(html, out, character);
	else
		put_entity(html, out);
}
