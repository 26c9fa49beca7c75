// SPDX-License-Identifier: BSD-3-Clause
// The image of a ruleset: how it lies in a file and in memory, and a checked view of it.
//
// An image is a header and sections, each aligned to 64 bytes, in the byte order of the machine that
// built it. The SHA-256 in the header covers everything behind it. Hyperscan databases lie as they
// are used, so that a read-only mapping serves; they fit the processor and the Hyperscan version of
// the machine that built the image. Nothing in an image is an address.
//
// A delta is an image that is laid on another one, its base, which it names: it has what was added and
// tells which of the base's signatures were removed. Both together are searched like one image that was
// made of all: each has tables of its own, and what they find is brought into one order (ruleset_delta.c).
// Behind an image in the same file a delta of it may follow.
#pragma once

#include "scan/anchor.h"
#include "scan/filetype.h"
#include "scan/hashset.h"
#include "scan/scan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RULESET_MAGIC "CORDONRS"
#define RULESET_FORMAT 26
#define RULESET_ALIGN 64
#define RULESET_NONE UINT32_MAX
#define RULESET_MAX_SECTIONS 96

enum ruleset_section_kind {
	RULESET_META = 1,       // struct ruleset_meta
	RULESET_STRINGS,        // each NUL-terminated; the first is ""
	RULESET_SIGNATURES,     // struct ruleset_signature, in the order of the source files
	RULESET_EXPRESSIONS,    // struct ruleset_expression, by the number that a search reports
	RULESET_USES,           // struct ruleset_use
	RULESET_GROUPS,         // struct ruleset_group
	RULESET_CHECK_BYTES,    // what expressions compare
	RULESET_CLASSES,        // struct ruleset_class
	RULESET_ATOMS,          // struct ruleset_atom
	RULESET_RULES,          // struct ruleset_rule
	RULESET_NODES,          // struct ruleset_node
	RULESET_MEMBERS,        // uint32_t: the subsignatures of each rule
	RULESET_KEYED,          // uint32_t: the rules that each atom makes possible
	RULESET_UNKEYED,        // uint32_t: rules that may be true when nothing of them is there
	RULESET_REGEXES,        // struct ruleset_regex
	RULESET_COMPARES,       // struct ruleset_compare
	RULESET_DEFERRED,       // struct ruleset_deferred
	RULESET_MEMBER_RULES,   // struct ruleset_member_rule
	RULESET_FILETYPES,      // struct ruleset_filetype, in the order of the source files
	RULESET_BASE,           // struct ruleset_base: the image is a delta
	RULESET_REMOVED,        // uint32_t: signatures of the base that do not count, ascending
	RULESET_RANKS,          // uint32_t: of each signature, how many of the base stand before it
	RULESET_HASHES,         // hashset block of whole objects; index: enum digest_algorithm
	RULESET_SECTION_HASHES, // the same of the sections of PE files
	RULESET_IMPORT_HASHES,  // the same of their import tables
	// struct anchor_header and what it tells of; index: enum filetype_target, plus FILETYPE_TARGETS times
	// enum anchor_content
	RULESET_ANCHORS,
	RULESET_PATTERNS,  // Hyperscan database; index: enum filetype_target
	RULESET_DATABASES, // Hyperscan databases of what is deferred
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
	// Of all behind the check: the image's name, which is not computed again when it is opened.
	uint8_t sha256[32];
	uint64_t check; // CRC-64 (ECMA-182, reflected) of all else: the image is whole
	struct ruleset_section sections[RULESET_MAX_SECTIONS];
};

struct ruleset_meta {
	char hs_version[64];
	uint32_t literals;
	uint32_t patterns;
	uint32_t hashes;
	uint32_t skipped;
};

// What a delta is laid on, and what both are together.
struct ruleset_base {
	uint8_t sha256[32]; // of the base's header
	uint32_t signatures;
	uint32_t unused;
	struct ruleset_meta both;
};

struct ruleset_signature {
	uint32_t name; // offset into the strings
	uint32_t virus_id;
	uint32_t recipe;
	uint32_t kind;   // enum match_kind
	uint32_t target; // enum filetype_target
};

enum ruleset_check_kind {
	RULESET_CHECK_NONE,    // Hyperscan's
	RULESET_CHECK_PLAIN,   // values
	RULESET_CHECK_MASKED,  // values, then as many masks
	RULESET_CHECK_CLASSES, // numbers of classes: their low bytes, then the high ones
};

