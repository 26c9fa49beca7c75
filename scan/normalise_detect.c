// SPDX-License-Identifier: BSD-3-Clause
#include "scan/normalise_detect.h"

#include "scan/processor.h"

#include <emmintrin.h>

#include <stdatomic.h>
#include <string.h>
#include <strings.h>

// What makes ClamAV take data for HTML, in these cases of letters only.
static const char *const markers[] = {"<HEAD>", "<HTML>", "<Head>", "<Html>", "<IFRAME", "<IMG",
	"<Img", "<OBJECT", "<Object", "<SCRIPT", "<Script", "<TABLE", "<head>", "<html>", "<iframe",
	"<img", "<object", "<script", "<table"};

// Elements whose tags begin HTML here, too, wherever they stand.
static const char *const elements[] = {"a", "applet", "area", "audio", "b", "base", "blockquote",
	"body", "br", "button", "center", "div", "embed", "font", "form", "frame", "frameset", "h1",
	"h2", "h3", "head", "html", "i", "iframe", "img", "input", "li", "link", "math", "meta",
	"object", "ol", "p", "pre", "script", "span", "strong", "style", "svg", "table", "td",
	"title", "tr", "u", "ul", "video"};

#define BLOCK 64

static bool is_letter(uint8_t byte)
{
	return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
}

static bool starts_with(const uint8_t *data, size_t n, const char *text)
{
	size_t length;

	// Two bytes tell most: all have them.
	if (n < 2 || data[0] != (uint8_t)text[0] || data[1] != (uint8_t)text[1])
		return false;
	length = strlen(text);
	return length <= n && memcmp(data, text, length) == 0;
}

// "<a " and, anywhere behind it, "href".
static bool is_link(const uint8_t *data, size_t n)
{
	if (!starts_with(data, n, "<a ") && !starts_with(data, n, "<A "))
		return false;
	for (size_t i = 3; i + 4 <= n; i++)
		if ((data[i] | 0x20) == 'h' && (data[i + 1] | 0x20) == 'r' &&
			(memcmp(data + i + 2, "ef", 2) == 0 || memcmp(data + i + 2, "EF", 2) == 0))
			return true;
	return false;
}

#define LETTER(c) (1u << ((c) - 'a'))

// Whether the byte behind "<" is the first letter of a marker.
static bool may_be_marker(const uint8_t *data, size_t n)
{
	static const uint32_t firsts =
		LETTER('h') | LETTER('i') | LETTER('o') | LETTER('s') | LETTER('t');

	return n > 1 && is_letter(data[1]) && (firsts >> ((data[1] | 0x20) - 'a') & 1) != 0;
}

static bool has_marker(const uint8_t *data, size_t n)
{
	const uint8_t *end = data + n;
	bool looked_for_link = false;

	if (starts_with(data, n, "<%@ LANGUAGE ="))
		return true;
	for (const uint8_t *at = data; (at = memchr(at, '<', (size_t)(end - at))) != NULL; at++) {
		size_t left = (size_t)(end - at);

		for (size_t i = 0;
			may_be_marker(at, left) && i < sizeof(markers) / sizeof(markers[0]); i++)
			if (starts_with(at, left, markers[i]))
				return true;
		// What the first one lacks, no other has.
		if (!looked_for_link && left > 2 && (at[1] | 0x20) == 'a' && at[2] == ' ') {
			looked_for_link = true;
			if (is_link(at, left))
				return true;
		}
	}
	return false;
}

// ---- encodings ---------------------------------------------------------------------------------

// Bytes of text in the table of file(1): no other controls, no DEL.
static inline bool is_text_byte(uint8_t byte)
{
	const bool is_space = (uint8_t)(byte - 0x07) <= '\r' - 0x07;

	return (((byte >= 0x20) | is_space | (byte == 0x1b)) & (byte != '\v') & (byte != 0x7f)) !=
	       0;
}

// All ones where the byte is none of those.
static inline __m128i others_of(const uint8_t *data)
{
	const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)data);
	const __m128i place = _mm_sub_epi8(bytes, _mm_set1_epi8(0x07));
	const __m128i is_low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
	const __m128i is_space =
		_mm_cmpeq_epi8(_mm_min_epu8(place, _mm_set1_epi8('\r' - 0x07)), place);
	const __m128i is_escape = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x1b));

	return _mm_or_si128(_mm_andnot_si128(_mm_or_si128(is_space, is_escape), is_low),
		_mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\v')),
			_mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f))));
}

