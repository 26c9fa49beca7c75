// SPDX-License-Identifier: BSD-3-Clause
// Logical signatures (.ldb): "Name;Attribute:value,...;Expression;Sub0;Sub1;...".
// Source: clamav-documentation, "Logical signatures".
#pragma once

#include "scan/clamav.h"
#include "scan/clamav_expression.h"

#define CLAMAV_MAX_OUTER 16

struct clamav_range {
	uint32_t min;
	uint32_t max;
};

struct clamav_logical {
	const char *name;
	uint32_t target;
	struct clamav_range file_bytes;
	struct clamav_range sections;
	struct clamav_range entry_point;
	bool needs_file;    // sections or entry_point are given
	bool has_container; // container is a type of FILETYPE_CONTAINER_*
	uint32_t container;
	uint32_t outer_count; // Intermediates: what the object must lie in, the innermost last
	uint8_t outer[CLAMAV_MAX_OUTER]; // FILETYPE_CONTAINER_*, NONE: any
	bool has_handler;                // a hit has the object read as of another type, too
	uint32_t handler;                // enum filetype_target of that
	const struct clamav_expression *expression;
	uint32_t subsignatures_count;
	char *subsignatures[CLAMAV_MAX_SUBSIGNATURES];
};

enum clamav_subsignature_kind {
	CLAMAV_SUBSIGNATURE_BODY,
	CLAMAV_SUBSIGNATURE_REGEX,
	CLAMAV_SUBSIGNATURE_COMPARE,
};

#define CLAMAV_REGEX_ROLLING 1u
#define CLAMAV_REGEX_ENCLOSED 2u // within the offset and its shift
#define CLAMAV_REGEX_ALL 4u      // every match counts

// [Offset:]Trigger/Regex/[Flags]
struct clamav_regex {
	const struct clamav_expression *trigger;
	const char *text;
	const char *letters; // of PCRE's own: some of "ismxAEU"
	unsigned int flags;  // CLAMAV_REGEX_*
	struct clamav_offset offset;
};

enum clamav_number {
	CLAMAV_NUMBER_HEX,
	CLAMAV_NUMBER_DECIMAL,
	CLAMAV_NUMBER_AUTO,
	CLAMAV_NUMBER_RAW
};
#define CLAMAV_MAX_COMPARISONS 2
#define CLAMAV_MAX_COMPARE_BYTES 255

// Sub(>>Offset#Options#Comparisons)
struct clamav_compare {
	uint32_t index; // of the subsignature at whose hit the bytes are
	int32_t offset;
	enum clamav_number number;
	bool little_endian;
	bool exact;
	bool never; // it is valid, but ClamAV never finds it true
	uint32_t bytes;
	uint32_t count;
	char kinds[CLAMAV_MAX_COMPARISONS]; // '<', '>', '='
	int64_t values[CLAMAV_MAX_COMPARISONS];
};

struct clamav_subsignature {
	enum clamav_subsignature_kind kind;
	struct clamav_pattern patterns[2]; // wide and as it is: either may hit
	uint32_t patterns_count;
	struct clamav_regex regex;
	struct clamav_compare compare;
};

// Reads all of the line but the subsignatures, which it only cuts. Changes the line.
enum clamav_result clamav_parse_logical(
	struct clamav_arena *arena, char *line, struct clamav_logical *out, const char **reason);
// Does not change the text.
enum clamav_result clamav_parse_subsignature(struct clamav_arena *arena, const char *text,
	uint32_t target, struct clamav_subsignature *out, const char **reason);
