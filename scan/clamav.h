// SPDX-License-Identifier: BSD-3-Clause
// ClamAV's text signature formats, read into a representation that a compiler works on.
//
// A body pattern is a list of parts with gaps between them. A part is a sequence of nodes: classes
// of bytes, which are repeated or not, and alternations of sequences. All of it lies in an arena and
// lives until the arena is reset. Source of the formats: clamav-documentation, "Body-based Signature
// Content Format", "Extended signature format", "File hash signatures", "Allow list databases".
#pragma once

#include "scan/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// ---- memory ------------------------------------------------------------------------------------

struct clamav_arena {
	struct clamav_chunk *chunks;
	size_t used; // of the newest chunk
};

// Zeroed memory, aligned for anything, or NULL.
void *clamav_alloc(struct clamav_arena *arena, size_t bytes);
// Everything taken from the arena is gone.
void clamav_reset(struct clamav_arena *arena);

// ---- body patterns -----------------------------------------------------------------------------

struct clamav_class {
	uint64_t bits[4];
};

static inline bool clamav_class_has(const struct clamav_class *set, unsigned int byte)
{
	return (set->bits[byte >> 6] >> (byte & 63) & 1u) != 0;
}

// How many bytes are in the class.
unsigned int clamav_class_size(const struct clamav_class *set);

struct clamav_sequence {
	struct clamav_sequence *next; // the next branch of an alternation
	struct clamav_node *first;
	struct clamav_node *last;
};

struct clamav_node {
	struct clamav_node *next;
	struct clamav_sequence *branches; // NULL: a class
	struct clamav_class set;
	uint32_t count; // of the class
};

// What must stand beside a part without belonging to it.
enum clamav_edge_kind {
	CLAMAV_EDGE_NONE,
	CLAMAV_EDGE_BOUNDARY, // (B)
	CLAMAV_EDGE_LINE,     // (L)
	CLAMAV_EDGE_WORD,     // (W)
	CLAMAV_EDGE_WIDE, // (W) of a pattern in which each byte has a NUL behind it: both are looked at
};

struct clamav_edge {
	enum clamav_edge_kind kind;
	bool negated;
};

#define CLAMAV_NO_LIMIT UINT32_MAX

struct clamav_part {
	struct clamav_part *next;
	struct clamav_sequence body;
	struct clamav_edge left;
	struct clamav_edge right;
	uint32_t gap_min; // between the part before and this one
	uint32_t gap_max; // CLAMAV_NO_LIMIT: any
	bool bracket;     // the gap was written [n-m]
};

enum clamav_offset_kind {
	CLAMAV_OFFSET_ANY,
	CLAMAV_OFFSET_START,
	CLAMAV_OFFSET_END,
	CLAMAV_OFFSET_ENTRY,        // of an executable file: the entry point
	CLAMAV_OFFSET_SECTION,      // the start of a section
	CLAMAV_OFFSET_LAST_SECTION, // the start of the last one
	CLAMAV_OFFSET_IN_SECTION,   // anywhere in a section, its end included
	CLAMAV_OFFSET_VERSION,      // of a PE file: a string of its version information
};

struct clamav_offset {
	enum clamav_offset_kind kind;
	uint32_t value;
	uint32_t shift;
	uint32_t section;
	bool before;    // EP-n
	uint32_t moved; // so much of EOF-n is for what stands before the place that n is of
};

struct clamav_pattern {
	struct clamav_part *parts;
	uint32_t parts_count;
	struct clamav_offset offset;
};

// Bytes that the class of an edge holds on its left or right side: what may stand there.
void clamav_edge_class(enum clamav_edge_kind kind, bool left, struct clamav_class *out);

// What came of a line. A skipped one is valid but not for this engine.
enum clamav_result { CLAMAV_TAKEN, CLAMAV_SKIPPED, CLAMAV_MALFORMED };

// Reads the body of a pattern; offset is left alone. reason is set unless the pattern is taken.
enum clamav_result clamav_parse_body(struct clamav_arena *arena, const char *hex,
	struct clamav_pattern *out, const char **reason);

// Both cases of every letter match.
void clamav_fold_case(struct clamav_pattern *pattern);

// Fewest and most bytes that a sequence matches; the most is at most CLAMAV_NO_LIMIT - 1.
void clamav_sequence_lengths(
	const struct clamav_sequence *sequence, uint32_t *shortest, uint32_t *longest);

// ---- lines -------------------------------------------------------------------------------------

// The engine presents this functionality level, that of ClamAV 1.4.6, to signatures that ask for a range.
#define CLAMAV_LEVEL 216
#define CLAMAV_MAX_LINE 8192
#define CLAMAV_MAX_LOGICAL_LINE 32768

struct clamav_body_signature {
	const char *name;
	uint32_t target; // enum filetype_target
	struct clamav_pattern pattern;
};

struct clamav_hash_signature {
	const char *name;
	enum digest_algorithm algorithm;
	uint8_t digest[DIGEST_MAX_BYTES]; // padded with zeros
	uint64_t bytes;                   // 0: any size
};

// Each reads one line without its line end, which it changes, and which must outlive what it gives.
enum clamav_result clamav_parse_ndb(struct clamav_arena *arena, char *line,
	struct clamav_body_signature *out, const char **reason);
// .hdb, .hsb and, as allow lists, .fp and .sfp; .mdb and .msb, which have the size first; .imp, where any
// size may stand.
enum clamav_hash_form { CLAMAV_HASH_FILE, CLAMAV_HASH_SECTION, CLAMAV_HASH_IMPORTS };

enum clamav_result clamav_parse_hash(char *line, enum clamav_hash_form form,
	struct clamav_hash_signature *out, const char **reason);

// The tools of all these.

// Decimal digits and nothing else.
bool clamav_parse_decimal(const char *text, uint64_t limit, uint64_t *out);
// The same where ClamAV takes nothing at all for 0.
bool clamav_parse_number(const char *text, uint64_t limit, uint64_t *out);
// Cuts the line at its colons into at most max fields, of which the last has the rest.
size_t clamav_split(char *line, char **fields, size_t max);
// [MinFL[:MaxFL]]
enum clamav_result clamav_check_levels(char **fields, size_t count, const char **reason);
enum clamav_result clamav_check_target(const char *text, uint32_t *target, const char **reason);
// Changes the text.
enum clamav_result clamav_parse_offset(
	char *text, uint32_t target, struct clamav_offset *out, const char **reason);
// 0..15, or -1.
int clamav_hex_digit(char c);
// Reads hexadecimal digits: exactly 2 * bytes of them.
bool clamav_parse_digest(const char *hex, size_t bytes, uint8_t *out);
