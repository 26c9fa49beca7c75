// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset_build.h"

#include "scan/clamav_member.h"
#include "scan/ruleset_build_known.h"

#include <hs.h>
#include <openssl/evp.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// A comment "#cordon: key=value; ..." carries what the formats have no field for. It counts for the
// next signature only.
#define METADATA_PREFIX "#cordon:"
#define MAX_VIRUS_ID 128

// Where in the input the builder is.
struct reader {
	struct build *build;
	uint32_t file;
	uint32_t line;
	uint32_t record; // the next of the build's records
	// For the next signature, "": none.
	char virus_id[MAX_VIRUS_ID + 1];
	char recipe[RECIPE_TEXT_BYTES];
};

uint32_t build_add_string(struct build *build, const char *text)
{
	uint32_t at = (uint32_t)build->strings.bytes;

	if (text[0] == '\0')
		return 0;
	build_append(build, &build->strings, text, strlen(text) + 1);
	return at;
}

static struct build_signature *add_signature(
	struct reader *reader, const char *name, enum match_kind kind)
{
	struct build *build = reader->build;
	struct build_signature *signature =
		build_push(build, &build->signatures, sizeof(*signature));

	if (signature == NULL)
		return NULL;
	signature->name = build_add_string(build, name);
	signature->virus_id = build_add_string(build, reader->virus_id);
	signature->recipe = build_add_string(build, reader->recipe);
	signature->kind = kind;
	signature->file = reader->file;
	signature->line = reader->line;
	signature->rank = build->known != NULL ? build->known->rank : 0;
	return signature;
}

// A value without the blanks behind it.
struct value {
	const char *text;
	size_t bytes;
};

// Whether item, up to the next ";", is of this key.
static bool is_of_key(const char *item, size_t length, const char *key, struct value *out)
{
	size_t n = strlen(key);

	if (length < n || strncmp(item, key, n) != 0)
		return false;
	*out = (struct value){item + n, length - n};
	while (out->bytes > 0 &&
		(out->text[out->bytes - 1] == ' ' || out->text[out->bytes - 1] == '\t'))
		out->bytes--;
	return true;
}

static void read_recipe(struct reader *reader, const struct value *value)
{
	struct recipe recipe;
	const char *why;

	reader->recipe[0] = '\0';
	if (value->bytes == 0 || (value->bytes == 2 && memcmp(value->text, "no", 2) == 0))
		return;
	if (recipe_parse(value->text, value->bytes, &recipe, &why) != 0) {
		build_report(reader->build, reader->file, reader->line, true, why);
		return;
	}
	memcpy(reader->recipe, value->text, value->bytes);
	reader->recipe[value->bytes] = '\0';
}

static void read_virus_id(struct reader *reader, const struct value *value)
{
	if (value->bytes > MAX_VIRUS_ID) {
		build_report(reader->build, reader->file, reader->line, true,
			"virus_id is longer than 128 bytes");
		return;
	}
	memcpy(reader->virus_id, value->text, value->bytes);
	reader->virus_id[value->bytes] = '\0';
}

static void read_metadata(struct reader *reader, const char *text)
{
	while (*text != '\0') {
		struct value value;
		size_t length;

		text += strspn(text, " \t;");
		length = strcspn(text, ";");
		if (is_of_key(text, length, "virus_id=", &value))
			read_virus_id(reader, &value);
		else if (is_of_key(text, length, "disinfect=", &value))
			read_recipe(reader, &value);
		text += length;
	}
}

// ---- ignore lists ------------------------------------------------------------------------------

