// SPDX-License-Identifier: BSD-3-Clause
#include "scan/header.h"

#include "scan/decode.h"
#include "scan/header_charset.h"

#include <emmintrin.h>

#include <string.h>

// Pieces of one parameter that stand out of order are looked for from the start again this often;
// pieces in order cost nothing extra, and hostile ones cannot cost a square.
#define MAX_REWINDS 16
#define MAX_PIECES 1000u
#define MAX_TEXT_BYTES 4096 // of a name; what follows is cut off

struct param {
	struct span name;
	struct span value;
	bool quoted;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static char lower(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c | 0x20);
	return c;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static struct span span_from(struct span text, size_t from)
{
	return (struct span){text.at + from, text.bytes - from};
}

static struct span span_trim(struct span text)
{
	while (text.bytes > 0 && is_blank(text.at[0]))
		text = span_from(text, 1);
	while (text.bytes > 0 && is_blank(text.at[text.bytes - 1]))
		text.bytes--;
	return text;
}

// Where the comment that begins at text[i] ends; the end of the text if it does not.
static size_t comment_end(struct span text, size_t i)
{
	unsigned int depth = 0;

	for (; i < text.bytes; i++) {
		if (text.at[i] == '\\')
			i++;
		else if (text.at[i] == '(')
			depth++;
		else if (text.at[i] == ')' && --depth == 0)
			return i + 1;
	}
	return text.bytes;
}

static size_t skip_blanks(struct span text, size_t i)
{
	while (i < text.bytes && (is_blank(text.at[i]) || text.at[i] == '('))
		i = text.at[i] == '(' ? comment_end(text, i) : i + 1;
	return i;
}

// Where the quoted string whose first byte after the quote is text[i] ends.
static size_t quoted_end(struct span text, size_t i)
{
	while (i < text.bytes && text.at[i] != '"')
		i += text.at[i] == '\\' ? 2 : 1;
	return i < text.bytes ? i : text.bytes;
}

bool span_is(struct span name, const char *word)
{
	if (name.bytes != strlen(word))
		return false;
	for (size_t i = 0; i < name.bytes; i++)
		if (lower(name.at[i]) != word[i])
			return false;
	return true;
}

// Bits of bytes that a field's name may hold: 0x21 to 0x7e but for a bracket and the colon.
static bool may_name(char c)
{
	static const uint64_t bits[] = {
		UINT64_C(0xfffffffe00000000) & ~(UINT64_C(1) << ':' | UINT64_C(1) << '('),
		UINT64_C(0x7fffffffffffffff), 0, 0};

	return (bits[(uint8_t)c >> 6] >> ((uint8_t)c & 63) & 1) != 0;
}

bool header_split(struct span line, struct span *name, struct span *value)
{
	size_t n = 0;
	size_t colon;

	while (n < line.bytes && may_name(line.at[n]))
		n++;
	colon = n < line.bytes && line.at[n] == ':' ? n : skip_blanks(line, n);
	if (colon >= line.bytes || line.at[colon] != ':' || (n == 0 && colon > 0))
		return false;
	*name = (struct span){line.at, n};
	*value = span_from(line, colon + 1);
	return true;
}

// Of two characters at most, none of which is NUL.
static inline bool is_in(const char *stop, char c)
{
	return c != '\0' && (c == stop[0] || c == stop[stop[0] != '\0' ? 1 : 0]);
}

// One token: up to a blank, a comment, or one of the characters in stop. Quotes round it are left out.
static size_t token(struct span text, size_t from, const char *stop, struct span *out)
{
	size_t i = skip_blanks(text, from);
	size_t begin = i;

	if (i < text.bytes && text.at[i] == '"') {
		i = quoted_end(text, begin + 1);
		*out = (struct span){text.at + begin + 1, i - begin - 1};
		return i < text.bytes ? i + 1 : i;
	}
	while (i < text.bytes && !is_blank(text.at[i]) && text.at[i] != '(' &&
		!is_in(stop, text.at[i]))
		i++;
	*out = (struct span){text.at + begin, i - begin};
	return i;
}

static void push_lower(struct text_sink *sink, struct span text)
{
	text = span_trim(text);
	while (text.bytes > 0) {
		uint8_t piece[32];
		const size_t n = text.bytes < sizeof(piece) ? text.bytes : sizeof(piece);

		for (size_t i = 0; i < n; i++)
			piece[i] = (uint8_t)lower(text.at[i]);
		text_push_all(sink, piece, n);
		text = span_from(text, n);
	}
}

size_t header_token(struct span value, char *out, size_t size)
{
	struct text_sink sink;
	struct span word;

	(void)token(value, 0, ";", &word);
	text_begin(&sink, out, size);
	push_lower(&sink, word);
	return text_end(&sink);
}

size_t header_type(struct span value, char *out, size_t size)
{
	struct text_sink sink;
	struct span type;
	struct span subtype;
	size_t slash = skip_blanks(value, token(value, 0, ";/", &type));

	text_begin(&sink, out, size);
	// All of it may stand in quotes.
	if (memchr(type.at, '/', type.bytes) != NULL) {
		push_lower(&sink, type);
		return text_end(&sink);
	}
	if (slash < value.bytes && value.at[slash] == '/') {
		(void)token(value, slash + 1, ";", &subtype);
		if (type.bytes > 0 && subtype.bytes > 0) {
			push_lower(&sink, type);
			text_push(&sink, '/');
			push_lower(&sink, subtype);
		}
	}
	return text_end(&sink);
}

// The value's parameters: what follows its first token, or all of it when that is itself one.
static struct span params_of(struct span value)
{
	struct span first;
	size_t end = token(value, 0, ";", &first);

