// SPDX-License-Identifier: BSD-3-Clause
// What the parts of the ruleset builder share: the tables that become an image.
//
// Lines are read (ruleset_build.c), logical ones kept (ruleset_build_rule.c), each pattern is planned into expressions
// (ruleset_build_plan.c), the expressions are compiled (ruleset_build_compile.c) and all is laid
// into an image (ruleset_build_image.c).
#pragma once

#include "scan/clamav.h"
#include "scan/clamav_logical.h"
#include "scan/ruleset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A growing array. A failed allocation is remembered in build.failed.
struct build_vector {
	void *items;
	size_t count;
	size_t capacity;
};

struct build_text {
	char *data; // always NUL-terminated
	size_t bytes;
	size_t capacity;
};

struct build_signature {
	uint32_t name; // offset into the strings
	uint32_t virus_id;
	uint32_t recipe;
	enum match_kind kind;
	uint32_t target;
	uint32_t file;
	uint32_t line;
	uint32_t rank; // for a delta: of the base's, how many stand before it
	bool literal;
	bool dropped;   // Hyperscan refused it
	uint32_t index; // in the image
};

struct build_expression {
	char *text; // NUL-terminated; Hyperscan's regular expression, or what is compared
	size_t bytes;
	uint32_t target;
	uint32_t length; // of what is compared
	enum ruleset_check_kind check_kind;
	unsigned int flags;        // RULESET_EXPRESSION_*
	struct anchor_place place; // RULESET_OFFSET_ANY: none; its expression is not set
	uint64_t min_end;          // where a match of Hyperscan's may end
	uint64_t max_end;
	uint32_t first_use;
	uint32_t last_use;
	uint32_t owner; // the atom that is deferred, plus 1
	bool tracked;   // some use needs every match, not only the first
	bool refused;
};

// How an atom is found. Those that need Hyperscan are deferred until the object has ended, and then
// only counted where a rule depends on them: an object pays nothing for them while it passes.
enum build_way {
	BUILD_SEARCHED,
	BUILD_TRIGGERED, // deferred; some part of it is searched for
	BUILD_BARE,      // deferred; it has no part that could be searched for
	BUILD_EAGER,     // Hyperscan searches for it, because a rule depends on nothing else
};

// A subsignature as written, which is planned when all rules that have it are known.
struct build_atom {
	const char *text;
	uint32_t target;
	uint32_t rules_count; // that have it
	bool counted;
	bool placed; // a comparison asks where it begins
	enum build_way way;
	float share;         // how likely a place of text is met by what is searched for it
	float trigger_share; // the same of its rarest part
	bool has_trigger;
	uint32_t first_expression; // of a deferred one: its own
	uint32_t expressions_count;
	struct hs_database *db;
	uint32_t reach; // as in struct ruleset_deferred
	char *dropped;  // why it cannot be matched, NULL: it can
};

struct build_use {
	struct ruleset_use use;
	uint32_t next; // of the same expression, RULESET_NONE: the last
};

// A file as it was found. When all of this is the same, so are its contents.
struct build_stamp {
	uint64_t device;
	uint64_t inode;
	uint64_t bytes;
	int64_t modified_ns;
	int64_t changed_ns;
};

struct build_file {
	char *path;
	char *data; // NULL: not read, because it is known
	size_t bytes;
	bool given; // named by the caller, not found in a folder
	// For an index, and for a build that knows one.
	bool is_same; // as the file `old`
	uint8_t sha256[32];
	struct build_stamp stamp;
	uint32_t container; // number of the file that it is in, RULESET_NONE: none
	uint32_t old;       // number in the known index, RULESET_NONE: a new one
	uint32_t lines;     // of a kind that is not read
	uint32_t record;    // the first of its lines
	uint32_t records_count;
};

// A line with a signature, for an index, and for a build that knows one.
struct build_record {
	uint64_t hash[2];
	uint32_t signature; // the builder's number
	uint32_t state;     // enum index_state
	uint32_t old;       // number in the known index, RULESET_NONE: a new one
};

struct build_known;
struct build_windows;