static inline bool has_others(const uint8_t *block)
{
	const __m128i any = _mm_or_si128(_mm_or_si128(others_of(block), others_of(block + 16)),
		_mm_or_si128(others_of(block + 32), others_of(block + 48)));

	return _mm_movemask_epi8(any) != 0;
}

static bool is_single_bytes(const uint8_t *data, size_t n)
{
	uint8_t rest[BLOCK];

	for (; n >= BLOCK; data += BLOCK, n -= BLOCK)
		if (has_others(data))
			return false;
	memset(rest, ' ', sizeof(rest));
	memcpy(rest, data, n);
	return !has_others(rest);
}

static bool has_mark(const uint8_t *data, size_t n, bool *is_little)
{
	*is_little = n >= 2 && data[0] == 0xff && data[1] == 0xfe;
	return *is_little || (n >= 2 && data[0] == 0xfe && data[1] == 0xff);
}

bool normalise_has_mark(const uint8_t *data, size_t n)
{
	bool is_little;

	return has_mark(data, n, &is_little);
}

// Without a byte order mark it is taken for big-endian, and one control character spoils it.
static bool is_utf16(const uint8_t *data, size_t n)
{
	bool is_little;
	bool is_marked = has_mark(data, n, &is_little);
	size_t bad = 0;

	if (n < 2)
		return false;
	for (size_t i = 2; i + 1 < n; i += 2) {
		unsigned int c = data[i + is_little] * 256u + data[i + !is_little];

		if (c == 0xfffe)
			return false;
		// Bytes from 128 on are no text here, but for NEL, which is not below 128.
		if (c < 128 && !is_text_byte((uint8_t)c))
			bad++;
		if (bad > 0 && !is_marked)
			return false;
	}
	return !is_marked || bad < n / 2;
}

size_t normalise_narrow(const uint8_t *data, size_t n, uint8_t *out)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		out[i / 2] = (uint8_t)(data[i] + (data[i + 1] << 4));
	return n / 2;
}

size_t normalise_without_nuls(const uint8_t *data, size_t n, uint8_t *out)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		out[count] = data[i];
		count += data[i] != 0;
	}
	return count;
}

enum normalise_text_kind normalise_text_kind(const uint8_t *data, size_t n)
{
	bool is_little;

	if (is_single_bytes(data, n))
		return NORMALISE_BYTES;
	if (!is_utf16(data, n))
		return NORMALISE_NO_TEXT;
	(void)has_mark(data, n, &is_little);
	return is_little ? NORMALISE_LITTLE : NORMALISE_BIG;
}

static enum normalise_kind detect_wide(const uint8_t *data, size_t n)
{
	uint8_t bytes[NORMALISE_DETECT_BYTES] = {0};
	size_t count;

	count = normalise_narrow(data, n, bytes);
	if (has_marker(bytes, count))
		return NORMALISE_HTML_UTF16;
	count = normalise_without_nuls(data, n, bytes);
	if (normalise_has_mark(data, n) && has_marker(bytes, count))
		return NORMALISE_HTML;
	return is_utf16(data, n) ? NORMALISE_TEXT : NORMALISE_NONE;
}

enum normalise_kind normalise_detect(const uint8_t *data, size_t n)
{
	if (n > NORMALISE_DETECT_BYTES)
		n = NORMALISE_DETECT_BYTES;
	if (has_marker(data, n))
		return NORMALISE_HTML;
	return is_single_bytes(data, n) ? NORMALISE_TEXT : detect_wide(data, n);
}

// ---- the first tag -----------------------------------------------------------------------------

static bool is_name_end(uint8_t byte)
{
	return byte == '>' || byte == '/' || byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static const char *const starts[] = {"<iframe", "<img", "<object", "<script", "<table"};

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_MORE };

static enum answer is_start_of(const uint8_t *data, size_t n, const char *text)
{
	size_t length = strlen(text);

	if (strncasecmp((const char *)data, text, n < length ? n : length) != 0)
		return ANSWER_NO;
	return n < length ? ANSWER_MORE : ANSWER_YES;
}

static bool is_name(uint8_t byte)
{
	return is_letter(byte) || (byte >= '0' && byte <= '9');
}