	return memchr(first.at, '=', first.bytes) != NULL ? value : span_from(value, end);
}

// A file name may have blanks and brackets that nobody quoted.
static bool is_name(struct span name)
{
	return (name.bytes >= 4 && span_is((struct span){name.at, 4}, "name")) ||
	       (name.bytes >= 8 && span_is((struct span){name.at, 8}, "filename"));
}

// An unquoted value ends at ';'. In one that is no file name a blank ends it too, when a comment or
// another parameter follows whose ';' was left out.
static size_t unquoted_end(struct span text, size_t from, bool name)
{
	const char *semicolon = memchr(text.at + from, ';', text.bytes - from);
	size_t end = semicolon != NULL ? (size_t)(semicolon - text.at) : text.bytes;
	bool more = memchr(text.at + from, '=', end - from) != NULL;

	for (size_t i = from; !name && i + 1 < end; i++) {
		if (!is_blank(text.at[i]))
			continue;
		if (text.at[i + 1] == '(')
			return i;
		if (more && memchr(text.at + i, '=', end - i) != NULL)
			return i;
	}
	return end;
}

// What stands before '=': the last word of it, in case a ';' was left out; no comment.
static struct span last_word(struct span text)
{
	const char *comment = memchr(text.at, '(', text.bytes);
	size_t i;

	if (comment != NULL)
		text.bytes = (size_t)(comment - text.at);
	text = span_trim(text);
	for (i = text.bytes; i > 0 && !is_blank(text.at[i - 1]); i--)
		;
	return span_from(text, i);
}

// Takes the next parameter off rest; false at the end.
static bool param_next(struct span *rest, struct param *out)
{
	struct span text = *rest;
	size_t i = 0;

	while (i < text.bytes) {
		size_t begin;

		while (i < text.bytes &&
			(is_blank(text.at[i]) || text.at[i] == ';' || text.at[i] == '('))
			i = text.at[i] == '(' ? comment_end(text, i) : i + 1;
		begin = i;
		while (i < text.bytes && text.at[i] != '=' && text.at[i] != ';')
			i++;
		if (i >= text.bytes)
			break;
		if (text.at[i] == ';')
			continue;
		out->name = (struct span){text.at + begin, i - begin};
		out->name = last_word(out->name);
		i = skip_blanks(text, i + 1);
		out->quoted = i < text.bytes && text.at[i] == '"';
		begin = out->quoted ? i + 1 : i;
		i = out->quoted ? quoted_end(text, begin)
				: unquoted_end(text, begin, is_name(out->name));
		out->value = (struct span){text.at + begin, i - begin};
		if (!out->quoted)
			out->value = span_trim(out->value);
		*rest = span_from(text, i < text.bytes ? i + 1 : i);
		return true;
	}
	*rest = span_from(text, text.bytes);
	return false;
}

// What one reading of a parameter is collected in. Bytes past size are counted and dropped.
struct collected {
	uint8_t *out;
	size_t size;
	size_t bytes;
	struct span charset; // RFC 2231; none: bytes is 0
	bool extended;       // the first piece names a character set
};

static void collect(struct collected *to, uint8_t byte)
{
	if (to->bytes < to->size)
		to->out[to->bytes] = byte;
	to->bytes++;
}

static void collect_all(struct collected *to, struct span text)
{
	const size_t room = to->bytes < to->size ? to->size - to->bytes : 0;

	if (room > 0)
		memcpy(to->out + to->bytes, text.at, text.bytes < room ? text.bytes : room);
	to->bytes += text.bytes;
}

// A quoted string's escapes: of quote and backslash alone, since path names have backslashes too.
static void collect_plain(struct collected *to, const struct param *param)
{
	struct span text = param->value;

	if (!param->quoted || memchr(text.at, '\\', text.bytes) == NULL) {
		collect_all(to, text);
		return;
	}
	for (size_t i = 0; i < text.bytes; i++) {
		if (text.at[i] == '\\' && i + 1 < text.bytes &&
			(text.at[i + 1] == '"' || text.at[i + 1] == '\\'))
			i++;
		collect(to, (uint8_t)text.at[i]);
	}
}

static void collect_percent(struct collected *to, struct span text)
{
	for (size_t i = 0; i < text.bytes; i++) {
		int high = text.at[i] == '%' && i + 2 < text.bytes ? hex_value(text.at[i + 1]) : -1;
		int low = high >= 0 ? hex_value(text.at[i + 2]) : -1;

		collect(to, low >= 0 ? (uint8_t)(high * 16 + low) : (uint8_t)text.at[i]);
		if (low >= 0)
			i += 2;
	}
}

// RFC 2231 section 4: charset'language'text.
static struct span take_charset(struct collected *to, struct span text)
{
	const char *first = memchr(text.at, '\'', text.bytes);
	const char *second;

