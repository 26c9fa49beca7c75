// SPDX-License-Identifier: BSD-3-Clause
#include "perf/perf.h"
#include "perf/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPRESSION_ROOM 512u
// Hyperscan keeps count of a repeat up to some bound; a wider gap is left open, which costs it less and finds more.
#define WIDEST_REPEAT 200ul

static hs_database_t *compile_literals(const struct rules *rules, unsigned int mode)
{
	const char **texts = perf_alloc(sizeof(*texts) * rules->count);
	size_t *lengths = perf_alloc(sizeof(*lengths) * rules->count);
	unsigned int *flags = perf_alloc(sizeof(*flags) * rules->count);
	unsigned int *ids = perf_alloc(sizeof(*ids) * rules->count);
	uint8_t *all = perf_alloc((size_t)rules->count * RULES_SAMPLE_BYTES);
	hs_compile_error_t *error = NULL;
	hs_database_t *database = NULL;

	for (uint32_t i = 0; i < rules->count; i++) {
		struct mail_bytes one =
			rules_sample(rules, i, all + (size_t)i * RULES_SAMPLE_BYTES);

		texts[i] = (const char *)one.data;
		lengths[i] = one.bytes;
		flags[i] = HS_FLAG_SINGLEMATCH;
		ids[i] = i;
	}
	perf_need(hs_compile_lit_multi(texts, flags, ids, lengths, rules->count, mode, NULL,
			  &database, &error) == HS_SUCCESS,
		"Hyperscan's compiler");
	free(all);
	free(ids);
	free(flags);
	free(lengths);
	free(texts);
	return database;
}

// {n}, {n-m}, {-m}, {n-}, *
static const char *put_gap(const char *gap, char *out, size_t room)
{
	const char *end = gap + strcspn(gap, "}*") + 1;
	unsigned long least = 0;
	unsigned long most = 0;
	char *at;

	if (*gap == '*') {
		(void)snprintf(out, room, ".*");
		return end;
	}
	least = strtoul(gap + 1, &at, 10);
	most = *at == '-' ? strtoul(at + 1, &at, 10) : least;
	if (most > WIDEST_REPEAT)
		(void)snprintf(out, room, ".*");
	else if (least == most)
		(void)snprintf(out, room, ".{%lu}", least);
	else
		(void)snprintf(out, room, ".{%lu,%lu}", least, most);
	return end;
}

static char *expression_of(const char *body)
{
	char *out = perf_alloc(EXPRESSION_ROOM);
	size_t n = 0;

	while (*body != '\0') {
		perf_need(n + 32 < EXPRESSION_ROOM, "an expression");
		if (*body == '{' || *body == '*') {
			body = put_gap(body, out + n, EXPRESSION_ROOM - n);
			n += strlen(out + n);
			continue;
		}
		if (*body == '?')
			out[n++] = '.';
		else
			n += (size_t)snprintf(out + n, EXPRESSION_ROOM - n, "\\x%.2s", body);
		body += 2;
	}
	return out;
}

static hs_database_t *compile_expressions(const struct rules *rules)
{
	char **texts = perf_alloc(sizeof(*texts) * rules->count);
	unsigned int *flags = perf_alloc(sizeof(*flags) * rules->count);
	unsigned int *ids = perf_alloc(sizeof(*ids) * rules->count);
	hs_compile_error_t *error = NULL;
	hs_database_t *database = NULL;

	for (uint32_t i = 0; i < rules->count; i++) {
		texts[i] = expression_of(rules->bodies[i]);
		flags[i] = HS_FLAG_SINGLEMATCH | HS_FLAG_DOTALL;
		ids[i] = i;
	}
	perf_need(hs_compile_multi((const char *const *)texts, flags, ids, rules->count,
			  HS_MODE_BLOCK, NULL, &database, &error) == HS_SUCCESS,
		error != NULL ? error->message : "Hyperscan's compiler");
	for (uint32_t i = 0; i < rules->count; i++)
		free(texts[i]);
	free(ids);
	free(flags);
	free(texts);
	return database;
}

// ---- what was compiled before -------------------------------------------------------------------

static uint64_t add(uint64_t sum, const char *text)
{
	for (; *text != '\0'; text++)
		sum = (sum ^ (uint8_t)*text) * 0x100000001b3u;
	return (sum ^ '\n') * 0x100000001b3u;
}

// By the signatures, Hyperscan's version and the processor that it compiles for.
static void name_kept(const struct rules *rules, char path[512])
{
	const char *build = getenv("BUILD"); // NOLINT(concurrency-mt-unsafe): one thread
	hs_platform_info_t platform;
	uint64_t sum = add(0xcbf29ce484222325u, hs_version());
	char text[96];

	perf_need(hs_populate_platform(&platform) == HS_SUCCESS, "the processor's abilities");
	(void)snprintf(text, sizeof(text), "%u %llx", platform.tune, platform.cpu_features);
	sum = add(sum, text);
	for (uint32_t i = 0; i < rules->count; i++)
		sum = add(sum, rules->bodies[i]);
	(void)snprintf(
		path, 512, "%s/perf/hyperscan-%016lx.db", build != NULL ? build : "build", sum);
}

// NULL: there is none.
static hs_database_t *read_kept(const char *path)
{
	FILE *file = fopen(path, "re");
	hs_database_t *database = NULL;
	char *data;
	long bytes;

	if (file == NULL)
		return NULL;
	perf_need(fseek(file, 0, SEEK_END) == 0, path);
	bytes = ftell(file);
	perf_need(bytes > 0 && fseek(file, 0, SEEK_SET) == 0, path);
	data = perf_alloc((size_t)bytes);
	if (fread(data, (size_t)bytes, 1, file) != 1 ||
		hs_deserialize_database(data, (size_t)bytes, &database) != HS_SUCCESS)
		database = NULL;
	free(data);
	(void)fclose(file);
	return database;
}

// Under another name first: several programs may do so at once. Where there is no such folder nothing is kept.
static void keep(const hs_database_t *database, const char *path)
{
	char temporary[600];
	char *data = NULL;
	size_t bytes = 0;
	FILE *file;

	(void)snprintf(temporary, sizeof(temporary), "%s.%d", path, (int)getpid());
	perf_need(hs_serialize_database(database, &data, &bytes) == HS_SUCCESS, "a database");
	file = fopen(temporary, "we");
	if (file != NULL) {
		bool is_whole = fwrite(data, bytes, 1, file) == 1;

		if (fclose(file) != 0 || !is_whole || rename(temporary, path) != 0)
			(void)unlink(temporary);
	}
	free(data);
}

hs_database_t *rules_compile(const struct rules *rules)
{
	hs_database_t *database;
	char path[512];

	if (rules->kind == RULES_LITERAL)
		return compile_literals(rules, HS_MODE_BLOCK);
	name_kept(rules, path);
	database = read_kept(path);
	if (database == NULL) {
		database = compile_expressions(rules);
		keep(database, path);
	}
	return database;
}

hs_database_t *rules_compile_stream(const struct rules *rules)
{
	perf_need(rules->kind == RULES_LITERAL, "literals");
	return compile_literals(rules, HS_MODE_STREAM);
}
