// SPDX-License-Identifier: BSD-3-Clause
// The message is parsed as often as parts of it overlap: each time those are given that begin while none
// is open and were not given before.
#include "scan/unpack_mail.h"

#include "scan/header.h"
#include "scan/mime.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_PASSES 16
#define ALIGNMENT 64
#define MIN_FIELDS 3

static const struct mime_limits limits = {32, 1000, 64 * 1024};
// Further readings have numbers too.
#define MAX_NUMBERS 8192

struct mail {
	void *memory;
	struct mime *mime;
	uint64_t begin; // of its header, behind other lines
	uint64_t at;
	bool is_skipped; // a part was, in this pass
	bool is_pending; // the parser has more to say of what it was given
	uint32_t passes;
	uint32_t open; // number of the part being given, 0: none
	uint8_t given[MAX_NUMBERS / 8];
};

// ---- what mail looks like ----------------------------------------------------------------------

static bool is_field(const uint8_t *line, size_t n, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t length;

		// Most are told by their first letter.
		if (n == 0 || ((line[0] ^ (uint8_t)names[i][0]) & ~0x20u) != 0)
			continue;
		length = strlen(names[i]);
		if (n >= length && strncasecmp((const char *)line, names[i], length) == 0)
			return true;
	}
	return false;
}

// What ClamAV takes for a mail by its first bytes alone, as they are written here.
static bool is_mail_to_clamav(const uint8_t *data, size_t n)
{
	static const char *const firsts[] = {"From ", ">From ",
		"From: ", "To: ", "Subject: ", "Date: ", "For: ", "Received: ", "Return-Path: ",
		"Return-path: ", "Message-ID: ", "Message-Id: ", "Delivered-To: ", "Envelope-to: ",
		"Delivery-date: ", "X-UIDL: ", "X-Apparently-To: ", "X-Envelope-From: ",
		"X-Original-To: ", "X-Sieve: ", "X-Real-To: ", "X-Symantec-", "X-EVS"};

	for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
		size_t length;

		if (n == 0 || data[0] != (uint8_t)firsts[i][0])
			continue;
		length = strlen(firsts[i]);
		if (n >= length && memcmp(data, firsts[i], length) == 0)
			return true;
	}
	return false;
}

bool mail_is_header(const uint8_t *data, size_t n)
{
	static const char *const firsts[] = {"From ",
		"Return-Path:", "Received:", "Delivered-To:", "X-",
		"Message-ID:", "From:", "To:", "Date:", "Subject:", "MIME-Version:", "Reply-To:",
		"Envelope-To:", "DKIM-Signature:", "Content-", "Sender:"};
	// What is signed is often no more than this and the parts.
	static const char *const alone[] = {"Content-Type: multipart/", "Content-Type: message/"};
	static const char *const mimes[] = {"MIME-Version:", "Content-Type:",
		"Content-Transfer-Encoding:", "Content-Disposition:"};
	static const char *const others[] = {"Received:", "Return-Path:", "From:", "To:", "Date:",
		"Subject:", "Message-ID:", "Delivered-To:"};
	uint32_t fields = 0;
	uint32_t mime = 0;

	if (is_mail_to_clamav(data, n) ||
		is_field(data, n, alone, sizeof(alone) / sizeof(alone[0])))
		return true;
	if (!is_field(data, n, firsts, sizeof(firsts) / sizeof(firsts[0])))
		return false;
	while (n > 0) {
		const uint8_t *end = memchr(data, '\n', n);
		size_t line = end != NULL ? (size_t)(end - data) + 1 : n;

		if (line <= 2 && end != NULL && (data[0] == '\n' || data[0] == '\r'))
			break;
		if (is_field(data, line, mimes, sizeof(mimes) / sizeof(mimes[0])))
			mime++;
		else if (is_field(data, line, others, sizeof(others) / sizeof(others[0])))
			fields++;
		data += line;
		n -= line;
	}
	return (mime > 0 && mime + fields >= 2) || fields >= MIN_FIELDS;
}

// What the fields of a header say, from one on until a blank line. One that goes on behind what is to be seen has what
// tells of parts there.
static bool is_block_of_mail(const uint8_t *data, size_t n, bool is_cut)
{
	static const char *const mimes[] = {"MIME-Version:", "Content-Type:"};
	static const char *const mails[] = {"From:", "Received:", "MIME-Version:", "Message-ID:",
		"DKIM-Signature:", "ARC-", "Authentication-Results:"};
	uint32_t fields = 0;
	bool is_mime = false;
	bool is_mail = false;

	while (n > 0) {
		const uint8_t *end = memchr(data, '\n', n);
		const size_t line = end != NULL ? (size_t)(end - data) + 1 : n;
		const bool is_of_mime =
			is_field(data, line, mimes, sizeof(mimes) / sizeof(mimes[0]));
		const bool is_of_mail =
			is_field(data, line, mails, sizeof(mails) / sizeof(mails[0]));

		if (end != NULL && (line == 1 || (line == 2 && data[0] == '\r'))) {
			is_cut = false;
			break;
		}
		// No header goes on here, but lines of text.
		if (end != NULL && data[0] != ' ' && data[0] != '\t' &&
			!mail_begins_field(data, line))
			is_cut = false;
		fields += is_of_mime || is_of_mail;
		is_mime |= is_of_mime;
		is_mail |= is_of_mail;
		data += line;
		n -= line;
	}
	return is_mail && (is_cut || (is_mime && fields >= 2));
}