	to->extended = true;
	if (first == NULL)
		return text;
	second = memchr(first + 1, '\'', text.bytes - (size_t)(first + 1 - text.at));
	if (second == NULL)
		return text;
	to->charset = (struct span){text.at, (size_t)(first - text.at)};
	return span_from(text, (size_t)(second + 1 - text.at));
}

#define WHOLE (-1)    // "name"
#define EXTENDED (-2) // "name*"
// Reads what follows a parameter's name: "", "*", "*N" or "*N*". False for any other name.
static bool param_is(const struct param *param, const char *name, int *piece, bool *percent)
{
	size_t n = strlen(name);
	struct span rest;
	unsigned int number = 0;
	size_t i = 1;

	*piece = WHOLE;
	*percent = false;
	if (param->name.bytes < n || !span_is((struct span){param->name.at, n}, name))
		return false;
	rest = span_from(param->name, n);
	if (rest.bytes == 0)
		return true;
	if (rest.at[0] != '*')
		return false;
	for (; i < rest.bytes && rest.at[i] >= '0' && rest.at[i] <= '9' && number < MAX_PIECES; i++)
		number = number * 10 + (unsigned int)(rest.at[i] - '0');
	*piece = i > 1 ? (int)number : EXTENDED;
	*percent = i < rest.bytes || i == 1;
	return i == rest.bytes || (i > 1 && i + 1 == rest.bytes && rest.at[i] == '*');
}

// Finds piece number wanted from *rest on.
static bool piece_find(
	struct span *rest, const char *name, int wanted, struct param *out, bool *percent)
{
	int piece;

	while (param_next(rest, out))
		if (param_is(out, name, &piece, percent) && piece == wanted)
			return true;
	return false;
}

static bool collect_pieces(struct span all, const char *name, struct collected *to)
{
	struct span rest = all;
	struct param param;
	bool percent;
	int rewinds = 0;
	int first = 0;
	int piece;

	if (!piece_find(&rest, name, first, &param, &percent)) {
		first = 1;
		rest = all;
		if (!piece_find(&rest, name, first, &param, &percent))
			return false;
	}
	for (piece = first; piece < (int)MAX_PIECES;) {
		if (percent)
			collect_percent(
				to, piece == first ? take_charset(to, param.value) : param.value);
		else
			collect_plain(to, &param);
		piece++;
		if (piece_find(&rest, name, piece, &param, &percent))
			continue;
		rest = all;
		if (rewinds++ == MAX_REWINDS || !piece_find(&rest, name, piece, &param, &percent))
			break;
	}
	return true;
}

// Which forms of the parameter there are: most headers have none, and of those that they have one.
struct forms {
	bool has_extended;
	bool has_first_pieces;
	bool has_whole;
	struct param whole; // the first of them
};

static struct forms find_forms(struct span all, const char *name)
{
	struct forms forms = {0};
	struct param param;
	bool percent;
	int piece;

