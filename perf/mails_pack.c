// SPDX-License-Identifier: BSD-3-Clause
#include "perf/mails_pack.h"

#include "perf/content.h"
#include "perf/perf.h"

#include <archive.h>
#include <archive_entry.h>

#include <stdlib.h>
#include <string.h>

#define RATIO 3ul // to begin with, of what is packed by what comes out
#define ROUNDS 3

struct member {
	const char *path;
	uint32_t share; // of 100 bytes before they are packed; 0: a text of its own
	void (*write)(struct mail_bytes *out, size_t bytes, struct dice *dice);
	const char *text;
};

struct package {
	const struct member *members;
	uint32_t count;
	uint32_t largest; // where a sign goes
};

#define TYPES "http://schemas.openxmlformats.org/package/2006/"
#define OFFICE "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"

static const struct member office[] = {
	{.path = "[Content_Types].xml",
		.text = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\r\n<Types "
			"xmlns=\"" TYPES "content-types\"><Default Extension=\"jpeg\" "
			"ContentType=\"image/jpeg\"/><Default "
			"Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package."
			"relationships+xml\"/><Override PartName=\"/word/document.xml\" "
			"ContentType=\"application/vnd.openxmlformats-officedocument."
			"wordprocessingml.document.main+xml\"/></Types>"},
	{.path = "_rels/.rels",
		.text = "<?xml version=\"1.0\" encoding=\"UTF-8\" "
			"standalone=\"yes\"?>\r\n<Relationships "
			"xmlns=\"" TYPES "relationships\"><Relationship Id=\"rId1\" Type=\"" OFFICE
			"officeDocument\" Target=\"word/document.xml\"/></Relationships>"},
	{.path = "word/_rels/document.xml.rels",
		.text = "<?xml version=\"1.0\" encoding=\"UTF-8\" "
			"standalone=\"yes\"?>\r\n<Relationships "
			"xmlns=\"" TYPES "relationships\"><Relationship Id=\"rId1\" Type=\"" OFFICE
			"styles\" Target=\"styles.xml\"/><Relationship Id=\"rId2\" Type=\"" OFFICE
			"image\" Target=\"media/image1.jpeg\"/></Relationships>"},
	{.path = "word/document.xml", .share = 62, .write = content_document},
	{.path = "word/styles.xml", .share = 20, .write = content_styles},
	{.path = "word/media/image1.jpeg", .share = 18, .write = content_image}};
static const struct member program[] = {
	{.path = "setup.exe", .share = 100, .write = content_program}};
static const struct member documents[] = {
	{.path = "report.txt", .share = 60, .write = content_text},
	{.path = "figures.csv", .share = 40, .write = content_rows}};

static void free_members(struct mail *mail)
{
	for (uint32_t i = 0; i < mail->member_count; i++)
		free(mail->members[i].data);
	mail->member_count = 0;
}

static void write_members(struct mail *mail, const struct package *package, size_t bytes,
	uint64_t seed, const struct mail_bytes *sign)
{
	free_members(mail);
	for (uint32_t i = 0; i < package->count; i++) {
		const struct member *member = &package->members[i];
		struct mail_bytes *out = &mail->members[mail->member_count++];
		struct dice dice = {.state = seed + i};
		size_t share = member->share * bytes / 100;

		if (member->text != NULL)
			share = strlen(member->text);
		out->data = perf_alloc(share + 2 * CONTENT_SLACK);
		out->bytes = 0;
		if (member->text != NULL) {
			memcpy(out->data, member->text, share);
			out->bytes = share;
		} else {
			member->write(out, share, &dice);
		}
		if (sign != NULL && i == package->largest)
			memcpy(out->data + out->bytes / 2, sign->data, sign->bytes);
	}
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

static void pack(struct mail *mail, const struct package *package)
{
	struct archive *archive = archive_write_new();
	size_t room = 65536;

	for (uint32_t i = 0; i < mail->member_count; i++)
		room += mail->members[i].bytes + mail->members[i].bytes / 64;
	free(mail->attachment.data);
	mail->attachment.data = perf_alloc(room);
	perf_need(archive != NULL && archive_write_set_format_zip(archive) == ARCHIVE_OK &&
			  archive_write_set_bytes_in_last_block(archive, 1) == ARCHIVE_OK &&
			  archive_write_open_memory(archive, mail->attachment.data, room,
				  &mail->attachment.bytes) == ARCHIVE_OK,
		"an archive");
	for (uint32_t i = 0; i < mail->member_count; i++)
		pack_member(archive, package->members[i].path, &mail->members[i]);
	perf_need(archive_write_close(archive) == ARCHIVE_OK &&
			  archive_write_free(archive) == ARCHIVE_OK,
		"an archive");
}

void mail_pack(struct mail *mail, size_t bytes, uint64_t seed, const struct mail_bytes *sign)
{
	const struct package packages[] = {{office, 6, 3}, {program, 1, 0}, {documents, 2, 0}};
	const struct package *package = &packages[mail->kind == MAIL_OFFICE ? 0 : 1 + seed % 2];
	size_t inside = bytes * RATIO;

	for (int round = 0; round < ROUNDS; round++) {
		write_members(mail, package, inside, seed, sign);
		pack(mail, package);
		inside = inside * bytes / mail->attachment.bytes;
	}
}
