// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset.h"

#include "scan/digest.h"

#include <hs_runtime.h>
#include <isa-l/crc64.h>
#include <openssl/evp.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static_assert(offsetof(struct ruleset_header, check) == 56, "image format");
static_assert(sizeof(struct ruleset_header) == 64 + RULESET_MAX_SECTIONS * 24, "image format");
static_assert(sizeof(struct ruleset_expression) == 16, "image format");
static_assert(sizeof(struct ruleset_group) == 40, "image format");
static_assert(sizeof(struct ruleset_member_rule) == 52, "image format");
static_assert(sizeof(struct ruleset_compare) == 48, "image format");

// What the check stands before.
static const uint8_t *behind_check(const struct ruleset_header *header)
{
	return (const uint8_t *)header->sections;
}

static size_t bytes_behind_check(size_t bytes)
{
	return bytes - offsetof(struct ruleset_header, sections);
}

// It tells what has been damaged, and takes a tenth of the time of a digest: an image is opened whenever a program
// starts and whenever rules change. Who can write to an image can fill in either.
static uint64_t image_check(const struct ruleset_header *header, size_t bytes)
{
	const uint64_t check =
		crc64_ecma_refl(0, (const uint8_t *)header, offsetof(struct ruleset_header, check));

	return crc64_ecma_refl(check, behind_check(header), bytes_behind_check(bytes));
}

int ruleset_seal(void *image, size_t bytes)
{
	struct ruleset_header *header = image;

	assert(bytes >= sizeof(*header));
	if (EVP_Digest(behind_check(header), bytes_behind_check(bytes), header->sha256, NULL,
		    EVP_sha256(), NULL) != 1)
		return -EIO;
	header->check = image_check(header, bytes);
	return 0;
}

static int check_header(const struct ruleset_header *header, size_t bytes)
{
	if (bytes < sizeof(*header) || memcmp(header->magic, RULESET_MAGIC, 8) != 0)
		return -EBADMSG;
	if (header->format != RULESET_FORMAT)
		return -ENOTSUP;
	if (header->image_bytes != bytes || header->sections_count > RULESET_MAX_SECTIONS)
		return -EBADMSG;
	return image_check(header, bytes) == header->check ? 0 : -EBADMSG;
}

// Whether this processor can run the code that Hyperscan chose for the database: its run time does not
// look at that, and would end the process with an illegal instruction.
static bool suits_processor(const hs_database_t *db)
{
	const struct {
		const char *name; // ends in a blank, as in the text
		bool has;
	} features[] = {
		{"AVX512VBMI ", __builtin_cpu_supports("avx512vbmi") != 0},
		{"AVX512 ", __builtin_cpu_supports("avx512bw") != 0},
		{"AVX2 ", __builtin_cpu_supports("avx2") != 0},
	};
	char *text = NULL;
	bool suits = hs_database_info(db, &text) == HS_SUCCESS;

	for (size_t i = 0; suits && i < sizeof(features) / sizeof(features[0]); i++)
		suits = features[i].has || strstr(text, features[i].name) == NULL;
	free(text);
	return suits;
}

// A database lies in place. Its length is checked before anything else of it is looked at; what is
// inside only the checksum protects.
static int open_database(const void *data, size_t bytes, struct ruleset_database *out)
{
	struct ruleset_database database = {.db = data};
	size_t db_bytes = 0;
	hs_error_t status;

	if (bytes < 128)
		return -EBADMSG;
	status = hs_database_size(database.db, &db_bytes);
	if (status == HS_SUCCESS && db_bytes > bytes)
		return -EBADMSG;
	if (status == HS_SUCCESS)
		status = hs_stream_size(database.db, &database.stream_bytes);
	if (status == HS_DB_VERSION_ERROR || status == HS_DB_PLATFORM_ERROR ||
		status == HS_DB_MODE_ERROR)
		return -ENOTSUP;
	if (status != HS_SUCCESS || out->db != NULL)
		return -EBADMSG;
	if (!suits_processor(database.db))
		return -ENOTSUP;
	*out = database;
	return 0;
}