	while (param_next(&all, &param)) {
		if (!param_is(&param, name, &piece, &percent))
			continue;
		forms.has_extended = forms.has_extended || piece == EXTENDED;
		forms.has_first_pieces = forms.has_first_pieces || piece == 0 || piece == 1;
		if (piece == WHOLE && !forms.has_whole) {
			forms.has_whole = true;
			forms.whole = param;
		}
	}
	return forms;
}

// Where a name like this one (of two lower-case letters or more) stands first in the value, NULL: nowhere. Most parameters
// that are asked for are not there, and reading them all takes much longer.
static const char *find_name(struct span value, const char *name)
{
	const size_t n = strlen(name);
	const __m128i small = _mm_set1_epi8(0x20);
	const __m128i first = _mm_set1_epi8(name[0]);
	const __m128i second = _mm_set1_epi8(name[1]);
	const char *at = value.at;
	const char *end = value.at + value.bytes;

	for (; at < end && (size_t)(end - at) >= n; at += sizeof(__m128i)) {
		char last[sizeof(__m128i) + 1] = {0};
		const char *bytes = at;
		__m128i one;
		__m128i next;
		unsigned int places;

		if ((size_t)(end - at) < sizeof(last)) {
			memcpy(last, at, (size_t)(end - at));
			bytes = last;
		}
		one = _mm_or_si128(_mm_loadu_si128((const void *)bytes), small);
		next = _mm_or_si128(_mm_loadu_si128((const void *)(bytes + 1)), small);
		places = (unsigned int)_mm_movemask_epi8(
			_mm_and_si128(_mm_cmpeq_epi8(one, first), _mm_cmpeq_epi8(next, second)));
		for (; places != 0; places &= places - 1) {
			const char *there = at + __builtin_ctz(places);

			if ((size_t)(end - there) >= n && span_is((struct span){there, n}, name))
				return there;
		}
	}
	return NULL;
}

static bool may_have(struct span value, const char *name)
{
	return find_name(value, name) != NULL;
}

// The extended form first, as RFC 6266 section 4.3 orders it; then pieces, then the plain form.
static bool param_collect(struct span value, const char *name, struct collected *to)
{
	struct span all = params_of(value);
	const struct forms forms = find_forms(all, name);
	struct span rest = all;
	struct param param;
	bool percent;

	if (forms.has_extended && piece_find(&rest, name, EXTENDED, &param, &percent)) {
		collect_percent(to, take_charset(to, param.value));
		return true;
	}
	if (forms.has_first_pieces && collect_pieces(all, name, to))
		return true;
	if (forms.has_whole)
		collect_plain(to, &forms.whole);
	return forms.has_whole;
}

bool header_param_bytes(
	struct span value, const char *name, uint8_t *out, size_t size, size_t *bytes)
{
	struct collected to = {.out = out, .size = size};

	if (!may_have(value, name) || !param_collect(value, name, &to))
		return false;
	*bytes = to.bytes;
	return true;
}

bool header_param(struct span value, const char *name, char *out, size_t size)
{
	uint8_t bytes[MAX_TEXT_BYTES];
	struct collected to = {.out = bytes, .size = sizeof(bytes)};
	struct text_sink sink;
	size_t n;

	if (!may_have(value, name) || !param_collect(value, name, &to))
		return false;
	n = to.bytes < to.size ? to.bytes : to.size;
	if (!to.extended) {
		(void)header_text((struct span){(const char *)bytes, n}, out, size);
		return true;
	}
	text_begin(&sink, out, size);
	text_charset(&sink, charset_find(to.charset));
	for (size_t i = 0; i < n; i++)
		text_push(&sink, bytes[i]);
	(void)text_end(&sink);
	return true;
}

static unsigned int param_count(struct span value, const char *name)
{
	struct span rest = params_of(value);
	struct param param;
	unsigned int count = 0;
	unsigned int firsts = 0;
	bool has_pieces = false;
	bool percent;
	int piece;

	while (param_next(&rest, &param)) {
		if (!param_is(&param, name, &piece, &percent))
			continue;
		count += piece < 0;
		firsts += piece == 0;
		has_pieces = has_pieces || piece >= 0;
	}
	if (has_pieces && firsts == 0)
		firsts = 1;
	return count + firsts;
}

bool header_param_is_repeated(struct span value, const char *name)
{
	const char *first = find_name(value, name);

	return first != NULL && may_have(span_from(value, (size_t)(first + 1 - value.at)), name) &&
	       param_count(value, name) > 1;
}
