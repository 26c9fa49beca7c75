// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/seal.h"

#include <ctype.h>
#include <string.h>

#define ADDRESS_BYTES 1024

static const char *const mode_names[] = {
	[SEAL_OPEN] = "",
	[SEAL_STRIP] = "strip",
	[SEAL_HOLD_ATTACHMENTS] = "hold-attachments",
	[SEAL_HOLD] = "hold",
	[SEAL_TEMPFAIL] = "tempfail",
};

const char *seal_mode_name(enum seal_mode mode)
{
	return mode_names[mode];
}

bool seal_mode_parse(const char *name, enum seal_mode *mode)
{
	for (int i = SEAL_STRIP; i <= SEAL_TEMPFAIL; i++) {
		if (strcmp(mode_names[i], name) != 0)
			continue;
		*mode = (enum seal_mode)i;
		return true;
	}
	return false;
}

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

// The last star takes one byte more each time what follows it does not match: no recursion, and no more
// than the product of both lengths.
bool seal_pattern_matches(const char *pattern, const char *text)
{
	const char *star = NULL;
	const char *from = NULL;

	while (*text != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			from = text;
		} else if (*pattern != '\0' && (*pattern == '?' || same(*pattern, *text))) {
			pattern++;
			text++;
		} else if (star != NULL) {
			pattern = star + 1;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

// ---- addresses ----------------------------------------------------------------------------------

// The length of what a server reads as nothing: a blank, or a comment in brackets.
static size_t filler(const char *text)
{
	size_t n = 0;
	int depth = 0;

	if (*text == ' ' || *text == '\t')
		return 1;
	if (*text != '(')
		return 0;
	do {
		depth += text[n] == '(' ? 1 : text[n] == ')' ? -1 : 0;
		n += text[n] == '\\' && text[n + 1] != '\0' ? 2 : 1;
	} while (depth > 0 && text[n] != '\0');
	return n;
}

// As servers compare it: "a.b"@c, a\.b@c, a.b(x)@c and a.b@c. are all a.b@c. False: it is too long.
static bool address_plain(const char *address, char *out, size_t room)
{
	bool is_quoted = false;
	size_t n = 0;

	while (*address != '\0') {
		size_t skip = is_quoted ? 0 : filler(address);

		if (skip == 0 && *address == '"') {
			is_quoted = !is_quoted;
			skip = 1;
		}
		if (skip > 0) {
			address += skip;
			continue;
		}
		if (*address == '\\' && address[1] != '\0')
			address++;
		if (n + 1 == room)
			return false;
		out[n++] = *address++;
	}
	n -= n > 0 && out[n - 1] == '.';
	out[n] = '\0';
	return true;
}

// What is too long to be compared may be meant.
static bool address_matches(const char *pattern, const char *address)
{
	size_t n = strlen(address);
	char plain[ADDRESS_BYTES];

	if (seal_pattern_matches(pattern, address))
		return true;
	if (strpbrk(address, "\"\\( \t") == NULL && (n == 0 || address[n - 1] != '.'))
		return false;
	return !address_plain(address, plain, sizeof(plain)) ||
	       seal_pattern_matches(pattern, plain);
}

// ---- scopes -------------------------------------------------------------------------------------

// Three answers: what is not known can still become either of the others.
enum answer { NO, MAYBE, YES };

static enum answer least(enum answer a, enum answer b)
{
	return a < b ? a : b;
}

static enum answer of_recipients(const char *pattern, const struct seal_mail *mail)
{
	if (pattern[0] == '\0')
		return YES;
	for (size_t i = 0; i < mail->rcpt_to_count; i++) {
		if (address_matches(pattern, mail->rcpt_to[i]))
			return mail->rcpt_pending ? MAYBE : YES;
	}
	return mail->rcpt_pending ? MAYBE : NO;
}

static enum answer of_size(const struct seal *seal, const struct seal_mail *mail)
{
	if (seal->min_bytes == 0 && seal->max_bytes == 0)
		return YES;
	if (mail->bytes == 0)
		return MAYBE;
	if (mail->bytes < seal->min_bytes || (seal->max_bytes > 0 && mail->bytes > seal->max_bytes))
		return NO;
	// A declared size is not the size.
	return mail->scan != NULL ? YES : MAYBE;
}

static bool part_matches(const struct seal *seal, const struct scan_part *part)
{
	return (seal->file_type[0] == '\0' ||
		       seal_pattern_matches(seal->file_type, part->detected_type)) &&
	       (seal->name[0] == '\0' || seal_pattern_matches(seal->name, part->filename));
}

static enum answer of_parts(const struct seal *seal, const struct scan_result *scan)
{
	if (seal->file_type[0] == '\0' && seal->name[0] == '\0')
		return YES;
	if (scan == NULL)
		return MAYBE;
	for (size_t i = 0; i < scan->parts_count; i++) {
		if (part_matches(seal, &scan->parts[i]))
			return YES;
	}
	if (seal->name[0] != '\0' && scan->unclear_names)
		return MAYBE;
	// Parts that were not looked at may be of that kind.
	return scan->verdict == VERDICT_CLEAN || scan->verdict == VERDICT_INFECTED ? NO : MAYBE;
}

static enum answer of_subject(const char *pattern, const struct scan_result *scan)
{
	if (pattern[0] == '\0')
		return YES;
	if (scan == NULL)
		return MAYBE;
	if (seal_pattern_matches(pattern, scan->subject))
		return YES;
	return scan->unclear_subject ? MAYBE : NO;
}

static enum answer of_body(const char *pattern, const struct seal_mail *mail)
{
	int has =
		mail->body != NULL && pattern[0] != '\0' ? mail->body(mail->body_ctx, pattern) : -1;

	if (pattern[0] == '\0')
		return YES;
	if (has < 0)
		return MAYBE;
	return has > 0 ? YES : NO;
}

static enum answer covers(const struct seal *seal, const struct seal_mail *mail)
{
	enum answer answer = YES;

	if ((seal->directions & 1u << mail->direction) == 0)
		return NO;
	if (seal->sender[0] != '\0' && !address_matches(seal->sender, mail->mail_from))
		return NO;
	answer = least(answer, of_recipients(seal->recipient, mail));
	answer = least(answer, of_size(seal, mail));
	answer = least(answer, of_parts(seal, mail->scan));
	answer = least(answer, of_subject(seal->subject, mail->scan));
	// What costs most is asked only where it decides.
	return answer == NO ? NO : least(answer, of_body(seal->body, mail));
}

void seal_decide(const struct engine_seals *seals, const struct seal_mail *mail,
	struct seal_decision *decision)
{
	enum seal_mode known = SEAL_OPEN;

	*decision = (struct seal_decision){.mode = SEAL_OPEN, .virus_id = ""};
	for (uint32_t i = 0; seals != NULL && i < seals->count; i++) {
		const struct seal *seal = &seals->seals[i];
		enum answer answer = covers(seal, mail);

		if (answer == NO)
			continue;
		if (answer == YES && seal->mode > known)
			known = seal->mode;
		if (seal->mode <= decision->mode)
			continue;
		decision->mode = seal->mode;
		decision->virus_id = seal->virus_id;
	}
	decision->certain = known == decision->mode;
}