static int count_items(size_t bytes, size_t item_bytes, uint32_t *count)
{
	if (bytes % item_bytes != 0 || bytes / item_bytes >= RULESET_NONE)
		return -EBADMSG;
	*count = (uint32_t)(bytes / item_bytes);
	return 0;
}

#define OPEN_TABLE(ruleset, name, data, bytes)                                                     \
	((ruleset)->name = (data),                                                                 \
		count_items(bytes, sizeof(*(ruleset)->name), &(ruleset)->name##_count))

static int open_hashes(const struct ruleset *ruleset, struct hashset *sets, uint32_t index,
	const void *data, size_t bytes)
{
	return index < DIGEST_ALGORITHMS
		       ? hashset_open(data, bytes, ruleset->signatures_count, &sets[index])
		       : -EBADMSG;
}

static int open_deferred(struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < ruleset->deferred_count; i++) {
		const struct ruleset_deferred *deferred = &ruleset->deferred[i];
		struct ruleset_database database = {0};
		int err;

		if (deferred->at % RULESET_ALIGN != 0 || deferred->at > ruleset->databases_bytes ||
			deferred->bytes > ruleset->databases_bytes - deferred->at)
			return -EBADMSG;
		err = open_database(ruleset->databases + deferred->at, deferred->bytes, &database);
		if (err != 0)
			return err;
		if (database.stream_bytes > ruleset->deferred_stream_bytes)
			ruleset->deferred_stream_bytes = database.stream_bytes;
	}
	return 0;
}

// NOLINTNEXTLINE(readability-function-size): a line for each kind
static int open_section(
	struct ruleset *ruleset, const struct ruleset_section *section, const void *data)
{
	size_t bytes = section->bytes;
	uint32_t index = section->index;

	switch ((enum ruleset_section_kind)section->kind) {
	case RULESET_META:
		ruleset->meta = data;
		return bytes == sizeof(*ruleset->meta) ? 0 : -EBADMSG;
	case RULESET_STRINGS:
		ruleset->strings = data;
		ruleset->strings_bytes = bytes;
		return bytes > 0 && ruleset->strings[bytes - 1] == '\0' ? 0 : -EBADMSG;
	case RULESET_SIGNATURES:
		return OPEN_TABLE(ruleset, signatures, data, bytes);
	case RULESET_EXPRESSIONS:
		return OPEN_TABLE(ruleset, expressions, data, bytes);
	case RULESET_USES:
		return OPEN_TABLE(ruleset, uses, data, bytes);
	case RULESET_GROUPS:
		return OPEN_TABLE(ruleset, groups, data, bytes);
	case RULESET_CHECK_BYTES:
		return OPEN_TABLE(ruleset, check_bytes, data, bytes);
	case RULESET_CLASSES:
		return OPEN_TABLE(ruleset, classes, data, bytes);
	case RULESET_ATOMS:
		return OPEN_TABLE(ruleset, atoms, data, bytes);
	case RULESET_RULES:
		return OPEN_TABLE(ruleset, rules, data, bytes);
	case RULESET_NODES:
		return OPEN_TABLE(ruleset, nodes, data, bytes);
	case RULESET_MEMBERS:
		return OPEN_TABLE(ruleset, members, data, bytes);
	case RULESET_KEYED:
		return OPEN_TABLE(ruleset, keyed, data, bytes);
	case RULESET_UNKEYED:
		return OPEN_TABLE(ruleset, unkeyed, data, bytes);
	case RULESET_REGEXES:
		return OPEN_TABLE(ruleset, regexes, data, bytes);
	case RULESET_COMPARES:
		return OPEN_TABLE(ruleset, compares, data, bytes);
	// The signatures come before, so their number is known.
	case RULESET_HASHES:
		return open_hashes(ruleset, ruleset->hashes, index, data, bytes);
	case RULESET_SECTION_HASHES:
		return open_hashes(ruleset, ruleset->section_hashes, index, data, bytes);
	case RULESET_IMPORT_HASHES:
		return open_hashes(ruleset, ruleset->import_hashes, index, data, bytes);
	case RULESET_ANCHORS:
		if (index >= RULESET_ANCHOR_TABLES)
			return -EBADMSG;
		return anchor_open(data, bytes, (enum anchor_content)(index / FILETYPE_TARGETS),
			&ruleset->anchors[index]);
	case RULESET_DEFERRED:
		return OPEN_TABLE(ruleset, deferred, data, bytes);
	case RULESET_FILETYPES:
		return OPEN_TABLE(ruleset, filetypes, data, bytes);
	case RULESET_MEMBER_RULES:
		return OPEN_TABLE(ruleset, member_rules, data, bytes);
	case RULESET_BASE:
		ruleset->base = data;
		return bytes == sizeof(*ruleset->base) ? 0 : -EBADMSG;
	case RULESET_REMOVED:
		return OPEN_TABLE(ruleset, removed, data, bytes);
	case RULESET_RANKS:
		return OPEN_TABLE(ruleset, ranks, data, bytes);
	case RULESET_DATABASES:
		ruleset->databases = data;
		ruleset->databases_bytes = bytes;
		return open_deferred(ruleset);
	case RULESET_PATTERNS:
		return index < FILETYPE_TARGETS
			       ? open_database(data, bytes, &ruleset->patterns[index])
			       : -EBADMSG;
	}
	return -EBADMSG;
}

static int open_sections(struct ruleset *ruleset, const struct ruleset_header *header)
{
	const uint8_t *image = (const uint8_t *)header;
	uint64_t at = sizeof(*header);
	uint32_t kind = RULESET_META;

	for (uint32_t i = 0; i < header->sections_count; i++) {
		const struct ruleset_section *section = &header->sections[i];
		int err;

		// In order, apart from each other, inside the image.
		if (section->kind < kind || section->offset % RULESET_ALIGN != 0 ||
			section->offset < at || section->offset > header->image_bytes ||
			section->bytes > header->image_bytes - section->offset)
			return -EBADMSG;
		if (i > 0 && section->kind == kind && kind < RULESET_HASHES)
			return -EBADMSG;
		kind = section->kind;
		at = section->offset + section->bytes;
		err = open_section(ruleset, section, image + section->offset);
		if (err != 0)
			return err;
	}
	return ruleset->meta != NULL && ruleset->strings != NULL ? 0 : -EBADMSG;
}

static void fill_info(struct ruleset *ruleset, const struct ruleset_header *header)
{
	struct ruleset_info *info = &ruleset->info;
	size_t own = 0;

	for (unsigned int i = 0; i < 8; i++)
		(void)snprintf(info->version + (size_t)2 * i, 3, "%02x", header->sha256[i]);
	info->signatures = ruleset->signatures_count;
	info->literals = ruleset->meta->literals;
	info->patterns = ruleset->meta->patterns;
	info->hashes = ruleset->meta->hashes;
	info->skipped = ruleset->meta->skipped;
	info->image_bytes = header->image_bytes;
	for (unsigned int i = 1; i < FILETYPE_TARGETS; i++)
		own = ruleset->patterns[i].stream_bytes > own ? ruleset->patterns[i].stream_bytes
							      : own;
	info->stream_bytes = ruleset->patterns[0].stream_bytes + own;
}

int ruleset_attach_one(const void *image, size_t bytes, struct ruleset **out)
{
	struct ruleset *ruleset;
	int err;

	if ((uintptr_t)image % RULESET_ALIGN != 0)
		return -EBADMSG;
	err = check_header(image, bytes);
	if (err != 0)
		return err;
	ruleset = calloc(1, sizeof(*ruleset));
	if (ruleset == NULL)
		return -ENOMEM;
	err = open_sections(ruleset, image);
	if (err == 0)
		err = ruleset_check(ruleset);
	if (err != 0) {
		free(ruleset);
		return err;
	}
	ruleset->header = image;
	fill_info(ruleset, image);
	*out = ruleset;
	return 0;
}

const struct ruleset_info *ruleset_get_info(const struct ruleset *ruleset)
{
	return &ruleset->info;
}