static void read_ignored(struct build *build, uint32_t file_number)
{
	struct build_file *file = (struct build_file *)build->files.items + file_number;
	uint32_t number = 0;
	size_t at = 0;
	size_t length;
	char *line;

	while ((line = build_next_line(file, &at, &length)) != NULL) {
		struct build_ignore *ignore;
		char *fields[4];
		size_t count;

		number++;
		if (line[0] == '#')
			continue;
		count = clamav_split(line, fields, 4);
		ignore = build_push(build, &build->ignores, sizeof(*ignore));
		if (ignore == NULL)
			return;
		// The old form has the name in the third field; file and line are of no use.
		ignore->name = fields[count == 3 ? 2 : 0];
		ignore->has_md5 = count == 2;
		if (count > 3 || ignore->name[0] == '\0' ||
			(ignore->has_md5 && !clamav_parse_digest(fields[1], 16, ignore->md5))) {
			build->ignores.count--;
			build_report(build, file_number, number, true,
				"not Name[:MD5] or File:Line:Name");
		}
	}
}

static int compare_ignores(const void *a, const void *b)
{
	const struct build_ignore *x = a;
	const struct build_ignore *y = b;

	return strcmp(x->name, y->name);
}

// The name of a signature is what stands before the first colon, or third in a hash line.
static bool name_of_line(const char *line, enum build_kind kind, char *name, size_t bytes)
{
	size_t length;

	bool first =
		kind == BUILD_NDB || kind == BUILD_DB || kind == BUILD_LDB || kind == BUILD_MEMBERS;

	for (int skip = first ? 0 : 2; skip > 0; skip--) {
		line = strchr(line, ':');
		if (line == NULL)
			return false;
		line++;
	}
	length = strcspn(line, kind == BUILD_LDB ? ";" : kind == BUILD_DB ? "=" : ":");
	if (length >= bytes)
		return false;
	memcpy(name, line, length);
	name[length] = '\0';
	return true;
}

