// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset_build_known.h"

#include <hs.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Tables as they will lie in the image.
struct tables {
	struct ruleset_meta meta;
	struct ruleset_base base; // of a delta
	uint32_t *ranks;
	struct ruleset_signature *signatures;
	uint32_t signatures_count;
	struct ruleset_expression *expressions;
	struct ruleset_use *uses;
	uint32_t uses_count;
	struct build_text check_bytes;
	struct build_vector deferred; // struct ruleset_deferred
	uint8_t *databases;
	size_t databases_bytes;
	struct ruleset_group *groups;
	uint32_t groups_count;
	struct ruleset_atom *atoms;
	struct ruleset_rule *rules;
	uint32_t rules_count;
	uint32_t *keyed;
	uint32_t keyed_count;
	uint32_t *unkeyed;
	uint32_t unkeyed_count;
	uint64_t *needs;       // of each rule
	uint32_t *group_index; // of each group of the builder, RULESET_NONE: dropped
};

// One section that is to be written.
struct piece {
	uint32_t kind;
	uint32_t index;
	const void *data; // NULL for hashes and databases, which are made in place
	size_t bytes;
	struct build_vector *hashes;
	char *serialized; // of a database
	size_t serialized_bytes;
};

struct pieces {
	size_t count;
	struct piece items[RULESET_MAX_SECTIONS];
};

static void free_tables(struct tables *tables)
{
	free(tables->signatures);
	free(tables->ranks);
	free(tables->expressions);
	free(tables->uses);
	free(tables->check_bytes.data);
	free(tables->deferred.items);
	free(tables->databases);
	free(tables->groups);
	free(tables->group_index);
	free(tables->atoms);
	free(tables->rules);
	free(tables->keyed);
	free(tables->unkeyed);
	free(tables->needs);
}

static bool new_tables(struct tables *tables, const struct build *build)
{
	tables->signatures = calloc(build->signatures.count + 1, sizeof(*tables->signatures));
	tables->ranks = calloc(build->signatures.count + 1, sizeof(*tables->ranks));
	tables->expressions = calloc(build->expressions.count + 1, sizeof(*tables->expressions));
	tables->uses = calloc(build->uses.count + 1, sizeof(*tables->uses));
	tables->groups = calloc(build->groups.count + 1, sizeof(*tables->groups));
	tables->group_index = calloc(build->groups.count + 1, sizeof(*tables->group_index));
	tables->atoms = calloc(build->atoms.count + 1, sizeof(*tables->atoms));
	tables->rules = calloc(build->rules.count + 1, sizeof(*tables->rules));
	tables->unkeyed = calloc(build->rules.count + 1, sizeof(*tables->unkeyed));
	tables->needs = calloc(build->rules.count + 1, sizeof(*tables->needs));
	tables->keyed = calloc(build->members.count + 1, sizeof(*tables->keyed));
	if (tables->atoms == NULL || tables->rules == NULL || tables->unkeyed == NULL ||
		tables->needs == NULL || tables->keyed == NULL || tables->ranks == NULL)
		return false;
	return tables->signatures != NULL && tables->expressions != NULL && tables->uses != NULL &&
	       tables->groups != NULL && tables->group_index != NULL;
}

static void fill_signatures(struct tables *tables, struct build *build)
{
	struct build_signature *signatures = build->signatures.items;

	for (size_t i = 0; i < build->signatures.count; i++) {
		struct build_signature *signature = &signatures[i];
		struct ruleset_signature *out = &tables->signatures[tables->signatures_count];

		if (signature->dropped)
			continue;
		tables->ranks[tables->signatures_count] = signature->rank;
		signature->index = tables->signatures_count++;
		out->name = signature->name;
		out->virus_id = signature->virus_id;
		out->recipe = signature->recipe;
		out->kind = signature->kind;
		out->target = signature->target;
		if (signature->kind == MATCH_HASH)
			tables->meta.hashes++;
		else if (signature->literal)
			tables->meta.literals++;
		else
			tables->meta.patterns++;
	}
}

