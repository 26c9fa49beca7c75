// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset_build_index.h"

#include "scan/ruleset_build_files.h"

#include <openssl/evp.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// As of a comment that counts for the line behind it.
#define METADATA_PREFIX "#cordon:"

static_assert(sizeof(struct index_file) == 96, "index format");
static_assert(sizeof(struct index_record) == 24, "index format");

// ---- hashes of lines ---------------------------------------------------------------------------

// Two products of 64 bits: quick, and no two lines of a list have the same by chance.
struct line_hash {
	uint64_t a;
	uint64_t b;
};

static uint64_t mix(uint64_t x, uint64_t y)
{
	unsigned __int128 product = (unsigned __int128)x * y;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static void hash_bytes(struct line_hash *hash, const char *data, size_t n)
{
	uint64_t word = 0;

	for (; n >= sizeof(word); data += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		hash->a = mix(hash->a ^ word, UINT64_C(0x9e3779b97f4a7c15));
		hash->b = mix(hash->b ^ word, UINT64_C(0xc2b2ae3d27d4eb4f)) + word;
	}
	word = (uint64_t)(n + 1) << 56;
	memcpy(&word, data, n);
	hash->a = mix(hash->a ^ word, UINT64_C(0x9e3779b97f4a7c15));
	hash->b = mix(hash->b ^ word, UINT64_C(0xc2b2ae3d27d4eb4f)) + word;
}

uint32_t build_index_lines(struct build *build, uint32_t file_number, uint32_t kind)
{
	const struct build_file *file = (struct build_file *)build->files.items + file_number;
	const struct line_hash fresh = {
		UINT64_C(0x165667b19e3779f9) ^ kind, UINT64_C(0x27d4eb2f165667c5) + kind};
	struct line_hash hash = fresh;
	uint32_t first = (uint32_t)build->records.count;
	size_t at = 0;

	while (at < file->bytes) {
		const char *line = file->data + at;
		const char *end = memchr(line, '\n', file->bytes - at);
		size_t length = end != NULL ? (size_t)(end - line) : file->bytes - at;
		struct build_record *record;

		at += length + 1;
		if (length > 0 && line[length - 1] == '\r')
			length--;
		if (length > 0 && line[0] == '#') {
			if (length >= strlen(METADATA_PREFIX) &&
				memcmp(line, METADATA_PREFIX, strlen(METADATA_PREFIX)) == 0)
				hash_bytes(&hash, line, length);
			continue;
		}
		record = build_push(build, &build->records, sizeof(*record));
		if (record == NULL)
			return first;
		hash_bytes(&hash, line, length);
		record->hash[0] = hash.a;
		record->hash[1] = hash.b;
		record->old = INDEX_NONE;
		hash = fresh;
	}
	return first;
}

// ---- writing -----------------------------------------------------------------------------------

static int digest_index(const struct index_header *header, size_t bytes, uint8_t *out)
{
	return EVP_Digest((const uint8_t *)header + INDEX_HASHED_FROM, bytes - INDEX_HASHED_FROM,
		       out, NULL, EVP_sha256(), NULL) == 1
		       ? 0
		       : -EIO;
}

static enum index_state final_state(
	const struct build *build, const struct build_record *record, uint32_t *number)
{
	const struct build_signature *signature =
		(const struct build_signature *)build->signatures.items + record->signature;

	*number = 0;
	if (record->state > INDEX_HASH)
		return (enum index_state)record->state;
	if (signature->dropped)
		return INDEX_SKIPPED;
	*number = signature->index;
	if (signature->kind == MATCH_HASH)
		return INDEX_HASH;
	return signature->literal ? INDEX_LITERAL : INDEX_PATTERN;
}

static void write_records(const struct build *build, struct index_record *out)
{
	const struct build_record *records = build->records.items;

	for (size_t i = 0; i < build->records.count; i++) {
		memcpy(out[i].hash, records[i].hash, sizeof(out[i].hash));
		out[i].state = final_state(build, &records[i], &out[i].signature);
	}
}

static void write_files(
	const struct build *build, struct index_file *out, char *strings, size_t strings_bytes)
{
	const struct build_file *files = build->files.items;
	size_t at = 0;

	for (size_t i = 0; i < build->files.count; i++) {
		const char *name = build_file_name(&files[i]);
		size_t n = strlen(name) + 1;

		assert(at + n <= strings_bytes);
		memcpy(strings + at, name, n);
		memcpy(out[i].sha256, files[i].sha256, sizeof(out[i].sha256));
		out[i].stamp = files[i].stamp;
		out[i].name = (uint32_t)at;
		out[i].kind = build_file_kind(&files[i]);
		out[i].container = files[i].container;
		out[i].lines = files[i].lines;
		out[i].record = files[i].record;
		out[i].records_count = files[i].records_count;
		at += n;
	}
}

int build_index_make(
	struct build *build, const struct ruleset_header *image, void **out, size_t *bytes)
{
	const struct build_file *files = build->files.items;
	struct index_header *header;
	struct index_file *index_files;
	struct index_record *records;
	size_t strings_bytes = 0;
	size_t total;
	int err;

	for (size_t i = 0; i < build->files.count; i++)
		strings_bytes += strlen(build_file_name(&files[i])) + 1;
	total = sizeof(*header) + build->files.count * sizeof(*index_files) +
		build->records.count * sizeof(*records) + strings_bytes;
	header = calloc(1, total);
	if (header == NULL)
		return -ENOMEM;
	index_files = (void *)(header + 1);
	records = (void *)(index_files + build->files.count);
	memcpy(header->magic, INDEX_MAGIC, sizeof(header->magic));
	header->format = INDEX_FORMAT;
	header->files_count = (uint32_t)build->files.count;
	header->records_count = (uint32_t)build->records.count;
	header->strings_bytes = (uint32_t)strings_bytes;
	memcpy(header->image, image->sha256, sizeof(header->image));
	header->made_ns = build->made_ns;
	header->signatures = build->stats->signatures;
	header->stats = *build->stats;
	write_records(build, records);
	write_files(build, index_files, (char *)(records + build->records.count), strings_bytes);
	err = digest_index(header, total, header->sha256);
	if (err != 0) {
		free(header);
		return err;
	}
	*out = header;
	*bytes = total;
	return 0;
}

// ---- reading -----------------------------------------------------------------------------------

static bool is_record_sound(const struct index_header *header, const struct index_record *record)
{
	return record->state < INDEX_STATES &&
	       (record->state > INDEX_HASH || record->signature < header->signatures);
}

static bool is_file_sound(
	const struct index_header *header, const struct index_file *file, uint32_t number)
{
	return file->name < header->strings_bytes && file->record <= header->records_count &&
	       file->records_count <= header->records_count - file->record &&
	       (file->container == INDEX_NONE || file->container < number);
}

int build_index_open(const void *data, size_t bytes, struct build_index *out)
{
	const struct index_header *header = data;
	uint8_t sha256[EVP_MAX_MD_SIZE];
	struct build_index index = {header, NULL, NULL, NULL};

	if (bytes < sizeof(*header) || memcmp(header->magic, INDEX_MAGIC, 8) != 0 ||
		header->format != INDEX_FORMAT)
		return -EBADMSG;
	if (bytes != sizeof(*header) + header->files_count * (uint64_t)sizeof(*index.files) +
			     header->records_count * (uint64_t)sizeof(*index.records) +
			     header->strings_bytes)
		return -EBADMSG;
	if (digest_index(header, bytes, sha256) != 0 ||
		memcmp(sha256, header->sha256, sizeof(header->sha256)) != 0)
		return -EBADMSG;
	index.files = (const void *)(header + 1);
	index.records = (const void *)(index.files + header->files_count);
	index.strings = (const char *)(index.records + header->records_count);
	if (header->strings_bytes > 0 && index.strings[header->strings_bytes - 1] != '\0')
		return -EBADMSG;
	for (uint32_t i = 0; i < header->files_count; i++)
		if (!is_file_sound(header, &index.files[i], i))
			return -EBADMSG;
	for (uint32_t i = 0; i < header->records_count; i++)
		if (!is_record_sound(header, &index.records[i]))
			return -EBADMSG;
	*out = index;
	return 0;
}