bool mail_begins_late(const uint8_t *data, size_t n, size_t *at)
{
	const bool is_cut = n >= UNPACK_DETECT_BYTES;
	bool was_field = false;

	for (size_t i = 0; i < n;) {
		const uint8_t *end = memchr(data + i, '\n', n - i);
		const bool is_one = mail_begins_field(data + i, n - i);

		if (is_one && !was_field && is_block_of_mail(data + i, n - i, is_cut)) {
			*at = i;
			return true;
		}
		if (end == NULL)
			break;
		// What is folded belongs to its field.
		was_field = is_one || (was_field && (data[i] == ' ' || data[i] == '\t'));
		i = (size_t)(end - data) + 1;
	}
	return false;
}

bool mail_begins_field(const uint8_t *data, size_t n)
{
	const uint8_t *end = n > 0 ? memchr(data, '\n', n) : NULL;
	const struct span line = {(const char *)data, end != NULL ? (size_t)(end - data) : n};
	struct span name;
	struct span value;

	return header_split(line, &name, &value);
}

// ---- the parts ---------------------------------------------------------------------------------

// Whatever stands in front of the header of a mail that does not look like one otherwise.
static uint64_t find_begin(const struct whole *whole)
{
	const uint8_t *data = NULL;
	size_t n = capture_piece(whole->capture, 0, &data);
	size_t begin = 0;

	n = n < UNPACK_DETECT_BYTES ? n : UNPACK_DETECT_BYTES;
	return !mail_is_header(data, n) && mail_begins_late(data, n, &begin) ? begin : 0;
}

int mail_begin(struct whole *whole)
{
	struct mail *mail = calloc(1, sizeof(*mail));
	size_t bytes = (mime_bytes(&limits) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

	if (mail == NULL)
		return -ENOMEM;
	mail->memory = aligned_alloc(ALIGNMENT, bytes);
	if (mail->memory == NULL) {
		free(mail);
		return -ENOMEM;
	}
	mail->mime = mime_init(mail->memory, &limits);
	mail->begin = find_begin(whole);
	mail->at = mail->begin;
	whole->state = mail;
	return 0;
}

void mail_end(struct whole *whole)
{
	struct mail *mail = whole->state;

	free(mail->memory);
	free(mail);
	whole->state = NULL;
}

static void part_begin(struct mail *mail, const struct mime_part *part, struct unpack_event *event)
{
	uint32_t number = part->number;

	if (number < MAX_NUMBERS && (mail->given[number / 8] >> number % 8 & 1) != 0)
		return;
	if (mail->open != 0 || number >= MAX_NUMBERS) {
		mail->is_skipped = true;
		return;
	}
	mail->given[number / 8] |= (uint8_t)(1u << number % 8);
	mail->open = number;
	*event = (struct unpack_event){.type = UNPACK_MEMBER_BEGIN, .name = part->filename};
}

// The message is over: once more, or for good.
static void pass_end(struct mail *mail, struct unpack_event *event)
{
	if (!mail->is_skipped) {
		*event = (struct unpack_event){.type = UNPACK_END, .name = ""};
		return;
	}
	mail->is_skipped = false;
	mail->at = mail->begin;
	if (++mail->passes > MAX_PASSES) {
		*event = (struct unpack_event){.type = UNPACK_END, .name = ""};
		return;
	}
	// The last pass gives nothing more but says so.
	if (mail->passes == MAX_PASSES)
		*event = (struct unpack_event){
			.type = UNPACK_WARNING, .name = "", .why = "limit-readings"};
	mail->mime = mime_init(mail->memory, &limits);
}

static void translate(struct mail *mail, const struct mime_event *mime, struct unpack_event *event)
{
	switch (mime->type) {
	case MIME_MESSAGE_BEGIN:
	case MIME_MESSAGE_END:
	case MIME_MESSAGE_DATA:
	case MIME_MESSAGE_DATA_END:
	case MIME_NEED_INPUT:
		break;
	case MIME_PART_BEGIN:
		part_begin(mail, mime->part, event);
		break;
	case MIME_PART_DATA:
		if (mime->number == mail->open)
			*event = (struct unpack_event){.type = UNPACK_MEMBER_DATA,
				.name = "",
				.data = mime->data,
				.bytes = mime->bytes,
				.is_behind = mime->is_behind};
		break;
	case MIME_PART_END:
		if (mime->number == mail->open) {
			mail->open = 0;
			*event = (struct unpack_event){.type = UNPACK_MEMBER_END, .name = ""};
		}
		break;
	case MIME_NO_MEMORY:
	case MIME_SUSPICIOUS:
		if (mail->passes == 0)
			*event = (struct unpack_event){
				.type = UNPACK_WARNING, .name = "", .why = mime->why};
		break;
	case MIME_END:
		pass_end(mail, event);
		break;
	}
}

void mail_next(struct whole *whole, struct unpack_event *event)
{
	struct mail *mail = whole->state;

	event->type = UNPACK_NEED_INPUT;
	while (event->type == UNPACK_NEED_INPUT) {
		struct mime_event mime = {.type = MIME_NEED_INPUT};
		const uint8_t *data = NULL;
		size_t n = capture_piece(whole->capture, mail->at, &data);
		size_t used = 0;

		if (n > 0 || mail->is_pending)
			used = mime_next(mail->mime, n > 0 ? data : mail->given, n, &mime);
		else
			mime_finish(mail->mime, &mime);
		mail->is_pending = mime.type != MIME_NEED_INPUT && mime.type != MIME_END;
		mail->at += used;
		if (!whole_spend(whole, used + 1)) {
			*event = (struct unpack_event){.type = UNPACK_END, .name = ""};
			return;
		}
		translate(mail, &mime, event);
	}
}
