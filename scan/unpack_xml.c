// SPDX-License-Identifier: BSD-3-Clause
// Documents in one XML file: what stands in them in base64 is a member. Word 2003 has its macros in <w:binData>, a
// package of Office in one file in <pkg:binaryData>, XDP its PDF in <chunk>, HWPML its pictures in <BINDATA>.
//
// Names count without their prefix and in any case, since the prefix is the writer's. What is between the tags of such an
// element is base64, in sections of CDATA and as references of characters, too. NULs are dropped, which leaves
// ASCII of UTF-16.
//
// Sources: W3C, "Extensible Markup Language (XML) 1.0"; MS-OWEMXML; Adobe, "XML Data Package Specification" 2.0.
#include "scan/decode.h"
#include "scan/unpack_state.h"

#include <emmintrin.h>

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define SLICE 4096u // of base64
#define COMMENT "!--"
#define SECTION "![CDATA["

// ---- what it is --------------------------------------------------------------------------------

static bool word_at(const char *text, size_t n)
{
	static const char *const words[] = {
		"mso-application", "/wordml", "/xmlPackage", "/xdp/", "HWPML"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (n >= strlen(words[i]) && memcmp(text, words[i], strlen(words[i])) == 0)
			return true;
	return false;
}

// Where one of these words may begin, by its first two bytes: bits of 16 places, behind which one more byte is read.
static unsigned int words_begin(const char *text)
{
	const __m128i one = _mm_loadu_si128((const void *)text);
	const __m128i next = _mm_loadu_si128((const void *)(text + 1));
	const __m128i slash = _mm_and_si128(_mm_cmpeq_epi8(one, _mm_set1_epi8('/')),
		_mm_or_si128(_mm_cmpeq_epi8(next, _mm_set1_epi8('w')),
			_mm_cmpeq_epi8(next, _mm_set1_epi8('x'))));
	const __m128i office = _mm_and_si128(
		_mm_cmpeq_epi8(one, _mm_set1_epi8('m')), _mm_cmpeq_epi8(next, _mm_set1_epi8('s')));
	const __m128i hangul = _mm_and_si128(
		_mm_cmpeq_epi8(one, _mm_set1_epi8('H')), _mm_cmpeq_epi8(next, _mm_set1_epi8('W')));

	return (unsigned int)_mm_movemask_epi8(_mm_or_si128(slash, _mm_or_si128(office, hangul)));
}

// Every page and every member of an Office file that is sent is searched so.
static bool has_word(const char *text, size_t n)
{
	size_t at = 0;

	for (; at + 17 <= n; at += 16)
		for (unsigned int bits = words_begin(text + at); bits != 0; bits &= bits - 1) {
			const size_t place = at + (size_t)__builtin_ctz(bits);

			if (word_at(text + place, n - place))
				return true;
		}
	for (; at < n; at++)
		if (word_at(text + at, n - at))
			return true;
	return false;
}

// Most that begin with "<" are pages: these do not begin with a declaration, nor with a prefix.
static bool may_be_document(const char *text, size_t n)
{
	static const char *const names[] = {"?", "HWPML", "wordDocument", "package", "xdp"};
	const char *end = memchr(text, '>', n < 64 ? n : 64);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (n > strlen(names[i]) && memcmp(text, names[i], strlen(names[i])) == 0)
			return true;
	return memchr(text, ':', end != NULL ? (size_t)(end - text) : n < 64 ? n : 64) != NULL;
}

static bool is_document(const char *text, size_t n)
{
	return n >= 2 && may_be_document(text + 1, n - 1) && has_word(text, n);
}

bool xml_is_header(const uint8_t *data, size_t n)
{
	char text[UNPACK_DETECT_BYTES];
	size_t bytes = 0;
	size_t at = 0;

	if (n < 4 || (data[0] > '<' && data[0] < 0xef)) // or a byte order mark
		return false;
	n = n < sizeof(text) ? n : sizeof(text);
	while (at < n && data[at] != '<')
		if (data[at] > ' ' && data[at] < 0x80)
			return false;
		else
			at++;
	data += at;
	n -= at;
	if (memchr(data, 0, n) == NULL)
		return is_document((const char *)data, n);
	for (size_t i = 0; i < n; i++)
		if (data[i] != 0)
			text[bytes++] = (char)data[i];
	return is_document(text, bytes);
}

// ---- its elements ------------------------------------------------------------------------------

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// What stands in the element is base64.
static bool is_packed(const char *name)
{
	static const char *const names[] = {"binData", "binaryData", "chunk"};
	const char *colon = strrchr(name, ':');

	name = colon != NULL ? colon + 1 : name;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

// The name of a tag is complete; behind it come arguments, or its end.
static void name_end(struct unpack *unpack, struct unpack_event *event)
{
	struct xml *xml = &unpack->as.xml;
	bool is_end = xml->name[0] == '/';

	xml->state = XML_TAG;
	xml->quote = 0;
	xml->opens = false;
	if (!is_packed(is_end ? xml->name + 1 : xml->name))
		return;
	if (is_end && unpack->is_open) {
		unpack_member_end(unpack, event);
	} else if (!is_end && !unpack->is_open) {
		xml->base64 = (struct base64_state){0};
		xml->opens = true;
		unpack_name_begin(unpack);
		unpack_member_begin(unpack, event);
	}
}

// A member is open, and its end's tag comes, or another one's: its last bytes come first, and its end where another begins.
// The end of the name then comes once more. Returns whether it does.
static bool before_name(struct unpack *unpack, bool is_end, struct unpack_event *event)
{
	struct xml *xml = &unpack->as.xml;

	if (!xml->is_ended) {
		xml->is_ended = true;
		xml->out_bytes += (uint32_t)base64_end(&xml->base64, unpack->out + xml->out_bytes);
		return true;
	}
	if (!is_end)
		unpack_member_end(unpack, event);
	return !is_end;
}

static void name_byte(struct unpack *unpack, uint8_t c, struct unpack_event *event)
{
	struct xml *xml = &unpack->as.xml;
	bool is_end = xml->name_bytes > 0 && xml->name[0] == '/';

	if (c == '<') {
		xml->name_bytes = 0;
		return;
	}
	if (is_blank(c) || c == '>' || (c == '/' && xml->name_bytes > 0)) {
		xml->name[xml->name_bytes] = '\0';
		if (unpack->is_open && is_packed(is_end ? xml->name + 1 : xml->name) &&
			before_name(unpack, is_end, event))
			return;
		xml->is_ended = false;
		name_end(unpack, event);
		xml->slash = c == '/';
		if (c == '>')
			xml->state = XML_TEXT;
		return;
	}
	// However long a prefix is.
	if (c == ':') {
		xml->name_bytes = is_end ? 1 : 0;
		return;
	}
	if (c == '?' && xml->name_bytes == 0) {
		xml->state = XML_INSTRUCTION;
		xml->dashes = 0;
		return;
	}
	if (xml->name_bytes + 1 < sizeof(xml->name))
		xml->name[xml->name_bytes++] = (char)c;
	xml->name[xml->name_bytes] = '\0';
	if (strcmp(xml->name, COMMENT) == 0) {
		xml->state = XML_COMMENT;
		xml->dashes = 0;
	} else if (strcmp(xml->name, SECTION) == 0) {
		xml->state = XML_SECTION;
		xml->dashes = 0;
	}
}

// A bracket cannot stand in a value: where it does, a tag begins all the same.
static void tag_byte(struct unpack *unpack, uint8_t c, struct unpack_event *event)
{
	struct xml *xml = &unpack->as.xml;

	if (c == '<') {
		xml->state = XML_NAME;
		xml->name_bytes = 0;
	} else if (xml->quote != 0) {
		xml->quote = c == xml->quote ? 0 : xml->quote;
	} else if (c == '"' || c == '\'') {
		xml->quote = c;
	} else if (c == '>') {
		xml->state = XML_TEXT;
		if (xml->opens && xml->slash)
			unpack_member_end(unpack, event);
	}
	xml->slash = c == '/' && xml->quote == 0;
}

static void instruction_byte(struct xml *xml, uint8_t c)
{
	if (c == '>' && xml->dashes > 0)
		xml->state = XML_TEXT;
	xml->dashes = c == '?';
}

static void comment_byte(struct xml *xml, uint8_t c)
{
	if (c == '>' && xml->dashes >= 2)
		xml->state = XML_TEXT;
	if (c != '-')
		xml->dashes = 0;
	else if (xml->dashes < 2)
		xml->dashes++;
}

// ---- what stands in them -----------------------------------------------------------------------

// A reference of a character of base64, as "&#x41;", with any number of zeros. Returns whether the byte is a part of it.
static bool reference_byte(struct unpack *unpack, uint8_t c)
{
	struct xml *xml = &unpack->as.xml;
	int digit = unpack_hex_digit(c);
	uint8_t value;

	if (xml->place == 0 && c == '#') {
		xml->place = 1;
		xml->base = 10;
		return true;
	}
	if (xml->place == 1 && (c == 'x' || c == 'X')) {
		xml->place = 2;
		xml->base = 16;
		return true;
	}
	xml->place = 2;
	if (isalnum(c)) {
		if (digit >= 0 && digit < xml->base && xml->number <= UINT8_MAX)
			xml->number = xml->number * xml->base + (uint32_t)digit;
		return true;
	}
	xml->state = XML_TEXT;
	value = (uint8_t)xml->number;
	if (c == ';' && xml->base != 0 && xml->number < 0x80)
		xml->out_bytes += (uint32_t)base64_decode(
			&xml->base64, &value, 1, unpack->out + xml->out_bytes);
	return c == ';';
}

// Returns bytes used: up to a tag or a reference, or so many that there is room for them.
static size_t text(struct unpack *unpack, const uint8_t *data, size_t n)
{
	struct xml *xml = &unpack->as.xml;
	const uint8_t *end = memchr(data, '<', n);
	size_t bytes = end != NULL ? (size_t)(end - data) : n;

	if (unpack->is_open) {
		bytes = bytes < SLICE ? bytes : SLICE;
		end = memchr(data, '&', bytes);
		bytes = end != NULL ? (size_t)(end - data) : bytes;
		xml->out_bytes += (uint32_t)base64_decode(
			&xml->base64, data, bytes, unpack->out + xml->out_bytes);
	}
	if (bytes == n || (data[bytes] != '<' && data[bytes] != '&'))
		return bytes;
	xml->state = data[bytes] == '<' ? XML_NAME : XML_REFERENCE;
	xml->name_bytes = 0;
	xml->place = 0;
	xml->base = 0;
	xml->number = 0;
	return bytes + 1;
}

// The same up to the end of a section.
static size_t section(struct unpack *unpack, const uint8_t *data, size_t n)
{
	struct xml *xml = &unpack->as.xml;
	const uint8_t *end = memchr(data, '>', n < SLICE ? n : SLICE);
	size_t bytes = end != NULL ? (size_t)(end - data) : n < SLICE ? n : SLICE;

	if (unpack->is_open)
		xml->out_bytes += (uint32_t)base64_decode(
			&xml->base64, data, bytes, unpack->out + xml->out_bytes);
	// Two brackets, with the NULs that may be between.
	for (size_t i = bytes < 4 ? 0 : bytes - 4; i < bytes; i++)
		if (data[i] == ']')
			xml->dashes = xml->dashes < 2 ? xml->dashes + 1 : 2;
		else if (data[i] != 0)
			xml->dashes = 0;
	if (end == NULL)
		return bytes;
	if (xml->dashes == 2)
		xml->state = XML_TEXT;
	xml->dashes = 0;
	return bytes + 1;
}

static size_t step(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct xml *xml = &unpack->as.xml;

	if (*data == 0)
		return 1;
	switch (xml->state) {
	case XML_TEXT:
		return text(unpack, data, n);
	case XML_NAME:
		name_byte(unpack, *data, event);
		return xml->is_ended ? 0 : 1;
	case XML_TAG:
		tag_byte(unpack, *data, event);
		break;
	case XML_COMMENT:
		comment_byte(xml, *data);
		break;
	case XML_SECTION:
		return section(unpack, data, n);
	case XML_INSTRUCTION:
		instruction_byte(xml, *data);
		break;
	case XML_REFERENCE:
		return reference_byte(unpack, *data);
	}
	return 1;
}

size_t xml_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct xml *xml = &unpack->as.xml;
	size_t used = 0;

	static_assert(2 * SLICE + DECODE_SLACK <= UNPACK_OUT_BYTES, "a step's output has room");
	while (used < n && event->type == UNPACK_NEED_INPUT && xml->out_bytes < SLICE) {
		used += step(unpack, data + used, n - used, event);
		if (xml->is_ended)
			break;
	}
	if (event->type == UNPACK_NEED_INPUT && xml->out_bytes > 0) {
		unpack_member_data(unpack, unpack->out, xml->out_bytes, event);
		xml->out_bytes = 0;
	}
	return used;
}

// An element that does not end is one up to the end.
bool xml_finish(struct unpack *unpack, struct unpack_event *event)
{
	struct xml *xml = &unpack->as.xml;
	size_t bytes = unpack->is_open ? base64_end(&xml->base64, unpack->out) : 0;

	xml->base64 = (struct base64_state){0};
	if (bytes > 0)
		unpack_member_data(unpack, unpack->out, bytes, event);
	return bytes > 0;
}
