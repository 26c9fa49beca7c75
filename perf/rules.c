// SPDX-License-Identifier: BSD-3-Clause
#include "perf/rules.h"

#include "perf/perf.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LEAST 16u
#define SPREAD 25u
#define MOST (LEAST + SPREAD)

void rules_make(struct rules *rules, uint32_t count)
{
	rules->count = count;
	rules->patterns = perf_alloc((size_t)count * MOST);
	rules->lengths = perf_alloc(sizeof(*rules->lengths) * count);
	perf_fill(rules->patterns, (size_t)count * MOST, 13);
	for (uint32_t i = 0; i < count; i++)
		rules->lengths[i] = LEAST + rules->patterns[(size_t)i * MOST] % SPREAD;
}

void rules_free(struct rules *rules)
{
	free(rules->patterns);
	free(rules->lengths);
}

struct mail_bytes rules_get(const struct rules *rules, uint32_t i)
{
	return (struct mail_bytes){rules->patterns + (size_t)i * MOST, rules->lengths[i]};
}

void rules_write(const struct rules *rules, const char *path)
{
	FILE *file = fopen(path, "we");

	perf_need(file != NULL, path);
	for (uint32_t i = 0; i < rules->count; i++) {
		struct mail_bytes pattern = rules_get(rules, i);

		(void)fprintf(file, "Perf.%u:0:*:", i);
		for (size_t at = 0; at < pattern.bytes; at++)
			(void)fprintf(file, "%02x", pattern.data[at]);
		(void)fputc('\n', file);
	}
	perf_need(fclose(file) == 0, path);
}

struct ruleset *rules_build(const struct rules *rules, void **image)
{
	char path[] = "/tmp/cordon-perf-XXXXXX.ndb";
	const char *paths[] = {path};
	const struct ruleset_build_options options = {0};
	struct ruleset_build_stats stats;
	struct ruleset *ruleset = NULL;
	size_t bytes = 0;
	int fd = mkstemps(path, 4);

	perf_need(fd >= 0, path);
	(void)close(fd);
	rules_write(rules, path);
	perf_need(ruleset_build(paths, 1, &options, image, &bytes, &stats) == 0 &&
			  ruleset_attach(*image, bytes, &ruleset) == 0 &&
			  stats.signatures == rules->count,
		"the ruleset");
	(void)unlink(path);
	return ruleset;
}

struct ruleset *rules_screen(const struct ruleset *base, uint32_t checksums, void **image)
{
	struct screen_entry *entries = perf_alloc(sizeof(*entries) * checksums);
	struct ruleset *ruleset = NULL;
	char error[256] = "";
	size_t bytes = 0;

	for (uint32_t i = 0; i < checksums; i++) {
		entries[i] = (struct screen_entry){.virus_id = "CV-PERF",
			.name = "Perf",
			.kind = SCREEN_FILE,
			.algorithm = DIGEST_SHA256,
			.section = SCREEN_ANY_SECTION};
		perf_fill(entries[i].digest, sizeof(entries[i].digest), 1000 + i);
	}
	perf_need(screen_build(entries, checksums, image, &bytes, error, sizeof(error)) == 0 &&
			  ruleset_attach_screen(base, *image, bytes, &ruleset) == 0,
		error);
	free(entries);
	return ruleset;
}

hs_database_t *rules_compile(const struct rules *rules)
{
	const char **texts = perf_alloc(sizeof(*texts) * rules->count);
	unsigned int *flags = perf_alloc(sizeof(*flags) * rules->count);
	unsigned int *ids = perf_alloc(sizeof(*ids) * rules->count);
	hs_compile_error_t *error = NULL;
	hs_database_t *database = NULL;

	for (uint32_t i = 0; i < rules->count; i++) {
		texts[i] = (const char *)rules_get(rules, i).data;
		flags[i] = HS_FLAG_SINGLEMATCH;
		ids[i] = i;
	}
	perf_need(hs_compile_lit_multi(texts, flags, ids, rules->lengths, rules->count,
			  HS_MODE_BLOCK, NULL, &database, &error) == HS_SUCCESS,
		"Hyperscan's compiler");
	free(ids);
	free(flags);
	free(texts);
	return database;
}
