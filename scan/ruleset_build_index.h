// SPDX-License-Identifier: BSD-3-Clause
// What a ruleset was made of: its source files and, for each line with a signature, a hash of the line
// and what became of it. With it a later build finds what was added and removed since, without the
// files of then (ruleset_build_delta.h).
//
// An index is one block of memory: header, files, records, strings. The SHA-256 in the header covers all
// that follows it; a checked view trusts nothing else.
#pragma once

#include "scan/ruleset_build.h"

#include <stddef.h>
#include <stdint.h>

#define INDEX_MAGIC "CORDONIX"
#define INDEX_FORMAT 1
#define INDEX_NONE UINT32_MAX

enum index_state {
	INDEX_LITERAL, // signatures of the image
	INDEX_PATTERN,
	INDEX_HASH,
	INDEX_ALLOWED, // entries of allow lists
	INDEX_IGNORED,
	INDEX_SKIPPED,
	INDEX_MALFORMED,
};
#define INDEX_STATES 7

struct index_header {
	char magic[8];
	uint32_t format;
	uint32_t files_count;
	uint32_t records_count;
	uint32_t strings_bytes;
	uint8_t sha256[32]; // of all that follows
	uint8_t image[32];  // the digest in the image's header
	int64_t made_ns;    // wall clock, before the files were read
	uint32_t signatures;
	uint32_t unused;
	struct ruleset_build_stats stats;
};
#define INDEX_HASHED_FROM offsetof(struct index_header, image)

struct index_file {
	uint8_t sha256[32];
	struct build_stamp stamp;
	uint32_t name;      // without folders: offset into the strings
	uint32_t kind;      // enum build_kind
	uint32_t container; // number of the file that it is in, INDEX_NONE: none
	uint32_t lines;     // with signatures
	uint32_t record;    // the first
	uint32_t records_count;
};

struct index_record {
	uint64_t hash[2];
	uint32_t signature; // in the image, if it is one
	uint32_t state;     // enum index_state
};

// A checked view; it points into the block.
struct build_index {
	const struct index_header *header;
	const struct index_file *files;
	const struct index_record *records;
	const char *strings;
};

// Returns 0 or -EBADMSG.
int build_index_open(const void *data, size_t bytes, struct build_index *out)
	__attribute__((warn_unused_result));
// Writes down what the build was made of, whose image it is. The caller frees it. Returns 0 or -ENOMEM.
int build_index_make(struct build *build, const struct ruleset_header *image, void **out,
	size_t *bytes) __attribute__((warn_unused_result));

// Lists the lines of a file as records of the build, and returns the number of the first.
uint32_t build_index_lines(struct build *build, uint32_t file_number, uint32_t kind);
