// SPDX-License-Identifier: BSD-3-Clause
// One command line: its verb, and what its arguments say.
#include "reassembly/smtp_private.h"

static const struct {
	enum smtp_verb verb;
	bool is_refused;
	uint8_t bytes; // of the name
	char name[sizeof("X-LINK2STATE")];
} verbs[] = {
#define VERB(id, is_refused, name)                                                                 \
	{                                                                                          \
		SMTP_VERB_##id, is_refused, sizeof(name) - 1, name                                 \
	}
	VERB(HELO, false, "HELO"),
	VERB(EHLO, false, "EHLO"),
	VERB(MAIL, false, "MAIL"),
	VERB(RCPT, false, "RCPT"),
	VERB(DATA, false, "DATA"),
	VERB(BDAT, false, "BDAT"),
	VERB(RSET, false, "RSET"),
	VERB(NOOP, false, "NOOP"),
	VERB(QUIT, false, "QUIT"),
	VERB(VRFY, false, "VRFY"),
	VERB(EXPN, false, "EXPN"),
	VERB(HELP, false, "HELP"),
	VERB(AUTH, false, "AUTH"),
	VERB(STARTTLS, false, "STARTTLS"),
	VERB(ETRN, false, "ETRN"),
	VERB(SEND, false, "SEND"),
	VERB(SOML, false, "SOML"),
	VERB(SAML, false, "SAML"),
	VERB(XFORWARD, false, "XFORWARD"),
	VERB(XEXCH50, true, "XEXCH50"),
	VERB(XCLIENT, true, "XCLIENT"),
	VERB(BURL, true, "BURL"),
	VERB(TURN, true, "TURN"),
	VERB(ATRN, true, "ATRN"),
	VERB(XLINK2STATE, true, "X-LINK2STATE"),
	VERB(LHLO, true, "LHLO"),
#undef VERB
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static bool word_is(const struct smtp_word *word, size_t i)
{
	return word->end - word->start == verbs[i].bytes &&
	       word->text[0] == (uint8_t)verbs[i].name[0] &&
	       memcmp(word->text, verbs[i].name, verbs[i].bytes) == 0;
}

enum smtp_verb smtp_verb_of(const struct smtp_word *word)
{
	for (size_t i = 0; i < VERBS; i++) {
		if (word_is(word, i))
			return verbs[i].verb;
	}
	return SMTP_VERB_UNKNOWN;
}

static bool verb_is_allowed(const struct smtp *smtp, size_t i, const struct smtp_word *word)
{
	if (verbs[i].verb == SMTP_VERB_STARTTLS)
		return smtp->options->starttls == SMTP_STARTTLS_PASS;
	// A server that does not take BDAT behind blanks would read the chunk as commands.
	if (verbs[i].verb == SMTP_VERB_BDAT)
		return (smtp->flags & FLAG_CHUNKING) != 0 && word->start == 0;
	return !verbs[i].is_refused;
}

static bool is_crossed_out(const struct smtp_word *word)
{
	size_t n = word->end - word->start;

	for (size_t i = 0; i < n && i < sizeof(word->text); i++) {
		if (word->text[i] != 'X')
			return false;
	}
	return n <= sizeof(word->text);
}

// Of a word in progress this is decided by what there is of it, as that may be sent on: what can no
// longer become a verb that is allowed is refused.
bool smtp_verb_is_refused(const struct smtp *smtp, const struct smtp_word *word)
{
	bool pass_unknown = smtp->options->pass_unknown_verbs;

	if (word->start == word->end || is_crossed_out(word))
		return false;
	for (size_t i = 0; i < VERBS; i++) {
		bool is = word_is(word, i);

		if (is || (!word->complete && smtp_word_begins(word, verbs[i].name))) {
			if (verb_is_allowed(smtp, i, word))
				return false;
			if (is)
				pass_unknown = false;
		}
	}
	return !pass_unknown;
}

static bool verb_hands_over(size_t i)
{
	return verbs[i].is_refused || verbs[i].verb == SMTP_VERB_BDAT ||
	       verbs[i].verb == SMTP_VERB_STARTTLS;
}

bool smtp_verb_is_cut(const struct smtp_word *word)
{
	bool is_cut = false;

	for (size_t i = 0; i < VERBS; i++) {
		if (word_is(word, i))
			return false;
		if (!smtp_word_begins(word, verbs[i].name))
			continue;
		if (verb_hands_over(i))
			return false;
		is_cut = true;
	}
	return is_cut;
}

static size_t word_bytes(const uint8_t *line, size_t n)
{
	size_t bytes = 0;

	while (bytes < n && bytes < sizeof(((struct smtp_word *)0)->text) &&
		smtp_is_word_byte(line[bytes], false))
		bytes++;
	return bytes;
}

bool smtp_begins_handover(const uint8_t *line, size_t n)
{
	size_t start = 0;
	size_t bytes;

	while (start < n && line[start] != '\n' && !smtp_is_word_byte(line[start], false))
		start++;
	bytes = word_bytes(line + start, n - start);
	for (size_t i = 0; i < VERBS; i++) {
		if (verb_hands_over(i) && bytes == verbs[i].bytes &&
			strncasecmp((const char *)line + start, verbs[i].name, bytes) == 0)
			return true;
	}
	return false;
}

bool smtp_ends_handover(const uint8_t *line, size_t n)
{
	size_t bytes = word_bytes(line, n);

	for (size_t i = 0; i < VERBS && bytes > 0; i++) {
		size_t length = verbs[i].bytes;

		if (verb_hands_over(i) && bytes <= length &&
			strncasecmp((const char *)line, verbs[i].name + length - bytes, bytes) == 0)
			return true;
	}
	return false;
}

static size_t skip_blanks(const uint8_t *text, size_t at, size_t n)
{
	while (at < n && (text[at] == ' ' || text[at] == '\t'))
		at++;
	return at;
}

// Index of the first `stop` (or blank, when stop is ' ') outside of quotes, n if there is none.
static size_t find_outside_quotes(const uint8_t *text, size_t at, size_t n, uint8_t stop)
{
	const uint8_t *first = stop != ' ' ? memchr(text + at, stop, n - at) : NULL;
	bool is_quoted = false;

	// Most have no quote.
	if (first != NULL && memchr(text + at, '"', (size_t)(first - text) - at) == NULL)
		return (size_t)(first - text);
	for (; at < n; at++) {
		uint8_t byte = text[at];

		if (byte == '\\' && is_quoted)
			at++;
		else if (byte == '"')
			is_quoted = !is_quoted;
		else if (!is_quoted && (byte == stop || (stop == ' ' && byte == '\t')))
			break;
	}
	return at < n ? at : n;
}

// Sets address and params from "FROM:<path> params" (RFC 5321 section 4.1.2), tolerating blanks round
// the colon and a path without <>. The source route of a path is dropped (appendix F.2).
void smtp_parse_path(struct smtp_event *event)
{
	const uint8_t *text = event->text;
	size_t n = event->text_bytes;
	const uint8_t *colon = memchr(text, ':', n);
	const uint8_t *open = memchr(text, '<', n);
	size_t at = 0;
	size_t end;

	if (colon != NULL && (open == NULL || colon < open))
		at = (size_t)(colon - text) + 1;
	else if (open != NULL)
		at = (size_t)(open - text);
	at = skip_blanks(text, at, n);
	if (at < n && text[at] == '<') {
		at++;
		end = find_outside_quotes(text, at, n, '>');
	} else {
		end = find_outside_quotes(text, at, n, ' ');
	}
	event->params = text + (end < n ? skip_blanks(text, end + 1, n) : n);
	event->params_bytes = (size_t)(text + n - event->params);
	if (at < end && text[at] == '@') {
		size_t route = find_outside_quotes(text, at, end, ':');

		if (route < end)
			at = route + 1;
	}
	event->address = text + at;
	event->address_bytes = end - at;
}

bool smtp_parse_chunk(const uint8_t *text, size_t n, uint64_t *bytes, bool *last)
{
	uint64_t value = 0;
	size_t start = skip_blanks(text, 0, n);
	size_t at = start;

	for (; at < n && text[at] >= '0' && text[at] <= '9'; at++) {
		uint64_t digit = (uint64_t)(text[at] - '0');

		if (value > (INT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	// Blanks in front are zeros (smtp_mask_blanks), also where nothing follows.
	if (at == 0)
		return false;
	*bytes = value;
	*last = false;
	if (at < n && (at == start || skip_blanks(text, at, n) == at))
		return false;
	at = skip_blanks(text, at, n);
	if (n - at >= 4 && strncasecmp((const char *)text + at, "LAST", 4) == 0) {
		*last = true;
		at += 4;
	}
	return skip_blanks(text, at, n) == n;
}