static uint32_t image_sink(const struct build *build, uint32_t sink)
{
	const struct build_signature *signatures = build->signatures.items;

	return (sink & RULESET_ATOM) != 0 ? sink : signatures[sink].index;
}

static void fill_groups(struct tables *tables, const struct build *build)
{
	const struct ruleset_group *groups = build->groups.items;

	for (size_t i = 0; i < build->groups.count; i++) {
		struct ruleset_group *out = &tables->groups[tables->groups_count];

		tables->group_index[i] = RULESET_NONE;
		if (build_is_dropped(build, groups[i].sink))
			continue;
		tables->group_index[i] = tables->groups_count++;
		*out = groups[i];
		out->sink = image_sink(build, groups[i].sink);
	}
}

static void fill_check(struct tables *tables, struct build *build,
	const struct build_expression *expression, struct ruleset_expression *out)
{
	if (expression->check_kind == RULESET_CHECK_NONE)
		return;
	out->check = (uint32_t)tables->check_bytes.bytes;
	out->length = (uint16_t)expression->length;
	out->check_kind = (uint8_t)expression->check_kind;
	out->flags = (uint8_t)expression->flags;
	build_append(build, &tables->check_bytes, expression->text, expression->bytes);
}

static void fill_uses(struct tables *tables, struct build *build)
{
	const struct build_expression *expressions = build->expressions.items;
	const struct build_use *uses = build->uses.items;

	for (size_t i = 0; i < build->expressions.count; i++) {
		tables->expressions[i].use = tables->uses_count;
		for (uint32_t at = expressions[i].first_use; at != RULESET_NONE;
			at = uses[at].next) {
			struct ruleset_use *out = &tables->uses[tables->uses_count];

			if (build_is_dropped(build, uses[at].use.sink))
				continue;
			*out = uses[at].use;
			out->sink = image_sink(build, out->sink);
			if (out->group != RULESET_NONE)
				out->group = tables->group_index[out->group];
			tables->uses_count++;
		}
		tables->expressions[i].uses_count = tables->uses_count - tables->expressions[i].use;
		fill_check(tables, build, &expressions[i], &tables->expressions[i]);
	}
}

// Each rule is listed with the atoms of which one must be there.
static void fill_rules(struct tables *tables, const struct build *build)
{
	const struct build_signature *signatures = build->signatures.items;
	const struct ruleset_rule *rules = build->rules.items;
	const uint32_t *members = build->members.items;
	const struct build_atom *atoms = build->atoms.items;

	for (size_t i = 0; i < build->rules.count; i++) {
		uint32_t number = tables->rules_count;

		if (signatures[rules[i].signature].dropped)
			continue;
		tables->rules[tables->rules_count++] = rules[i];
		tables->rules[number].signature = signatures[rules[i].signature].index;
		tables->needs[number] = build_needs(build, &rules[i]);
		if (tables->needs[number] == 0)
			tables->unkeyed[tables->unkeyed_count++] = number;
		for (uint32_t k = 0; k < rules[i].members_count; k++)
			if ((tables->needs[number] >> k & 1) != 0)
				tables->atoms[members[rules[i].member + k]].keyed_count++;
	}
	for (size_t i = 0; i < build->atoms.count; i++) {
		tables->atoms[i].counted = atoms[i].counted;
		tables->atoms[i].deferred = RULESET_NONE;
		tables->atoms[i].keyed = tables->keyed_count;
		tables->keyed_count += tables->atoms[i].keyed_count;
		tables->atoms[i].keyed_count = 0;
	}
	for (uint32_t i = 0; i < tables->rules_count; i++) {
		for (uint32_t k = 0; k < tables->rules[i].members_count; k++) {
			struct ruleset_atom *atom;

			if ((tables->needs[i] >> k & 1) == 0)
				continue;
			atom = &tables->atoms[members[tables->rules[i].member + k]];
			tables->keyed[atom->keyed + atom->keyed_count++] = i;
		}
	}
}

static size_t align(size_t bytes)
{
	return (bytes + RULESET_ALIGN - 1) & ~(size_t)(RULESET_ALIGN - 1);
}