#define RULESET_EXPRESSION_AT_END 1u // of the object

// One pattern that is searched for; several signatures may use it. Those that are not Hyperscan's have
// one length and are compared byte by byte where the search has met a part of them.
struct ruleset_expression {
	uint32_t use; // the first
	uint32_t uses_count;
	uint32_t check;     // in the check bytes
	uint16_t length;    // at most RULESET_MAX_CHECK
	uint8_t check_kind; // enum ruleset_check_kind
	uint8_t flags;
};

#define RULESET_MAX_CHECK ANCHOR_HISTORY
#define RULESET_MAX_CLASSES 65536u

struct ruleset_class {
	uint64_t bits[4];
};

// Where a pattern that has matched counts: the number of a signature, or of an atom with this bit.
#define RULESET_ATOM 0x80000000u
// The same of a part of an atom that is deferred: it may be there.
#define RULESET_TRIGGER 0xc0000000u
#define RULESET_ATOM_NUMBER 0x3fffffffu

// What a match of an expression means: a hit of the sink (group RULESET_NONE), or a sighting of one
// group of it, which began length + extra bytes before the match's end and ended extra before.
struct ruleset_use {
	uint32_t sink;
	uint32_t group;
	uint32_t length;
	uint32_t extra; // bytes that only a boundary condition looked at
};

enum ruleset_offset {
	RULESET_OFFSET_ANY,
	RULESET_OFFSET_START,
	RULESET_OFFSET_END,
	RULESET_OFFSET_ENTRY,   // of an executable file, the others too
	RULESET_OFFSET_SECTION, // group.section
	RULESET_OFFSET_LAST_SECTION,
	RULESET_OFFSET_IN_SECTION, // group.section
	RULESET_OFFSET_VERSION,    // of a PE file: a string of its version information
};

#define RULESET_GROUP_FIRST 1u
#define RULESET_GROUP_LAST 2u
#define RULESET_GROUP_BEFORE 4u    // the offset is to be taken from the entry point
#define RULESET_GAP_ANY UINT32_MAX // as gap_max: no limit
#define RULESET_MAX_RING 16        // candidates that one group keeps

// One group of a pattern that is matched in several steps: it counts when it begins gap_min to
// gap_max bytes behind a candidate of the group before, which stands before it in the table. The
// offset condition stands in the first group and, if from the end, in the last also.
struct ruleset_group {
	uint32_t sink;
	uint32_t flags;
	uint32_t gap_min;
	uint32_t gap_max;
	uint32_t offset_from; // enum ruleset_offset
	uint32_t offset;      // RULESET_OFFSET_END: n of EOF-n
	uint32_t shift;       // the start may be so much later
	uint32_t section;
	uint32_t ring_count; // candidates to be kept
	uint32_t moved;      // an object may be so much shorter than the n of EOF-n
};

// A subsignature, which is the same for all rules that have the same.
struct ruleset_atom {
	uint32_t keyed; // the rules that it makes possible
	uint32_t keyed_count;
	uint32_t counted;  // 1: every start counts, 0: one is enough
	uint32_t deferred; // RULESET_NONE: it is not
};

// How an atom is found when the object has ended: by a database of its own, that is run over all of
// the object if a rule depends on it. It reports the numbers of expressions from the first on.
struct ruleset_deferred {
	uint64_t at; // of the database in its section
	uint64_t bytes;
	uint32_t atom;
	uint32_t expression;
	uint32_t expressions_count;
	// 0: it has no part that is searched for. Else it is looked for only if one was met, and where no match of it that
	// has one can begin before or end behind: so many bytes from where the first and the last begin, RULESET_NONE: all.
	uint32_t reach;
};

#define RULESET_MAX_OUTER 16

// A logical signature. It can be true only for objects that have one of the atoms which it is keyed
// by; see RULESET_UNKEYED.
struct ruleset_rule {
	uint32_t signature;
	uint32_t node; // root of its expression
	uint32_t member;
	uint32_t members_count;
	uint32_t bytes_min; // of the object
	uint32_t bytes_max;
	uint32_t needs_file; // 1: the next four count
	uint32_t sections_min;
	uint32_t sections_max;
	uint32_t entry_min;
	uint32_t entry_max;
	uint32_t container; // enum filetype_container, RULESET_NONE: any
	uint32_t handler; // enum filetype_target that the object is searched as, too; RULESET_NONE
	uint32_t outer_count;
	uint8_t outer[RULESET_MAX_OUTER]; // enum filetype_container, the innermost last; NONE: any
};

