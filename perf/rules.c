// SPDX-License-Identifier: BSD-3-Clause
#include "perf/rules.h"

#include "perf/perf.h"
#include "perf/rules_clamav.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEAST 16u
#define SPREAD 25u
#define MOST (LEAST + SPREAD)
#define OPEN_GAP 40ul // bytes of a sample where any number may be

static void make_literals(struct rules *rules)
{
	uint8_t *all = perf_alloc((size_t)rules->count * MOST);

	perf_fill(all, (size_t)rules->count * MOST, 13);
	for (uint32_t i = 0; i < rules->count; i++) {
		const uint8_t *one = all + (size_t)i * MOST;
		size_t bytes = LEAST + one[0] % SPREAD;

		rules->bodies[i] = perf_alloc(2 * bytes + 1);
		for (size_t at = 0; at < bytes; at++)
			(void)snprintf(rules->bodies[i] + 2 * at, 3, "%02x", one[at]);
	}
	free(all);
}

// The least that a gap asks for, some more where it is open.
static size_t gap_bytes(const char *gap)
{
	if (gap[0] == '*')
		return OPEN_GAP;
	return gap[1] == '-' ? 1 : strtoul(gap + 1, NULL, 10);
}

struct mail_bytes rules_sample(const struct rules *rules, uint32_t i, uint8_t *data)
{
	const char *at = rules->bodies[i];
	struct mail_bytes sample = {.data = data};

	while (*at != '\0') {
		char digits[3] = {at[0], at[1], 0};
		size_t any = *at == '?';

		if (*at == '{' || *at == '*') {
			any = gap_bytes(at);
			at += strcspn(at, "}*") + 1;
		} else {
			at += 2;
		}
		for (size_t n = 0; n < any; n++)
			data[sample.bytes++] = (uint8_t)(0xc1 + n);
		if (any == 0)
			data[sample.bytes++] = (uint8_t)strtoul(digits, NULL, 16);
	}
	perf_need(sample.bytes <= RULES_SAMPLE_BYTES, "a sample");
	return sample;
}

void rules_make(struct rules *rules, enum rules_kind kind, uint32_t count)
{
	*rules = (struct rules){.kind = kind, .count = count};
	rules->bodies = perf_alloc(sizeof(*rules->bodies) * count);
	if (kind == RULES_LITERAL)
		make_literals(rules);
	for (uint32_t i = 0; kind == RULES_CLAMAV && i < count; i++) {
		char body[RULES_BODY_ROOM];

		rules_clamav(i, body);
		rules->bodies[i] = strdup(body);
		perf_need(rules->bodies[i] != NULL, "memory");
	}
	rules->sign = rules_sample(rules, 0, perf_alloc(RULES_SAMPLE_BYTES));
}

void rules_free(struct rules *rules)
{
	for (uint32_t i = 0; i < rules->count; i++)
		free(rules->bodies[i]);
	free(rules->bodies);
	free(rules->sign.data);
}

void rules_write(const struct rules *rules, const char *path)
{
	FILE *file = fopen(path, "we");

	perf_need(file != NULL, path);
	for (uint32_t i = 0; i < rules->count; i++)
		(void)fprintf(file, "Perf.%u:0:*:%s\n", i, rules->bodies[i]);
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
