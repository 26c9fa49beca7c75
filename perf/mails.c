// SPDX-License-Identifier: BSD-3-Clause
#include "perf/mails.h"

#include "perf/content.h"
#include "perf/content_put.h"
#include "perf/mails_pack.h"
#include "perf/perf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 76ul
#define TEXT_BYTES 2000ul // beside an attachment

const char *const mail_kind_names[MAIL_KINDS_COUNT] = {
#define X(name, text) text,
	MAIL_KINDS(X)
#undef X
};

static const char end_of_data[] = "\r\n.\r\n";
static const char boundary[] = "=_between_the_parts";

static void make_attachment(
	struct mail *mail, size_t bytes, uint64_t seed, const struct mail_bytes *sign)
{
	struct dice dice = {.state = seed};

	if (mail->kind == MAIL_OFFICE || mail->kind == MAIL_ZIP) {
		mail_pack(mail, bytes, seed, sign);
		return;
	}
	mail->attachment.data = perf_alloc(bytes + 2 * CONTENT_SLACK);
	if (mail->kind == MAIL_PE)
		content_program(&mail->attachment, bytes, &dice);
	else
		content_image(&mail->attachment, bytes, &dice);
	// Of a program: in its code.
	if (sign != NULL)
		memcpy(mail->attachment.data + bytes / 2, sign->data, sign->bytes);
}

// ---- the mail -----------------------------------------------------------------------------------

static void put_base64(struct mail_bytes *out, const struct mail_bytes *from)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t column = 0;

	for (size_t at = 0; at < from->bytes; at += 3) {
		size_t n = from->bytes - at < 3 ? from->bytes - at : 3;
		uint32_t bits = (uint32_t)from->data[at] << 16;
		char four[4];

		bits |= n > 1 ? (uint32_t)from->data[at + 1] << 8 : 0;
		bits |= n > 2 ? from->data[at + 2] : 0;
		for (int i = 0; i < 4; i++)
			four[i] = letters[bits >> (18 - 6 * i) & 63];
		if (n < 3)
			four[3] = '=';
		if (n < 2)
			four[2] = '=';
		put(out, four, 4);
		column += 4;
		if (column == COLUMNS) {
			put_text(out, "\r\n");
			column = 0;
		}
	}
}

static void put_attachment(struct mail *mail)
{
	static const char office[] =
		"application/vnd.openxmlformats-officedocument.wordprocessingml.document; "
		"name=\"a.docx\"";
	static const char *const types[] = {"", "", "image/jpeg; name=\"a.jpg\"", office,
		"application/zip; name=\"a.zip\"", "application/octet-stream; name=\"a.exe\""};
	char head[512];

	(void)snprintf(head, sizeof(head),
		"\r\n--%s\r\nContent-Type: %s\r\nContent-Transfer-Encoding: base64\r\n\r\n",
		boundary, types[mail->kind]);
	put_text(&mail->wire, head);
	mail->body.data = mail->wire.data + mail->wire.bytes;
	put_base64(&mail->wire, &mail->attachment);
	mail->body.bytes = (size_t)(mail->wire.data + mail->wire.bytes - mail->body.data);
}

static void put_head(struct mail *mail)
{
	char head[512];

	(void)snprintf(head, sizeof(head),
		"From: <sender@perf.example>\r\nTo: <user@perf.example>\r\nSubject: figures\r\n"
		"Date: Mon, 2 Mar 2026 10:00:00 +0000\r\nMessage-ID: <1@perf.example>\r\n"
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n"
		"--%s\r\nContent-Type: %s; charset=utf-8\r\n\r\n",
		boundary, boundary, mail->kind == MAIL_HTML ? "text/html" : "text/plain");
	put_text(&mail->wire, head);
}

static void put_first_part(
	struct mail *mail, size_t bytes, uint64_t seed, const struct mail_bytes *sign)
{
	struct dice dice = {.state = ~seed};

	mail->text.data = mail->wire.data + mail->wire.bytes;
	if (mail->kind == MAIL_HTML)
		content_html(&mail->wire, bytes, &dice);
	else
		content_text(&mail->wire, bytes, &dice);
	mail->text.bytes = (size_t)(mail->wire.data + mail->wire.bytes - mail->text.data);
	if (sign != NULL)
		memcpy(mail->text.data + mail->text.bytes / 2, sign->data, sign->bytes);
}

void mail_make(struct mail *mail, enum mail_kind kind, size_t bytes, uint32_t number,
	const struct mail_bytes *sign)
{
	bool is_text = kind == MAIL_TEXT || kind == MAIL_HTML;
	size_t inside = (bytes - TEXT_BYTES - 1000) / 78 * 57;
	uint64_t seed = (uint64_t)(kind + 1) << 32 | number;

	memset(mail, 0, sizeof(*mail));
	mail->kind = kind;
	mail->infected = sign != NULL;
	if (!is_text)
		make_attachment(mail, inside, seed, sign);
	mail->wire.data = perf_alloc(bytes + mail->attachment.bytes * 3 / 2 + 65536);
	put_head(mail);
	put_first_part(mail, is_text ? bytes - 1000 : TEXT_BYTES, seed, is_text ? sign : NULL);
	if (!is_text)
		put_attachment(mail);
	put_text(&mail->wire, "\r\n--");
	put_text(&mail->wire, boundary);
	put_text(&mail->wire, "--");
	put_text(&mail->wire, end_of_data);
}

void mail_free(struct mail *mail)
{
	free(mail->wire.data);
	free(mail->attachment.data);
	for (uint32_t i = 0; i < mail->member_count; i++)
		free(mail->members[i].data);
}

void mail_set_make(struct mail set[MAIL_SET], size_t bytes, const struct mail_bytes *sign)
{
	for (uint32_t i = 0; i < MAIL_SET - 1; i++)
		mail_make(&set[i], (enum mail_kind)(i % MAIL_KINDS_COUNT), bytes,
			i / MAIL_KINDS_COUNT, NULL);
	mail_make(&set[MAIL_SET - 1], MAIL_PE, bytes, MAIL_SET, sign);
}

void mail_set_free(struct mail set[MAIL_SET])
{
	for (uint32_t i = 0; i < MAIL_SET; i++)
		mail_free(&set[i]);
}

size_t mail_set_bytes(const struct mail *set, uint32_t count)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < count; i++)
		bytes += set[i].wire.bytes;
	return bytes;
}
