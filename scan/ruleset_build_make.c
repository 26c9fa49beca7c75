// SPDX-License-Identifier: BSD-3-Clause
// Building from the first step to the last: an image of all, one with an index, or a delta.
#include "scan/ruleset_build.h"
#include "scan/ruleset_build_known.h"
#include "scan/ruleset_build_ready.h"

#include <hs.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void free_atom(struct build_atom *atom)
{
	free(atom->dropped);
	(void)hs_free_database(atom->db);
}

static void free_build(struct build *build)
{
	struct build_expression *expressions = build->expressions.items;

	for (size_t i = 0; i < build->expressions.count; i++)
		free(expressions[i].text);
	for (unsigned int i = 0; i < RULESET_ANCHOR_TABLES; i++)
		free(build->anchors[i].data);
	for (unsigned int i = 0; i < FILETYPE_TARGETS; i++)
		(void)hs_free_database(build->patterns[i]);
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		free(build->hashes[i].items);
		free(build->section_hashes[i].items);
		free(build->import_hashes[i].items);
	}
	for (size_t i = 0; i < build->atoms.count; i++)
		free_atom((struct build_atom *)build->atoms.items + i);
	for (size_t i = 0; i < build->texts.count; i++)
		free(((char **)build->texts.items)[i]);
	free(build->texts.items);
	free(build->atoms.items);
	free(build->classes.items);
	free(build->rules.items);
	free(build->nodes.items);
	free(build->members.items);
	free(build->regexes.items);
	free(build->compares.items);
	free(build->member_rules.items);
	free(build->filetypes.items);
	free(build->atom_buckets);
	build_free_files(build);
	free(build->ignores.items);
	free(build->records.items);
	free(build->signatures.items);
	free(expressions);
	free(build->uses.items);
	free(build->groups.items);
	free(build->strings.data);
	free(build->scratch.data);
	free(build->buckets);
	clamav_reset(&build->arena);
}

static int read_paths(struct build *build, const char *const *paths, size_t paths_count)
{
	int err = 0;

	build_append(build, &build->strings, "", 1);
	for (size_t i = 0; i < paths_count && err == 0; i++)
		err = build_load(build, paths[i]);
	if (err == 0)
		build_read_files(build);
	if (err == 0 && build->known != NULL)
		err = build_known_finish(build);
	return err;
}

static int make(struct build *build, const char *const *paths, size_t paths_count, void **image,
	size_t *image_bytes)
{
	int err = read_paths(build, paths, paths_count);

	if (err == 0 && build->known != NULL && build_known_is_all(build->known)) {
		build_known_total(build, &(struct ruleset_meta){0}, &(struct ruleset_base){0});
		*image = NULL;
		*image_bytes = 0;
		return 0;
	}
	if (err == 0 && !build->failed)
		build_plan_atoms(build);
	if (err == 0 && build->options->strict && build->stats->errors > 0)
		err = -EINVAL;
	if (err == 0 && !build->failed)
		err = build_compile(build);
	if (err == 0 && !build->failed)
		build_drop_rules(build);
	if (err == 0 && build->failed)
		err = -ENOMEM;
	return err == 0 ? build_image(build, image, image_bytes) : err;
}

static void begin(struct build *build, const struct ruleset_build_options *options,
	struct ruleset_build_stats *stats)
{
	static const struct ruleset_build_options defaults = {0};

	build->options = options != NULL ? options : &defaults;
	build->stats = stats;
	memset(stats, 0, sizeof(*stats));
}

int ruleset_build(const char *const *paths, size_t paths_count,
	const struct ruleset_build_options *options, void **image, size_t *image_bytes,
	struct ruleset_build_stats *stats)
{
	struct ruleset_build_stats unwanted;
	struct build_spelling spelling;
	struct build build = {.spelling = &spelling};
	int err;

	begin(&build, options, stats != NULL ? stats : &unwanted);
	err = make(&build, paths, paths_count, image, image_bytes);
	free_build(&build);
	return err;
}

int ruleset_build_indexed(const char *const *paths, size_t paths_count,
	const struct ruleset_build_options *options, struct ruleset_built *out,
	struct ruleset_build_stats *stats)
{
	struct build_spelling spelling;
	struct build build = {.spelling = &spelling, .wants_records = true};
	struct ruleset_built built = {0};
	struct timespec now;
	int err;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	build.made_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	begin(&build, options, stats);
	err = make(&build, paths, paths_count, &built.image, &built.image_bytes);
	if (err == 0) {
		err = build_index_make(&build, built.image, &built.index, &built.index_bytes);
		if (err != 0)
			free(built.image);
	}
	free_build(&build);
	if (err == 0)
		*out = built;
	return err;
}

int build_delta(const char *const *paths, size_t paths_count,
	const struct ruleset_build_options *options, struct ruleset_built *built,
	struct ruleset_build_stats *stats, struct ruleset_ready *ready)
{
	const bool is_checked = ready != NULL && built->index == ready->data;
	struct build_known known;
	struct build_spelling spelling;
	struct build build = {.spelling = &spelling, .known = &known, .ready = ready};
	int err = build_known_init(&known, is_checked ? &ready->index : NULL, built);

	if (err == 0) {
		begin(&build, options, stats);
		err = make(&build, paths, paths_count, &built->image, &built->image_bytes);
		free_build(&build);
	}
	build_known_fini(&known);
	return err;
}

int ruleset_build_delta(const char *const *paths, size_t paths_count,
	const struct ruleset_build_options *options, struct ruleset_built *built,
	struct ruleset_build_stats *stats)
{
	return build_delta(paths, paths_count, options, built, stats, NULL);
}
