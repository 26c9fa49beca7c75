// SPDX-License-Identifier: BSD-3-Clause
// The image of a ruleset: how it lies in a file and in memory, and a checked view of it.
//
// An image is a header and sections, each aligned to 64 bytes, in the byte order of the machine that
// built it. The SHA-256 in the header covers everything behind it. Hyperscan databases lie as they
// are used, so that a read-only mapping serves; they fit the processor and the Hyperscan version of
// the machine that built the image. Nothing in an image is an address.
#pragma once

#include "scan/filetype.h"
#include "scan/hashset.h"
#include "scan/scan.h"

#include <stddef.h>
#include <stdint.h>

#define RULESET_MAGIC "CORDONRS"
#define RULESET_FORMAT 1
#define RULESET_ALIGN 64
#define RULESET_NONE UINT32_MAX
#define RULESET_MAX_SECTIONS 64

enum ruleset_section_kind {
	RULESET_META = 1,    // struct ruleset_meta
	RULESET_STRINGS,     // each NUL-terminated; the first is ""
	RULESET_SIGNATURES,  // struct ruleset_signature, in the order of the source files
	RULESET_EXPRESSIONS, // struct ruleset_expression, by the number that Hyperscan reports
	RULESET_USES,        // struct ruleset_use
	RULESET_GROUPS,      // struct ruleset_group
	RULESET_HASHES,      // hashset block; index: enum digest_algorithm
	RULESET_LITERALS,    // Hyperscan database; index: enum filetype_target
	RULESET_PATTERNS,    // Hyperscan database; index: enum filetype_target
};

struct ruleset_section {
	uint32_t kind;
	uint32_t index;
	uint64_t offset; // from the start of the image
	uint64_t bytes;
};

struct ruleset_header {
	char magic[8];
	uint32_t format;
	uint32_t sections_count;
	uint64_t image_bytes;
	uint8_t sha256[32]; // of all that follows
	uint64_t unused;
	struct ruleset_section sections[RULESET_MAX_SECTIONS];
};
// The checksum begins here.
#define RULESET_HASHED_FROM offsetof(struct ruleset_header, unused)

struct ruleset_meta {
	char hs_version[64];
	uint32_t literals;
	uint32_t patterns;
	uint32_t hashes;
	uint32_t skipped;
	uint32_t candidates; // slots that an object needs to track signatures in several groups
	uint32_t unused;
};

struct ruleset_signature {
	uint32_t name; // offset into the strings
	uint32_t virus_id;
	uint32_t kind;   // enum match_kind
	uint32_t target; // enum filetype_target
};

// One pattern given to Hyperscan; several signatures may use it.
struct ruleset_expression {
	uint32_t use; // the first
	uint32_t uses_count;
};

// What a match of an expression means: a hit of the signature (group RULESET_NONE), or a sighting of
// one group of it, which began length + extra bytes before the match's end and ended extra before.
struct ruleset_use {
	uint32_t signature;
	uint32_t group;
	uint32_t length;
	uint32_t extra; // bytes that only a boundary condition looked at
};

enum ruleset_offset { RULESET_OFFSET_ANY, RULESET_OFFSET_START, RULESET_OFFSET_END };

#define RULESET_GROUP_FIRST 1u
#define RULESET_GROUP_LAST 2u
#define RULESET_GAP_ANY UINT32_MAX // as gap_max: no limit
#define RULESET_MAX_RING 16        // candidates that one group keeps

// One group of a signature that is matched in several steps: it counts when it begins gap_min to
// gap_max bytes behind a candidate of the group before, which stands before it in the table. The
// offset condition stands in the first group and, if from the end, in the last also.
struct ruleset_group {
	uint32_t signature;
	uint32_t flags;
	uint32_t gap_min;
	uint32_t gap_max;
	uint32_t offset_from; // enum ruleset_offset
	uint32_t offset;      // RULESET_OFFSET_END: n of EOF-n
	uint32_t shift;       // the start may be so much later
	uint32_t ring;        // its first candidate slot
	uint32_t ring_count;  // how many slots
	uint32_t unused;
};

struct ruleset_database {
	const struct hs_database *db; // NULL: none
	size_t stream_bytes;
};

// The checked view. Everything points into the image.
struct ruleset {
	struct ruleset_info info;
	const struct ruleset_meta *meta;
	const char *strings;
	size_t strings_bytes;
	const struct ruleset_signature *signatures;
	uint32_t signatures_count;
	const struct ruleset_expression *expressions;
	uint32_t expressions_count;
	const struct ruleset_use *uses;
	uint32_t uses_count;
	const struct ruleset_group *groups;
	uint32_t groups_count;
	struct hashset hashes[3]; // by enum digest_algorithm
	struct ruleset_database literals[FILETYPE_TARGETS];
	struct ruleset_database patterns[FILETYPE_TARGETS];
	void *mapping; // what ruleset_open mapped, NULL after ruleset_attach
	size_t mapping_bytes;
};

// Fills in the checksum of an image. Returns 0 or -EIO.
int ruleset_seal(void *image, size_t bytes);