// Whether these letters and digits are that word; both have so many.
static bool is_word(const uint8_t *data, const char *word, size_t n)
{
	uint8_t other = 0;

	for (size_t i = 0; i < n; i++)
		other |= (uint8_t)((data[i] | 0x20) ^ (uint8_t)word[i]);
	return other == 0;
}

// With those of start_bytes all by which ClamAV knows HTML; of "a" it asks for a link behind it.
static bool is_marker_name(const uint8_t *name, size_t n)
{
	return (n == 1 && is_word(name, "a", n)) ||
	       (n == 4 && (is_word(name, "head", n) || is_word(name, "html", n)));
}

static bool is_element(const uint8_t *name, size_t n)
{
	// How long those are that begin with a letter: most of what is no element ends here.
#define OF(letter) [(letter) - 'a']
	static const uint16_t lengths[26] = {
		OF('a') = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6,
		OF('b') = 1 << 1 | 1 << 2 | 1 << 4 | 1 << 6 | 1 << 10,
		OF('c') = 1 << 6,
		OF('d') = 1 << 3,
		OF('e') = 1 << 5,
		OF('f') = 1 << 4 | 1 << 5 | 1 << 8,
		OF('h') = 1 << 2 | 1 << 4,
		OF('i') = 1 << 1 | 1 << 3 | 1 << 5 | 1 << 6,
		OF('l') = 1 << 2 | 1 << 4,
		OF('m') = 1 << 4,
		OF('o') = 1 << 2 | 1 << 6,
		OF('p') = 1 << 1 | 1 << 3,
		OF('s') = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6,
		OF('t') = 1 << 2 | 1 << 5,
		OF('u') = 1 << 1 | 1 << 2,
		OF('v') = 1 << 5,
	};
#undef OF

	if ((lengths[(name[0] | 0x20) - 'a'] >> n & 1) == 0)
		return false;
	for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++)
		if (strlen(elements[i]) == n && is_word(name, elements[i], n))
			return true;
	return false;
}

// Bytes of the word that needs no end, 0 where there is none. n: of the name.
static size_t start_bytes(const uint8_t *name, size_t n)
{
	for (size_t i = 0; n >= 3 && i < sizeof(starts) / sizeof(starts[0]); i++) {
		size_t length;

		if ((name[0] | 0x20) != starts[i][1])
			continue;
		length = strlen(starts[i]) - 1;

		if (length <= n && is_word(name, starts[i] + 1, length))
			return length;
	}
	return 0;
}

static bool is_known_name(const uint8_t *name, size_t n, bool is_marked)
{
	return is_marked ? is_marker_name(name, n) : is_element(name, n);
}

// The same as is_tag says of these bytes one after the other, NORMALISE_TAG_BYTES of which are there, the
// second no "!". *n is by how many of them it is known that they are a tag's.
static bool is_tag_here(const uint8_t *data, bool is_marked, size_t *n)
{
	size_t end = 2;
	size_t start;

	if (!is_letter(data[1]))
		return false;
	while (end < NORMALISE_TAG_BYTES && is_name(data[end]))
		end++;
	start = start_bytes(data + 1, end - 1);
	*n = start > 0 ? start + 1 : end + 1;
	return start > 0 || (end < NORMALISE_TAG_BYTES && is_name_end(data[end]) &&
				    is_known_name(data + 1, end - 1, is_marked));
}

// Whether the next two bytes rule it out that these begin a tag; most do that are no HTML's.
static bool may_be_tag(const uint8_t *data)
{
	static const uint32_t firsts = LETTER('a') | LETTER('b') | LETTER('c') | LETTER('d') |
				       LETTER('e') | LETTER('f') | LETTER('h') | LETTER('i') |
				       LETTER('l') | LETTER('m') | LETTER('o') | LETTER('p') |
				       LETTER('s') | LETTER('t') | LETTER('u') | LETTER('v');
	static const uint32_t alone =
		LETTER('a') | LETTER('b') | LETTER('i') | LETTER('p') | LETTER('u');
	uint32_t letter;

	if (data[1] == '!')
		return true;
	if (!is_letter(data[1]))
		return false;
	letter = 1u << ((data[1] | 0x20) - 'a');
	return is_name(data[2]) ? (letter & firsts) != 0
				: (letter & alone) != 0 && is_name_end(data[2]);
}

// Whether the bytes, which begin with "<", are the first ones of a tag; with one byte less they were not, yet.
static enum answer is_tag(const uint8_t *data, size_t n, bool is_marked)
{
	const uint8_t last = data[n - 1];
	enum answer answer;