// A member is the number of an atom, or of a regex or a compare with one of these bits.
#define RULESET_MEMBER_REGEX 0x40000000u
#define RULESET_MEMBER_COMPARE 0x80000000u
#define RULESET_MEMBER_NUMBER 0x3fffffffu

#define RULESET_MAX_MEMBERS 64
#define RULESET_MAX_NODES 1024 // of one expression

struct ruleset_range {
	uint32_t min;
	uint32_t max; // UINT32_MAX: no limit
};

#define RULESET_MEMBER_CASELESS 1u

// A signature of what lies in a container.
struct ruleset_member_rule {
	uint32_t signature;
	uint32_t name; // a regular expression: offset into the strings; 0: any name
	uint32_t flags;
	uint32_t container; // enum filetype_container, RULESET_NONE: any
	uint32_t encrypted; // 0, 1, RULESET_NONE: either
	struct ruleset_range container_bytes;
	struct ruleset_range packed;
	struct ruleset_range bytes;
	struct ruleset_range position;
};

#define RULESET_MAX_MAGIC 128

// What tells the type of an object by its first bytes.
struct ruleset_filetype {
	uint32_t number;   // filetype_by_number
	uint32_t required; // the same: of the file without this
	uint32_t pattern;  // a regular expression: offset into the strings; 0: bytes
	uint32_t offset;
	uint32_t length;
	uint8_t bytes[RULESET_MAX_MAGIC];
};

// A node of an expression; its left side is the next node, its right side what ends the left.
struct ruleset_node {
	uint8_t joint;      // '&', '|', 0: a member
	uint8_t comparison; // '<', '>', '=', 0: none
	uint16_t index;
	uint32_t value;
	uint32_t distinct;
	uint32_t end; // the node behind all of this
};

#define RULESET_REGEX_ROLLING 1u
#define RULESET_REGEX_ENCLOSED 2u
#define RULESET_REGEX_ALL 4u
#define RULESET_REGEX_BEFORE 8u // the offset is to be taken from the entry point

struct ruleset_regex {
	uint32_t text;    // offset into the strings
	uint32_t letters; // offset into the strings
	uint32_t flags;
	uint32_t trigger; // node
	uint32_t offset_from;
	uint32_t offset;
	uint32_t shift;
	uint32_t section;
};

#define RULESET_MAX_COMPARE 255 // bytes

#define RULESET_COMPARE_LITTLE 1u
#define RULESET_COMPARE_EXACT 2u

struct ruleset_compare {
	uint32_t index; // of the member at whose last hit the number is
	int32_t offset;
	uint32_t number; // enum ruleset_number
	uint32_t flags;
	uint32_t bytes;
	uint32_t count;
	uint32_t kinds[2]; // '<', '>', '='
	int64_t values[2];
};

enum ruleset_number {
	RULESET_NUMBER_HEX,
	RULESET_NUMBER_DECIMAL,
	RULESET_NUMBER_AUTO,
	RULESET_NUMBER_RAW
};

struct screen;

struct ruleset_database {
	const struct hs_database *db; // NULL: none
	size_t stream_bytes;
};

// By target; behind those for bytes of any value those for text, for text without capitals, and for base64.
#define RULESET_ANCHOR_TABLES (ANCHOR_CONTENTS * FILETYPE_TARGETS)