static bool is_ignored(const struct build *build, const char *line, enum build_kind kind)
{
	const struct build_ignore *ignores = build->ignores.items;
	char name[1024];
	uint8_t md5[EVP_MAX_MD_SIZE];
	size_t low = 0;
	size_t high = build->ignores.count;

	if (high == 0 || !name_of_line(line, kind, name, sizeof(name)))
		return false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(ignores[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < build->ignores.count && strcmp(ignores[low].name, name) == 0; low++) {
		if (!ignores[low].has_md5)
			return true;
		if (EVP_Digest(line, strlen(line), md5, NULL, EVP_md5(), NULL) == 1 &&
			memcmp(md5, ignores[low].md5, sizeof(ignores[low].md5)) == 0)
			return true;
	}
	return false;
}

// ---- signatures --------------------------------------------------------------------------------

// Where the third field begins.
static size_t offset_of_body(const char *line)
{
	size_t at = 0;

	for (unsigned int i = 0; i < 2; i++) {
		at += strcspn(line + at, ":");
		at += line[at] == ':';
	}
	return at;
}

// Whether Hyperscan would have to search for it.
static bool needs_regexes(struct build *build, struct clamav_body_signature *parsed, bool *literal)
{
	struct build_goal goal = {.target = parsed->target, .mode = BUILD_LOOK};

	return build_pattern(build, &goal, &parsed->pattern, literal) == NULL && goal.regexes > 0;
}

static enum clamav_result take_ndb(struct reader *reader, char *line, const char **reason)
{
	struct build *build = reader->build;
	uint32_t number = (uint32_t)build->signatures.count;
	struct clamav_body_signature parsed = {0};
	struct build_signature *signature;
	struct build_goal goal;
	char text[CLAMAV_MAX_LINE + 1];
	enum clamav_result result;
	bool literal = false;
	bool alone;

	// Offset and body, as a rule has them.
	(void)snprintf(text, sizeof(text), "%s", line + offset_of_body(line));
	text[strcspn(text, ":") + 1 + strcspn(text + strcspn(text, ":") + 1, ":")] = '\0';
	result = clamav_parse_ndb(&build->arena, line, &parsed, reason);
	if (result != CLAMAV_TAKEN)
		return result;
	alone = needs_regexes(build, &parsed, &literal) &&
		build_rule_alone(build, text, parsed.target, number) == CLAMAV_TAKEN;
	signature = add_signature(reader, parsed.name, MATCH_PATTERN);
	if (signature == NULL)
		return CLAMAV_TAKEN;
	signature->target = parsed.target;
	signature->literal = literal;
	if (alone)
		return CLAMAV_TAKEN;
	goal = (struct build_goal){.sink = number, .target = parsed.target, .mode = BUILD_SEARCH};
	*reason = build_pattern(build, &goal, &parsed.pattern, &literal);
	signature->dropped = *reason != NULL;
	return *reason == NULL ? CLAMAV_TAKEN : CLAMAV_SKIPPED;
}

static enum clamav_result take_ldb(struct reader *reader, char *line, const char **reason)
{
	struct build *build = reader->build;
	uint32_t number = (uint32_t)build->signatures.count;
	struct clamav_logical parsed = {0};
	struct build_signature *signature;
	enum clamav_result result = clamav_parse_logical(&build->arena, line, &parsed, reason);

	if (result == CLAMAV_TAKEN)
		result = build_rule(build, &parsed, number, reason);
	if (result != CLAMAV_TAKEN)
		return result;
	signature = add_signature(reader, parsed.name, MATCH_PATTERN);
	if (signature != NULL)
		signature->target = parsed.target;
	return CLAMAV_TAKEN;
}

static struct ruleset_range range_of(const struct clamav_range *range)
{
	return (struct ruleset_range){range->min, range->max};
}

static enum clamav_result take_cdb(struct reader *reader, char *line, const char **reason)
{
	struct build *build = reader->build;
	struct clamav_member_signature parsed;
	struct ruleset_member_rule *rule;
	enum clamav_result result = clamav_parse_cdb(&build->arena, line, &parsed, reason);

	if (result != CLAMAV_TAKEN)
		return result;
	rule = build_push(build, &build->member_rules, sizeof(*rule));
	if (rule == NULL || add_signature(reader, parsed.name, MATCH_PATTERN) == NULL)
		return CLAMAV_TAKEN;
	*rule = (struct ruleset_member_rule){
		.signature = (uint32_t)build->signatures.count - 1,
		.name = parsed.file_name != NULL ? build_add_string(build, parsed.file_name) : 0,
		.flags = parsed.ignores_case ? RULESET_MEMBER_CASELESS : 0,
		.container = parsed.has_container ? parsed.container : RULESET_NONE,
		.encrypted = parsed.has_encrypted ? parsed.is_encrypted : RULESET_NONE,
		.container_bytes = range_of(&parsed.container_bytes),
		.packed = range_of(&parsed.packed),
		.bytes = range_of(&parsed.bytes),
		.position = range_of(&parsed.position),
	};
	return CLAMAV_TAKEN;
}

// The line as one of an .ndb. NULL, and a reason: it is none.
static char *line_of_db(struct build *build, const char *line, const char **reason)
{
	static const char mark[] = " (Clam)"; // behind names of old
	const char *hex = strchr(line, '=');
	size_t name = hex != NULL ? (size_t)(hex - line) : 0;
	size_t bytes = strlen(line) + sizeof(":0:*:");
	char *out;

	if (name == 0 || memchr(line, ':', name) != NULL || strchr(hex, ':') != NULL) {
		*reason = "not Name=Hex";
		return NULL;
	}
	out = clamav_alloc(&build->arena, bytes);
	if (out == NULL) {
		*reason = "out of memory";
		return NULL;
	}
	if (name > sizeof(mark) - 1 &&
		memcmp(hex - (sizeof(mark) - 1), mark, sizeof(mark) - 1) == 0)
		name -= sizeof(mark) - 1;
	(void)snprintf(out, bytes, "%.*s:0:*:%s", (int)name, line, hex + 1);
	return out;
}

static enum clamav_result take_db(struct reader *reader, const char *line, const char **reason)
{
	const char *hex = strchr(line, '=');
	char *ndb;

	// As ClamAV: of these nothing is taken.
	if (hex != NULL && hex[1] == '=')
		return CLAMAV_TAKEN;
	ndb = line_of_db(reader->build, line, reason);
	return ndb != NULL ? take_ndb(reader, ndb, reason) : CLAMAV_MALFORMED;
}

static enum clamav_result take_hash(
	struct reader *reader, char *line, enum build_kind kind, const char **reason)
{
	struct build *build = reader->build;
	struct clamav_hash_signature parsed = {0};
	struct hashset_entry *entry;
	struct build_vector *hashes = kind == BUILD_SECTIONS  ? build->section_hashes
				      : kind == BUILD_IMPORTS ? build->import_hashes
							      : build->hashes;
	enum clamav_hash_form form = kind == BUILD_SECTIONS  ? CLAMAV_HASH_SECTION
				     : kind == BUILD_IMPORTS ? CLAMAV_HASH_IMPORTS
							     : CLAMAV_HASH_FILE;
	enum clamav_result result = clamav_parse_hash(line, form, &parsed, reason);

	if (result != CLAMAV_TAKEN)
		return result;
	entry = build_push(build, &hashes[parsed.algorithm], sizeof(*entry));
	if (entry == NULL)
		return CLAMAV_TAKEN;
	memcpy(entry->digest, parsed.digest, sizeof(entry->digest));
	entry->bytes = parsed.bytes;
	entry->value = HASHSET_ALLOWED;
	if (kind != BUILD_ALLOWED && add_signature(reader, parsed.name, MATCH_HASH) != NULL)
		entry->value = (uint32_t)build->signatures.count - 1;
	return CLAMAV_TAKEN;
}

// ClamAV takes blanks at the end of these: as a part of the last field, where that is a text.
static bool may_end_blank(enum build_kind kind)
{
	return kind != BUILD_NDB && kind != BUILD_DB && kind != BUILD_LDB;
}

static enum clamav_result take_line(
	struct reader *reader, char *line, size_t length, enum build_kind kind, const char **reason)
{
	size_t max = kind == BUILD_LDB ? CLAMAV_MAX_LOGICAL_LINE : CLAMAV_MAX_LINE;

	if (length == 0 || strlen(line) != length) {
		*reason = length == 0 ? "blank line" : "NUL byte in the line";
		return CLAMAV_MALFORMED;
	}
	if (length >= max || (!may_end_blank(kind) && strchr(" \t", line[length - 1]) != NULL)) {
		*reason = length >= max ? "line too long" : "trailing blanks";
		return CLAMAV_MALFORMED;
	}
	if (is_ignored(reader->build, line, kind)) {
		reader->build->stats->ignored++;
		return CLAMAV_TAKEN;
	}
	if (kind == BUILD_NDB)
		return take_ndb(reader, line, reason);
	if (kind == BUILD_DB)
		return take_db(reader, line, reason);
	if (kind == BUILD_LDB)
		return take_ldb(reader, line, reason);
	if (kind == BUILD_MEMBERS)
		return take_cdb(reader, line, reason);
	return take_hash(reader, line, kind, reason);
}

// The lines of a file as records, where an index is made or known.
static uint32_t list_records(struct build *build, uint32_t file_number, enum build_kind kind)
{
	struct build_file *file = (struct build_file *)build->files.items + file_number;

	if (!build->wants_records && build->known == NULL)
		return RULESET_NONE;
	file->record = build_index_lines(build, file_number, kind);
	file->records_count = (uint32_t)build->records.count - file->record;
	if (build->known != NULL)
		build_known_align(build, file_number);
	return file->record;
}

static enum index_state state_of(const struct reader *reader, enum clamav_result result,
	uint32_t ignored, uint32_t signatures)
{
	const struct build *build = reader->build;

	if (result != CLAMAV_TAKEN)
		return result == CLAMAV_MALFORMED ? INDEX_MALFORMED : INDEX_SKIPPED;
	if (build->stats->ignored > ignored)
		return INDEX_IGNORED;
	return build->signatures.count > signatures ? INDEX_PATTERN : INDEX_ALLOWED;
}

static void read_line(struct reader *reader, char *line, size_t length, enum build_kind kind)
{
	struct build *build = reader->build;
	struct build_record *record =
		reader->record != RULESET_NONE
			? (struct build_record *)build->records.items + reader->record++
			: NULL;
	uint32_t ignored = build->stats->ignored;
	uint32_t signatures = (uint32_t)build->signatures.count;
	const char *reason = NULL;
	enum clamav_result result;

	if (build->known != NULL &&
		build_known_line(
			build, record, build->known->rechecks && is_ignored(build, line, kind)))
		return;
	build->stats->lines++;
	result = take_line(reader, line, length, kind, &reason);
	if (result != CLAMAV_TAKEN)
		build_report(build, reader->file, reader->line, result == CLAMAV_MALFORMED, reason);
	if (record == NULL)
		return;
	record->signature = signatures;
	record->state = state_of(reader, result, ignored, signatures);
}

static void read_signatures(struct build *build, uint32_t file_number, enum build_kind kind)
{
	struct build_file *file = (struct build_file *)build->files.items + file_number;
	struct reader reader = {.build = build, .file = file_number};
	size_t at = 0;
	size_t length;
	char *line;

	reader.record = list_records(build, file_number, kind);
	if (build->known != NULL && build->known->is_too_much)
		return;
	while (!build->failed && (line = build_next_line(file, &at, &length)) != NULL) {
		reader.line++;
		if (line[0] == '#') {
			if (strncmp(line, METADATA_PREFIX, strlen(METADATA_PREFIX)) == 0)
				read_metadata(&reader, line + strlen(METADATA_PREFIX));
			continue;
		}
		read_line(&reader, line, length, kind);
		reader.virus_id[0] = '\0';
		reader.recipe[0] = '\0';
		clamav_reset(&build->arena);
	}
}

static void skip_file(struct build *build, uint32_t file_number, const char *reason)
{
	struct build_file *file = (struct build_file *)build->files.items + file_number;
	uint32_t lines = 0;
	size_t at = 0;
	size_t length;
	char *line;

	while ((line = build_next_line(file, &at, &length)) != NULL)
		if (length > 0 && line[0] != '#')
			lines++;
	file->lines = lines;
	build->stats->lines += lines;
	build_report(build, file_number, 0, false, reason);
	build->stats->skipped += lines > 0 ? lines - 1 : 0;
}

void build_read_files(struct build *build)
{
	const struct build_file *files;

	build_open_containers(build);
	if (build->known != NULL)
		build_known_ignores(build);
	files = build->files.items;
	for (uint32_t i = 0; i < build->files.count; i++)
		if (build_file_kind(&files[i]) == BUILD_IGNORED)
			read_ignored(build, i);
	if (build->ignores.count > 0)
		qsort(build->ignores.items, build->ignores.count, sizeof(struct build_ignore),
			compare_ignores);
	for (uint32_t i = 0; i < build->files.count && !build->failed; i++) {
		enum build_kind kind = build_file_kind(&files[i]);

		build->stats->files++;
		if (build->known != NULL && build_known_file(build, i, kind))
			continue;
		switch (kind) {
		case BUILD_NDB:
		case BUILD_DB:
		case BUILD_LDB:
		case BUILD_SECTIONS:
		case BUILD_IMPORTS:
		case BUILD_MEMBERS:
		case BUILD_HASHES:
		case BUILD_ALLOWED:
			read_signatures(build, i, kind);
			break;
		case BUILD_FILETYPES:
			build_read_filetypes(build, i);
			break;
		case BUILD_IGNORED:
		case BUILD_CONTAINER:
			break;
		case BUILD_UNSUPPORTED:
			skip_file(build, i, "this kind of signature file is not supported");
			break;
		case BUILD_OPTIONAL:
			skip_file(build, i,
				"potentially unwanted applications: name the file to read it");
			break;
		case BUILD_OTHER:
			build_report(build, i, 0, true, "not a signature file, by its extension");
			break;
		}
	}
}