struct build_ignore {
	const char *name;
	bool has_md5;
	uint8_t md5[16];
};

struct build {
	const struct ruleset_build_options *options;
	struct ruleset_build_stats *stats;
	struct clamav_arena arena;        // of the line being read
	struct build_vector files;        // struct build_file
	struct build_vector ignores;      // struct build_ignore
	struct build_vector signatures;   // struct build_signature
	struct build_vector expressions;  // struct build_expression
	struct build_vector uses;         // struct build_use
	struct build_vector groups;       // struct ruleset_group
	struct build_vector classes;      // struct ruleset_class
	struct build_vector atoms;        // struct build_atom
	struct build_vector texts;        // char *: of atoms that are in no file
	bool needs_bare;                  // what build_needs counts for a need
	struct build_vector rules;        // struct ruleset_rule, by the builder's numbers
	struct build_vector nodes;        // struct ruleset_node
	struct build_vector members;      // uint32_t
	struct build_vector regexes;      // struct ruleset_regex
	struct build_vector compares;     // struct ruleset_compare
	struct build_vector filetypes;    // struct ruleset_filetype
	struct build_vector member_rules; // struct ruleset_member_rule, by the builder's numbers
	struct build_vector hashes[DIGEST_ALGORITHMS]; // struct hashset_entry
	struct build_vector section_hashes[DIGEST_ALGORITHMS];
	struct build_vector import_hashes[DIGEST_ALGORITHMS];
	struct build_text strings;
	struct build_text scratch; // the expression being written
	struct build_spelling *spelling;
	uint32_t *atom_buckets; // hash table of the atoms: number + 1
	size_t atom_buckets_count;
	uint32_t *buckets; // hash table of the expressions: number + 1
	size_t buckets_count;
	struct build_text anchors
		[RULESET_ANCHOR_TABLES]; // each a struct anchor_header and what belongs to it
	struct hs_database *patterns[FILETYPE_TARGETS];
	bool wants_records;          // an index is to be made
	struct build_vector records; // struct build_record
	int64_t made_ns;             // wall clock, before the files were read
	struct build_known *known;   // what a delta is made for, NULL: an image of all
	struct ruleset_ready *ready; // may be NULL
	bool failed;                 // out of memory
};

// As ruleset_build_delta. ready may be NULL; it has checked the index if it is its own.
int build_delta(const char *const *paths, size_t paths_count,
	const struct ruleset_build_options *options, struct ruleset_built *built,
	struct ruleset_build_stats *stats, struct ruleset_ready *ready)
	__attribute__((warn_unused_result));

// Reads all files that were loaded.
void build_read_files(struct build *build);