// The checked view. Everything points into the image. With a delta laid on it, the tables are the base's
// and the delta has its own.
struct ruleset {
	struct ruleset_info info;
	const struct ruleset_header *header;
	struct ruleset *delta;        // that is laid on it, NULL: none
	const uint64_t *removed_bits; // of signatures: the delta removes them; NULL: none
	struct ruleset *below;        // the base, if it goes when this is closed
	uint8_t *sieves
		[RULESET_ANCHOR_TABLES]; // of both; NULL: the tables are not searched together
	const char *strings;
	size_t strings_bytes;
	struct hashset hashes[3]; // by enum digest_algorithm
	struct hashset section_hashes[3];
	struct hashset import_hashes[3];
	struct anchor_table anchors[RULESET_ANCHOR_TABLES]; // of a target: of any target too
	struct ruleset_database patterns[FILETYPE_TARGETS];
	const struct screen *screen; // the list that is laid on it, NULL: none
	struct screen *own_screen;   // if it goes when this is closed
	bool is_screened;            // of the tables nothing is its own
	void *mapping;               // what ruleset_open mapped, NULL after ruleset_attach
	size_t mapping_bytes;
	// The tables, and how many items each has.
	const struct ruleset_meta *meta;
	const struct ruleset_signature *signatures;
	const struct ruleset_expression *expressions;
	const struct ruleset_use *uses;
	const struct ruleset_group *groups;
	const uint8_t *check_bytes;
	const struct ruleset_class *classes;
	const struct ruleset_atom *atoms;
	const struct ruleset_rule *rules;
	const struct ruleset_node *nodes;
	const uint32_t *members;
	const uint32_t *keyed;
	const uint32_t *unkeyed;
	const struct ruleset_regex *regexes;
	const struct ruleset_compare *compares;
	const struct ruleset_deferred *deferred;
	const struct ruleset_member_rule *member_rules;
	const struct ruleset_filetype *filetypes;
	const struct ruleset_base *base; // NULL: it is no delta
	const uint32_t *removed;
	const uint32_t *ranks;
	const uint8_t *databases;
	uint32_t signatures_count;
	uint32_t expressions_count;
	uint32_t uses_count;
	uint32_t groups_count;
	uint32_t check_bytes_count;
	uint32_t classes_count;
	uint32_t atoms_count;
	uint32_t rules_count;
	uint32_t nodes_count;
	uint32_t members_count;
	uint32_t keyed_count;
	uint32_t unkeyed_count;
	uint32_t regexes_count;
	uint32_t compares_count;
	uint32_t deferred_count;
	uint32_t member_rules_count;
	uint32_t filetypes_count;
	uint32_t removed_count;
	uint32_t ranks_count;
	size_t databases_bytes;
	size_t deferred_stream_bytes; // the most of any
};

static inline const struct hs_database *ruleset_deferred_db(
	const struct ruleset *ruleset, const struct ruleset_deferred *deferred)
{
	return (const void *)(ruleset->databases + deferred->at);
}

static inline bool ruleset_is_removed(const uint64_t *removed_bits, uint32_t signature)
{
	return removed_bits != NULL && (removed_bits[signature / 64] >> (signature % 64) & 1) != 0;
}

// What such bytes of an object of the target are searched with.
static inline const struct anchor_table *ruleset_anchors(
	const struct ruleset *ruleset, unsigned int target, enum anchor_content content)
{
	const struct anchor_table *tables =
		&ruleset->anchors[ruleset->anchors[target].is_there ? target : FILETYPE_TARGET_ANY];
	size_t at = (size_t)content;

	while (at > 0 && !tables[at * FILETYPE_TARGETS].is_there)
		at = at == ANCHOR_CODES ? ANCHOR_TEXT : at - 1;
	return &tables[at * FILETYPE_TARGETS];
}

// Whether a delta's signature stands before one of its base.
static inline bool ruleset_precedes(
	const struct ruleset *delta, uint32_t signature, uint32_t of_base)
{
	return delta->ranks[signature] <= of_base;
}

// Lays the list that lies beside the image at path on a ruleset, which goes with what comes out. Returns 0,
// -ENOENT where there is none, or as ruleset_open.
int ruleset_open_screen(const char *path, struct ruleset *base, struct ruleset **out);
// Maps a file of at least so many bytes to be read. Returns 0, -EBADMSG or -errno.
int ruleset_map_file(const char *path, size_t least, void **mapping, size_t *bytes);
// Of files that lie beside an image, while others take the place of all: it takes longer to make an image than to open one.
#define RULESET_OPEN_TRIES 16

// Opens one image alone, of exactly so many bytes. Returns as ruleset_attach, but for a delta 0.
int ruleset_attach_one(const void *image, size_t bytes, struct ruleset **out);

// The tables of an image of which nothing is trusted. Returns 0 or -EBADMSG.
int ruleset_check(const struct ruleset *ruleset);

// Fills in the name and the check of an image. Returns 0 or -EIO.
int ruleset_seal(void *image, size_t bytes);