// Bytes of a database as it lies in the image.
static size_t database_bytes(const struct hs_database *db)
{
	char *serialized = NULL;
	size_t serialized_bytes = 0;
	size_t bytes = 0;

	if (hs_serialize_database(db, &serialized, &serialized_bytes) != HS_SUCCESS ||
		hs_serialized_database_size(serialized, serialized_bytes, &bytes) != HS_SUCCESS)
		bytes = 0;
	free(serialized);
	return bytes;
}

static int write_database(const struct hs_database *db, uint8_t *out)
{
	char *serialized = NULL;
	size_t bytes = 0;
	hs_error_t status = hs_serialize_database(db, &serialized, &bytes);

	if (status == HS_SUCCESS)
		status =
			hs_deserialize_database_at(serialized, bytes, (hs_database_t *)(void *)out);
	free(serialized);
	return status == HS_SUCCESS ? 0 : -EIO;
}

static int fill_deferred(struct tables *tables, struct build *build)
{
	const struct build_atom *atoms = build->atoms.items;

	for (uint32_t i = 0; i < build->atoms.count; i++) {
		struct ruleset_deferred *deferred;

		if (atoms[i].db == NULL)
			continue;
		deferred = build_push(build, &tables->deferred, sizeof(*deferred));
		if (deferred == NULL)
			return -ENOMEM;
		tables->atoms[i].deferred = (uint32_t)tables->deferred.count - 1;
		deferred->at = tables->databases_bytes;
		deferred->bytes = database_bytes(atoms[i].db);
		deferred->atom = i;
		deferred->expression = atoms[i].first_expression;
		deferred->expressions_count = atoms[i].expressions_count;
		deferred->reach = atoms[i].way == BUILD_TRIGGERED ? atoms[i].reach : 0;
		tables->databases_bytes += align(deferred->bytes);
	}
	if (tables->databases_bytes == 0)
		return 0;
	tables->databases = aligned_alloc(RULESET_ALIGN, tables->databases_bytes);
	if (tables->databases == NULL)
		return -ENOMEM;
	memset(tables->databases, 0, tables->databases_bytes);
	for (size_t i = 0; i < tables->deferred.count; i++) {
		const struct ruleset_deferred *deferred =
			(const struct ruleset_deferred *)tables->deferred.items + i;
		int err =
			write_database(atoms[deferred->atom].db, tables->databases + deferred->at);

		if (err != 0)
			return err;
	}
	return 0;
}

// The hash entries name signatures by the builder's numbers until here.
static void renumber_hashes(struct build *build)
{
	const struct build_signature *signatures = build->signatures.items;

	struct build_vector *const tables[] = {
		build->hashes, build->section_hashes, build->import_hashes};

	for (unsigned int i = 0; i < 3 * DIGEST_ALGORITHMS; i++) {
		const struct build_vector *hashes =
			&tables[i / DIGEST_ALGORITHMS][i % DIGEST_ALGORITHMS];
		struct hashset_entry *entries = hashes->items;

		for (size_t at = 0; at < hashes->count; at++)
			if (entries[at].value != HASHSET_ALLOWED)
				entries[at].value = signatures[entries[at].value].index;
	}
}

static void renumber_member_rules(struct build *build)
{
	const struct build_signature *signatures = build->signatures.items;
	struct ruleset_member_rule *rules = build->member_rules.items;

	for (size_t i = 0; i < build->member_rules.count; i++)
		rules[i].signature = signatures[rules[i].signature].index;
}

static struct piece *add_piece(struct pieces *pieces, uint32_t kind, const void *data, size_t bytes)
{
	struct piece *piece = &pieces->items[pieces->count++];

	piece->kind = kind;
	piece->data = data;
	piece->bytes = bytes;
	return piece;
}

static int add_database(
	struct pieces *pieces, uint32_t kind, uint32_t target, const struct hs_database *db)
{
	struct piece *piece;

