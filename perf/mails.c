// SPDX-License-Identifier: BSD-3-Clause
#include "perf/mails.h"

#include "perf/perf.h"

#include <archive.h>
#include <archive_entry.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 76ul
#define TEXT_BYTES 2000u // beside an attachment

static const char end_of_data[] = "\r\n.\r\n";
static const char boundary[] = "=_between_the_parts";

static void put(struct mail_bytes *out, const void *data, size_t n)
{
	memcpy(out->data + out->bytes, data, n);
	out->bytes += n;
}

static void put_text(struct mail_bytes *out, const char *text)
{
	put(out, text, strlen(text));
}

// ---- what is in them ----------------------------------------------------------------------------

// Words in lines, none of which begins with a dot; of HTML each line is a paragraph.
static void write_words(struct mail_bytes *out, size_t bytes, uint64_t seed, bool is_html)
{
	static const char *const words[] = {"the", "invoice", "of", "March", "is", "attached",
		"please", "tell", "us", "whether", "all", "is", "right", "with", "kind", "regards",
		"delivery", "number", "customer", "total", "and", "order", "we", "thank", "you"};
	uint8_t *random = perf_alloc(bytes);
	size_t end = out->bytes + bytes;
	size_t i = 0;

	perf_fill(random, bytes, seed);
	while (out->bytes + 2 * COLUMNS < end) {
		size_t line = out->bytes;

		if (is_html)
			put_text(out, "<p class=\"text\">");
		while (out->bytes - line < COLUMNS - 14) {
			put_text(out, words[random[i++ % bytes] % 25]);
			put_text(out, " ");
		}
		put_text(out, is_html ? "</p>\r\n" : "\r\n");
	}
	free(random);
}

static void start_pe(struct mail_bytes *out)
{
	static const uint8_t head[64] = {
		'M', 'Z', 0x90, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0xff, 0xff, [60] = 64};
	static const uint8_t coff[24] = {'P', 'E', 0, 0, 0x4c, 1, 0, 0, [20] = 0, [22] = 2, 1};

	memcpy(out->data, head, sizeof(head));
	memcpy(out->data + sizeof(head), coff, sizeof(coff));
}

static void pack_member(struct archive *archive, const char *name, const struct mail_bytes *member)
{
	struct archive_entry *entry = archive_entry_new();

	perf_need(entry != NULL, "memory");
	archive_entry_set_pathname(entry, name);
	archive_entry_set_size(entry, (int64_t)member->bytes);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	perf_need(archive_write_header(archive, entry) == ARCHIVE_OK &&
			  archive_write_data(archive, member->data, member->bytes) ==
				  (la_ssize_t)member->bytes,
		"a member of an archive");
	archive_entry_free(entry);
}

static void pack(struct mail *mail, size_t room)
{
	static uint8_t types[] = "<?xml version=\"1.0\"?><Types xmlns=\"http://schemas."
				 "openxmlformats.org/package/2006/content-types\"/>";
	const struct mail_bytes first = {types, sizeof(types) - 1};
	struct archive *archive = archive_write_new();
	bool is_office = mail->kind == MAIL_OFFICE;

	perf_need(archive != NULL && archive_write_set_format_zip(archive) == ARCHIVE_OK &&
			  archive_write_set_bytes_in_last_block(archive, 1) == ARCHIVE_OK &&
			  archive_write_open_memory(archive, mail->attachment.data, room,
				  &mail->attachment.bytes) == ARCHIVE_OK,
		"an archive");
	if (is_office)
		pack_member(archive, "[Content_Types].xml", &first);
	pack_member(archive, is_office ? "word/document.xml" : "figures.dat", &mail->member);
	perf_need(archive_write_close(archive) == ARCHIVE_OK &&
			  archive_write_free(archive) == ARCHIVE_OK,
		"an archive");
}

// Half of what is packed can be packed well.
static void make_packed(struct mail *mail, size_t bytes, const struct mail_bytes *sign)
{
	size_t plain = bytes / 2;

	mail->member.data = perf_alloc(2 * bytes + 4096);
	write_words(&mail->member, bytes / 2, 31 + (uint64_t)mail->kind, true);
	perf_fill(mail->member.data + mail->member.bytes, plain, 37 + (uint64_t)mail->kind);
	mail->member.bytes += plain;
	if (sign != NULL)
		memcpy(mail->member.data + mail->member.bytes - plain / 2, sign->data, sign->bytes);
	mail->attachment.data = perf_alloc(2 * bytes + 65536);
	pack(mail, 2 * bytes + 65536);
}

static void make_plain(struct mail *mail, size_t bytes, const struct mail_bytes *sign)
{
	static const uint8_t jpeg[] = {
		0xff, 0xd8, 0xff, 0xe0, 0, 16, 'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0};

	mail->attachment.data = perf_alloc(bytes + 4096);
	mail->attachment.bytes = bytes;
	perf_fill(mail->attachment.data, bytes, 41 + (uint64_t)mail->kind);
	if (mail->kind == MAIL_PE)
		start_pe(&mail->attachment);
	else
		memcpy(mail->attachment.data, jpeg, sizeof(jpeg));
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

void mail_make(struct mail *mail, enum mail_kind kind, size_t bytes, const struct mail_bytes *sign)
{
	bool is_text = kind == MAIL_TEXT || kind == MAIL_HTML;
	// Of what is packed, half comes out much smaller.
	size_t inside = (bytes - TEXT_BYTES - 1000) / 78 * 57;

	memset(mail, 0, sizeof(*mail));
	mail->kind = kind;
	mail->infected = sign != NULL;
	if (kind == MAIL_OFFICE || kind == MAIL_ZIP)
		make_packed(mail, inside * 5 / 3, sign);
	else if (!is_text)
		make_plain(mail, inside, sign);
	mail->wire.data = perf_alloc(bytes * 3 + 65536);
	put_head(mail);
	mail->text.data = mail->wire.data + mail->wire.bytes;
	write_words(&mail->wire, is_text ? bytes - 1000 : TEXT_BYTES, 43, kind == MAIL_HTML);
	mail->text.bytes = (size_t)(mail->wire.data + mail->wire.bytes - mail->text.data);
	if (is_text && sign != NULL)
		memcpy(mail->text.data + mail->text.bytes / 2, sign->data, sign->bytes);
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
	free(mail->member.data);
}

void mail_set_make(struct mail set[MAIL_SET], size_t bytes, const struct mail_bytes *sign)
{
	for (uint32_t i = 0; i < MAIL_KINDS_COUNT; i++)
		mail_make(&set[i], (enum mail_kind)i, bytes, NULL);
	for (uint32_t i = MAIL_KINDS_COUNT; i < MAIL_SET - 1; i++)
		set[i] = set[i - MAIL_KINDS_COUNT];
	mail_make(&set[MAIL_SET - 1], MAIL_PE, bytes, sign);
}

void mail_set_free(struct mail set[MAIL_SET])
{
	for (uint32_t i = 0; i < MAIL_KINDS_COUNT; i++)
		mail_free(&set[i]);
	mail_free(&set[MAIL_SET - 1]);
}

size_t mail_set_bytes(const struct mail *set, uint32_t count)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < count; i++)
		bytes += set[i].wire.bytes;
	return bytes;
}