// A new zeroed item, or NULL.
void *build_push(struct build *build, struct build_vector *vector, size_t item_bytes);
void build_append(struct build *build, struct build_text *text, const char *data, size_t n);
void build_format(struct build *build, struct build_text *text, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
// Tells the caller of a line that was not taken, and counts it.
void build_report(
	struct build *build, uint32_t file, uint32_t line, bool is_error, const char *reason);

// Reads a table of file types.
void build_read_filetypes(struct build *build, uint32_t file_number);

// Adds a use of an expression, which is the same for all signatures that ask for the same.
void build_use_expression(
	struct build *build, const struct build_expression *wanted, const struct ruleset_use *use);

// Writes a sequence as a regular expression.
void build_render(struct build *build, const struct clamav_sequence *sequence);
void build_render_class(struct build *build, const struct clamav_class *set);
// Sequences of one length each that match together what the sequence matches; linked by `next`. all:
// none of them has alternates. NULL: there would be too many, or no memory.
struct clamav_sequence *build_fixed_lengths(
	struct build *build, const struct clamav_sequence *sequence, bool all);

enum build_mode {
	BUILD_SEARCH, // while the object passes
	BUILD_LOOK,   // nothing is added
	BUILD_DEFER,  // when the object has ended, all by Hyperscan
};

// What a pattern is planned for.
struct build_goal {
	uint32_t sink; // as in struct ruleset_use
	uint32_t target;
	bool counted; // every start is wanted, not only whether there is one
	bool placed;  // where its first part begins is wanted
	enum build_mode mode;
	uint32_t regexes; // is set to how many expressions are Hyperscan's
	float share;      // is set to how likely a place of text is met, if the windows are there
	const struct build_windows *windows; // of text, or NULL
};

// What the reason begins with, where a pattern is sound but cannot be anywhere.
#define BUILD_NEVER "can never match"

// Plans a pattern, whose parts it may cut. Returns NULL or why it cannot be taken. *literal: it is one.
const char *build_plan(struct build *build, struct build_goal *goal, struct clamav_pattern *pattern,
	bool *literal);
// The same for any pattern: those with a single byte in brackets are planned as several.
const char *build_pattern(struct build *build, struct build_goal *goal,
	struct clamav_pattern *pattern, bool *literal);
// Plans a search for the rarest part of a pattern, without which the pattern cannot be there. Returns
// false when no part is rare.
bool build_plan_trigger(
	struct build *build, struct build_goal *goal, const struct clamav_pattern *pattern);
// A part of one length, byte by byte.
struct build_spelling {
	uint32_t length;
	struct clamav_class sets[RULESET_MAX_CHECK];
};

void build_spell_class(struct build_spelling *spelling, const struct clamav_class *set);
// Appends the sequence. Returns false when it is too long or has alternates.
bool build_spell(struct build_spelling *spelling, const struct clamav_sequence *sequence);
// Writes what is to be compared to the scratch.
void build_write_check(
	struct build *build, const struct build_spelling *spelling, struct build_expression *shape);
// Whether a part can be found by bytes that are rare, so that following it costs little.
bool build_is_rare(const struct clamav_part *part);
// Whether a part is nothing but fixed bytes, or letters in both cases.
bool build_is_literal(const struct clamav_part *part);

// How rare the bytes of a pattern are.
struct build_anchor {
	uint32_t score;
};

// Returns false when no bytes of the pattern are rare enough to be searched for.
bool build_find_anchor(const struct build_spelling *spelling, struct build_anchor *out);
// Makes the tables of all targets. Returns 0 or -ENOMEM.
int build_anchors(struct build *build);
// Whether some signature still needs the expression.
bool build_is_used(const struct build *build, const struct build_expression *expression);

// Keeps a rule. Returns CLAMAV_TAKEN also when it has to be dropped later.
enum clamav_result build_rule(struct build *build, const struct clamav_logical *logical,
	uint32_t signature, const char **reason);
// Whether objects of the target are mostly texts. Programs have other words, and files of theirs can be
// too large to be looked at again.
bool build_is_text(uint32_t target);
// Defers atoms that are words of every text where they need not be searched for.
void build_defer_common(struct build *build);
// Plans the atoms of all rules.
void build_plan_atoms(struct build *build);
// Keeps a rule of one subsignature. Returns CLAMAV_SKIPPED when it cannot be one.
enum clamav_result build_rule_alone(
	struct build *build, const char *text, uint32_t target, uint32_t signature);
// Drops the rules that have a dropped atom.
void build_drop_rules(struct build *build);
// A sink that nothing can reach any more.
bool build_is_dropped(const struct build *build, uint32_t sink);
void build_drop_sink(struct build *build, uint32_t sink, const char *why);
// The atoms of which one must be there for the rule to be true, as a set of its members; 0: none.
uint64_t build_needs(const struct build *build, const struct ruleset_rule *rule);
uint32_t build_add_string(struct build *build, const char *text);

// Compiles all expressions; what Hyperscan refuses is reported and its signatures are dropped.
// Returns 0 or -ENOMEM.
int build_compile(struct build *build);
// As ruleset_write, with a delta behind the image.
int build_write_both(
	const char *path, const void *image, size_t bytes, const void *delta, size_t delta_bytes);
// Makes a path another name of a file. Returns 0 or -errno.
int build_write_link(const char *path, const char *from);
// Lays the image out. Returns 0 or a negative errno.
int build_image(struct build *build, void **image, size_t *image_bytes);