	if (db == NULL)
		return 0;
	piece = add_piece(pieces, kind, NULL, 0);
	piece->index = target;
	if (hs_serialize_database(db, &piece->serialized, &piece->serialized_bytes) != HS_SUCCESS)
		return -ENOMEM;
	return hs_serialized_database_size(
		       piece->serialized, piece->serialized_bytes, &piece->bytes) == HS_SUCCESS
		       ? 0
		       : -EIO;
}

static void add_vector(
	struct pieces *pieces, uint32_t kind, const struct build_vector *vector, size_t item_bytes)
{
	(void)add_piece(pieces, kind, vector->items, vector->count * item_bytes);
}

static void add_hashes(struct pieces *pieces, uint32_t kind, struct build_vector *vectors)
{
	for (uint32_t i = 0; i < DIGEST_ALGORITHMS; i++) {
		struct piece *piece =
			add_piece(pieces, kind, NULL, hashset_block_bytes(vectors[i].count));

		piece->index = i;
		piece->hashes = &vectors[i];
	}
}

static void collect_rules(
	struct pieces *pieces, const struct build *build, const struct tables *tables)
{
	(void)add_piece(
		pieces, RULESET_CHECK_BYTES, tables->check_bytes.data, tables->check_bytes.bytes);
	add_vector(pieces, RULESET_CLASSES, &build->classes, sizeof(struct ruleset_class));
	(void)add_piece(
		pieces, RULESET_ATOMS, tables->atoms, build->atoms.count * sizeof(*tables->atoms));
	(void)add_piece(
		pieces, RULESET_RULES, tables->rules, tables->rules_count * sizeof(*tables->rules));
	add_vector(pieces, RULESET_NODES, &build->nodes, sizeof(struct ruleset_node));
	add_vector(pieces, RULESET_MEMBERS, &build->members, sizeof(uint32_t));
	(void)add_piece(
		pieces, RULESET_KEYED, tables->keyed, tables->keyed_count * sizeof(*tables->keyed));
	(void)add_piece(pieces, RULESET_UNKEYED, tables->unkeyed,
		tables->unkeyed_count * sizeof(*tables->unkeyed));
	add_vector(pieces, RULESET_REGEXES, &build->regexes, sizeof(struct ruleset_regex));
	add_vector(pieces, RULESET_COMPARES, &build->compares, sizeof(struct ruleset_compare));
	add_vector(pieces, RULESET_DEFERRED, &tables->deferred, sizeof(struct ruleset_deferred));
	add_vector(pieces, RULESET_MEMBER_RULES, &build->member_rules,
		sizeof(struct ruleset_member_rule));
	add_vector(pieces, RULESET_FILETYPES, &build->filetypes, sizeof(struct ruleset_filetype));
}

static void collect_delta(
	struct pieces *pieces, const struct build *build, const struct tables *tables)
{
	if (build->known == NULL)
		return;
	(void)add_piece(pieces, RULESET_BASE, &tables->base, sizeof(tables->base));
	add_vector(pieces, RULESET_REMOVED, &build->known->removed, sizeof(uint32_t));
	(void)add_piece(pieces, RULESET_RANKS, tables->ranks,
		tables->signatures_count * sizeof(*tables->ranks));
}

static int collect(struct pieces *pieces, struct build *build, const struct tables *tables)
{
	int err = 0;

	(void)add_piece(pieces, RULESET_META, &tables->meta, sizeof(tables->meta));
	(void)add_piece(pieces, RULESET_STRINGS, build->strings.data, build->strings.bytes);
	(void)add_piece(pieces, RULESET_SIGNATURES, tables->signatures,
		tables->signatures_count * sizeof(*tables->signatures));
	(void)add_piece(pieces, RULESET_EXPRESSIONS, tables->expressions,
		build->expressions.count * sizeof(*tables->expressions));
	(void)add_piece(
		pieces, RULESET_USES, tables->uses, tables->uses_count * sizeof(*tables->uses));
	(void)add_piece(pieces, RULESET_GROUPS, tables->groups,
		tables->groups_count * sizeof(*tables->groups));
	collect_rules(pieces, build, tables);
	collect_delta(pieces, build, tables);
	add_hashes(pieces, RULESET_HASHES, build->hashes);
	add_hashes(pieces, RULESET_SECTION_HASHES, build->section_hashes);
	add_hashes(pieces, RULESET_IMPORT_HASHES, build->import_hashes);
	for (uint32_t i = 0; i < RULESET_ANCHOR_TABLES; i++)
		if (build->anchors[i].bytes > 0)
			add_piece(pieces, RULESET_ANCHORS, build->anchors[i].data,
				build->anchors[i].bytes)
				->index = i;
	for (uint32_t i = 0; i < FILETYPE_TARGETS && err == 0; i++)
		err = add_database(pieces, RULESET_PATTERNS, i, build->patterns[i]);
	if (tables->databases_bytes > 0)
		(void)add_piece(
			pieces, RULESET_DATABASES, tables->databases, tables->databases_bytes);
	return err;
}

