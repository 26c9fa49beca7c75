// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset_build.h"

#include <hs.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Tables as they will lie in the image.
struct tables {
	struct ruleset_meta meta;
	struct ruleset_signature *signatures;
	uint32_t signatures_count;
	struct ruleset_expression *expressions;
	struct ruleset_use *uses;
	uint32_t uses_count;
	struct ruleset_group *groups;
	uint32_t groups_count;
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
	free(tables->expressions);
	free(tables->uses);
	free(tables->groups);
	free(tables->group_index);
}

static bool new_tables(struct tables *tables, const struct build *build)
{
	tables->signatures = calloc(build->signatures.count + 1, sizeof(*tables->signatures));
	tables->expressions = calloc(build->expressions.count + 1, sizeof(*tables->expressions));
	tables->uses = calloc(build->uses.count + 1, sizeof(*tables->uses));
	tables->groups = calloc(build->groups.count + 1, sizeof(*tables->groups));
	tables->group_index = calloc(build->groups.count + 1, sizeof(*tables->group_index));
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
		signature->index = tables->signatures_count++;
		out->name = signature->name;
		out->virus_id = signature->virus_id;
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

static void fill_groups(struct tables *tables, const struct build *build)
{
	const struct build_signature *signatures = build->signatures.items;
	const struct ruleset_group *groups = build->groups.items;

	for (size_t i = 0; i < build->groups.count; i++) {
		struct ruleset_group *out = &tables->groups[tables->groups_count];

		tables->group_index[i] = RULESET_NONE;
		if (signatures[groups[i].signature].dropped)
			continue;
		tables->group_index[i] = tables->groups_count++;
		*out = groups[i];
		out->signature = signatures[groups[i].signature].index;
		out->ring = tables->meta.candidates;
		tables->meta.candidates += out->ring_count;
	}
}

static void fill_uses(struct tables *tables, const struct build *build)
{
	const struct build_signature *signatures = build->signatures.items;
	const struct build_expression *expressions = build->expressions.items;
	const struct build_use *uses = build->uses.items;

	for (size_t i = 0; i < build->expressions.count; i++) {
		tables->expressions[i].use = tables->uses_count;
		for (uint32_t at = expressions[i].first_use; at != RULESET_NONE;
			at = uses[at].next) {
			struct ruleset_use *out = &tables->uses[tables->uses_count];

			if (signatures[uses[at].use.signature].dropped)
				continue;
			*out = uses[at].use;
			out->signature = signatures[out->signature].index;
			if (out->group != RULESET_NONE)
				out->group = tables->group_index[out->group];
			tables->uses_count++;
		}
		tables->expressions[i].uses_count = tables->uses_count - tables->expressions[i].use;
	}
}

// The hash entries name signatures by the builder's numbers until here.
static void renumber_hashes(struct build *build)
{
	const struct build_signature *signatures = build->signatures.items;

	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		struct hashset_entry *entries = build->hashes[i].items;

		for (size_t at = 0; at < build->hashes[i].count; at++)
			if (entries[at].value != HASHSET_ALLOWED)
				entries[at].value = signatures[entries[at].value].index;
	}
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
	for (uint32_t i = 0; i < DIGEST_ALGORITHMS; i++) {
		struct piece *piece = add_piece(
			pieces, RULESET_HASHES, NULL, hashset_block_bytes(build->hashes[i].count));

		piece->index = i;
		piece->hashes = &build->hashes[i];
	}
	for (uint32_t i = 0; i < FILETYPE_TARGETS && err == 0; i++)
		err = add_database(pieces, RULESET_LITERALS, i, build->literals[i]);
	for (uint32_t i = 0; i < FILETYPE_TARGETS && err == 0; i++)
		err = add_database(pieces, RULESET_PATTERNS, i, build->patterns[i]);
	return err;
}

static size_t align(size_t bytes)
{
	return (bytes + RULESET_ALIGN - 1) & ~(size_t)(RULESET_ALIGN - 1);
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
		renumber_hashes(build);
		tables.meta.skipped =
			build->stats->skipped + build->stats->errors + build->stats->ignored;
		build->stats->signatures = tables.signatures_count;
		build->stats->literals = tables.meta.literals;
		build->stats->patterns = tables.meta.patterns;
		build->stats->hashes = tables.meta.hashes;
		err = collect(pieces, build, &tables);
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