	if (n < 2)
		return ANSWER_MORE;
	if (data[1] == '!' && is_marked)
		return ANSWER_NO;
	if (data[1] == '!') {
		answer = is_start_of(data, n, "<!--");
		return answer != ANSWER_NO ? answer : is_start_of(data, n, "<!doctype");
	}
	if (n == 2)
		return is_letter(last) ? ANSWER_MORE : ANSWER_NO;
	if (!may_be_tag(data))
		return ANSWER_NO;
	if (!is_name(last))
		return is_name_end(last) && is_known_name(data + 1, n - 2, is_marked) ? ANSWER_YES
										      : ANSWER_NO;
	// These need no end: so ClamAV looks for them.
	if (start_bytes(data + 1, n - 1) > 0)
		return ANSWER_YES;
	return n < NORMALISE_TAG_BYTES ? ANSWER_MORE : ANSWER_NO;
}

static uint64_t openings(const uint8_t *data)
{
	const __m128i opening = _mm_set1_epi8('<');
	uint64_t mask = 0;

	for (unsigned int i = 0; i < BLOCK; i += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(data + i));

		mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, opening)) << i;
	}
	return mask;
}

const uint8_t *normalise_opening_portable(const uint8_t *at, const uint8_t *end)
{
	for (; end - at >= NORMALISE_OPENING_BYTES; at += BLOCK) {
		uint64_t mask = openings(at);

		if (mask != 0)
			return at + __builtin_ctzll(mask);
	}
	return at;
}

normalise_opening_fn normalise_opening_variant(size_t i)
{
	if (i == 0)
		return normalise_opening_portable;
	return i == 1 && processor_has_avx512() ? normalise_opening_avx512 : NULL;
}

// Looked up once; threads that come at the same time find the same.
static normalise_opening_fn best_opening(void)
{
	static _Atomic(normalise_opening_fn) chosen;
	normalise_opening_fn opening = atomic_load_explicit(&chosen, memory_order_relaxed);

	if (opening == NULL) {
		for (size_t i = 0; normalise_opening_variant(i) != NULL; i++)
			opening = normalise_opening_variant(i);
		atomic_store_explicit(&chosen, opening, memory_order_relaxed);
	}
	return opening;
}

// The next "<" that may begin a tag, or is too near to the end to tell. NULL: there is none.
static const uint8_t *next_opening(
	normalise_opening_fn opening, const uint8_t *at, const uint8_t *end)
{
	for (;; at++) {
		at = opening(at, end);
		if (end - at < NORMALISE_OPENING_BYTES)
			return memchr(at, '<', (size_t)(end - at));
		if (may_be_tag(at))
			return at;
	}
}

// Over what can be told at once. Returns how many bytes of data that is; where a tag was found its bytes
// are in search. Each "<" is looked at by itself: in what another one begins there is none.
static size_t find_fast(struct normalise_search *search, const uint8_t *data, size_t n)
{
	const normalise_opening_fn opening = best_opening();
	const uint8_t *end = data + n;
	const uint8_t *at = data;

	for (; (at = next_opening(opening, at, end)) != NULL; at++) {
		size_t bytes;

		if ((size_t)(end - at) < NORMALISE_TAG_BYTES || at[1] == '!')
			return (size_t)(at - data);
		if (!is_tag_here(at, search->is_marked, &bytes))
			continue;
		memcpy(search->bytes, at, bytes);
		search->count = (uint8_t)bytes;
		return (size_t)(at - data) + bytes;
	}
	return n;
}

bool normalise_find_tag(struct normalise_search *search, const uint8_t *data, size_t n, size_t *at)
{
	size_t used = 0;

	while (used < n) {
		enum answer answer;

		if (search->count == 0) {
			used += find_fast(search, data + used, n - used);
			*at = used;
			if (search->count > 0)
				return true;
			if (used == n)
				return false;
		}
		search->bytes[search->count++] = data[used++];
		answer = is_tag(search->bytes, search->count, search->is_marked);
		if (answer == ANSWER_YES) {
			*at = used;
			return true;
		}
		// In a tag's first bytes there is no other "<" but the last one.
		if (answer == ANSWER_NO)
			search->count = data[used - 1] == '<' && search->count > 1 ? 1 : 0;
	}
	return false;
}