static int write_pieces(const struct pieces *pieces, uint8_t *image, size_t image_bytes)
{
	struct ruleset_header *header = (void *)image;
	size_t at = align(sizeof(*header));

	memcpy(header->magic, RULESET_MAGIC, sizeof(header->magic));
	header->format = RULESET_FORMAT;
	header->image_bytes = image_bytes;
	for (size_t i = 0; i < pieces->count; i++) {
		const struct piece *piece = &pieces->items[i];
		struct ruleset_section *section = &header->sections[header->sections_count++];

		*section = (struct ruleset_section){piece->kind, piece->index, at, piece->bytes};
		if (piece->hashes != NULL)
			hashset_build(piece->hashes->items, piece->hashes->count, image + at);
		else if (piece->serialized != NULL &&
			 hs_deserialize_database_at(piece->serialized, piece->serialized_bytes,
				 (hs_database_t *)(void *)(image + at)) != HS_SUCCESS)
			return -EIO;
		else if (piece->data != NULL && piece->bytes > 0)
			memcpy(image + at, piece->data, piece->bytes);
		at += align(piece->bytes);
	}
	return ruleset_seal(image, image_bytes);
}

static int lay_out(const struct pieces *pieces, void **out, size_t *out_bytes)
{
	size_t bytes = align(sizeof(struct ruleset_header));
	uint8_t *image;
	int err;

	for (size_t i = 0; i < pieces->count; i++)
		bytes += align(pieces->items[i].bytes);
	image = aligned_alloc(RULESET_ALIGN, bytes);
	if (image == NULL)
		return -ENOMEM;
	memset(image, 0, bytes);
	err = write_pieces(pieces, image, bytes);
	if (err != 0) {
		free(image);
		return err;
	}
	*out = image;
	*out_bytes = bytes;
	return 0;
}

int build_image(struct build *build, void **image, size_t *image_bytes)
{
	struct pieces *pieces = calloc(1, sizeof(*pieces));
	struct tables tables = {0};
	int err = -ENOMEM;

	if (pieces != NULL && new_tables(&tables, build)) {
		(void)snprintf(
			tables.meta.hs_version, sizeof(tables.meta.hs_version), "%s", hs_version());
		fill_signatures(&tables, build);
		fill_groups(&tables, build);
		fill_uses(&tables, build);
		fill_rules(&tables, build);
		renumber_hashes(build);
		renumber_member_rules(build);
		tables.meta.skipped =
			build->stats->skipped + build->stats->errors + build->stats->ignored;
		build->stats->signatures = tables.signatures_count;
		build->stats->literals = tables.meta.literals;
		build->stats->patterns = tables.meta.patterns;
		build->stats->hashes = tables.meta.hashes;
		if (build->known != NULL)
			build_known_total(build, &tables.meta, &tables.base);
		err = fill_deferred(&tables, build);
		if (err == 0)
			err = build->failed ? -ENOMEM : collect(pieces, build, &tables);
	}
	if (err == 0)
		err = lay_out(pieces, image, image_bytes);
	if (err == 0)
		build->stats->image_bytes = *image_bytes;
	for (size_t i = 0; pieces != NULL && i < pieces->count; i++)
		free(pieces->items[i].serialized);
	free(pieces);
	free_tables(&tables);
	return err;
}
