// SPDX-License-Identifier: BSD-3-Clause
// Signatures looked for in parts that come in pieces, by the matcher and by Hyperscan's streams, beside
// hs_scan of the same patterns on all bytes at once. Patterns are literals of 16 to 40 bytes.
#include "perf/perf.h"
#include "scan/match.h"
#include "scan/scan.h"

#include <hs.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BYTES 100000u
#define LEAST 16u
#define SPREAD 25u
// number: signatures * CHUNKS + bytes of a piece
#define CHUNKS 100000u

struct match_state {
	uint8_t *data;
	size_t chunk;
	void *image;
	struct ruleset *ruleset;
	struct matcher *matcher;
	hs_database_t *block;
	hs_database_t *stream;
	hs_stream_t *open; // NULL: the matcher is measured
	hs_scratch_t *scratch;
	uint64_t hits;
};

static uint8_t *make_patterns(uint32_t count, size_t *lengths)
{
	uint8_t *all = perf_alloc((size_t)count * (LEAST + SPREAD));

	perf_fill(all, (size_t)count * (LEAST + SPREAD), 13);
	for (uint32_t i = 0; i < count; i++)
		lengths[i] = LEAST + all[(size_t)i * (LEAST + SPREAD)] % SPREAD;
	return all;
}

static const uint8_t *pattern_at(const uint8_t *all, uint32_t i)
{
	return all + (size_t)i * (LEAST + SPREAD);
}

static void build_ruleset(
	struct match_state *state, const uint8_t *all, const size_t *lengths, uint32_t count)
{
	char path[] = "/tmp/cordon-perf-XXXXXX.ndb";
	const char *paths[] = {path};
	const struct ruleset_build_options options = {0};
	struct ruleset_build_stats stats;
	size_t bytes = 0;
	int fd = mkstemps(path, 4);
	FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;

	perf_need(file != NULL, path);
	for (uint32_t i = 0; i < count; i++) {
		(void)fprintf(file, "Perf.%u:0:*:", i);
		for (size_t at = 0; at < lengths[i]; at++)
			(void)fprintf(file, "%02x", pattern_at(all, i)[at]);
		(void)fputc('\n', file);
	}
	perf_need(fclose(file) == 0, path);
	perf_need(ruleset_build(paths, 1, &options, &state->image, &bytes, &stats) == 0 &&
			  ruleset_attach(state->image, bytes, &state->ruleset) == 0 &&
			  matcher_new(state->ruleset, 4, 0, false, &state->matcher) == 0,
		"the ruleset");
	(void)unlink(path);
}

static void build_databases(
	struct match_state *state, const uint8_t *all, const size_t *lengths, uint32_t count)
{
	const char **texts = perf_alloc(sizeof(*texts) * count);
	unsigned int *flags = perf_alloc(sizeof(*flags) * count);
	unsigned int *ids = perf_alloc(sizeof(*ids) * count);
	hs_compile_error_t *error = NULL;

	for (uint32_t i = 0; i < count; i++) {
		texts[i] = (const char *)pattern_at(all, i);
		flags[i] = HS_FLAG_SINGLEMATCH;
		ids[i] = i;
	}
	perf_need(hs_compile_lit_multi(texts, flags, ids, lengths, count, HS_MODE_BLOCK, NULL,
			  &state->block, &error) == HS_SUCCESS &&
			  hs_compile_lit_multi(texts, flags, ids, lengths, count, HS_MODE_STREAM,
				  NULL, &state->stream, &error) == HS_SUCCESS &&
			  hs_alloc_scratch(state->block, &state->scratch) == HS_SUCCESS &&
			  hs_alloc_scratch(state->stream, &state->scratch) == HS_SUCCESS,
		"Hyperscan's compiler");
	free(ids);
	free(flags);
	free(texts);
}

static int begin(struct perf_run *run, uint8_t letters, bool with_matcher)
{
	struct match_state *state = perf_alloc(sizeof(*state));
	uint32_t count = (uint32_t)(run->it->number / CHUNKS);
	size_t *lengths = perf_alloc(sizeof(*lengths) * count);
	uint8_t *all = make_patterns(count, lengths);

	state->chunk = run->it->number % CHUNKS;
	state->data = perf_alloc(BYTES);
	perf_fill(state->data, BYTES, 17);
	if (letters > 0) {
		for (size_t i = 0; i < BYTES; i++)
			state->data[i] =
				(uint8_t)(state->data[i] % 6 == 0 ? ' '
								  : 'a' + state->data[i] % letters);
	}
	build_databases(state, all, lengths, count);
	// The matcher gives Hyperscan an allocator of its own, which has nothing for others.
	if (with_matcher)
		build_ruleset(state, all, lengths, count);
	else
		perf_need(hs_set_stream_allocator(NULL, NULL) == HS_SUCCESS &&
				  hs_open_stream(state->stream, 0, &state->open) == HS_SUCCESS,
			"a stream");
	free(all);
	free(lengths);
	run->state = state;
	run->amount = BYTES;
	return 0;
}

static int begin_binary(struct perf_run *run)
{
	return begin(run, 0, true);
}

static int begin_text(struct perf_run *run)
{
	return begin(run, 26, true);
}

static int begin_stream(struct perf_run *run)
{
	return begin(run, 0, false);
}

static size_t piece_at(const struct match_state *state, size_t at)
{
	return BYTES - at < state->chunk ? BYTES - at : state->chunk;
}

static void run_match(void *ctx)
{
	struct match_state *state = ctx;
	struct match_digests digests;
	struct match_object *object;
	struct match_hit hit;
	const char *type;

	perf_need(match_begin(state->matcher, MATCH_TARGET_ANY, &object) == 0, "an object");
	for (size_t at = 0; at < BYTES; at += state->chunk)
		perf_need(match_feed(object, state->data + at, piece_at(state, at)) == 0, "match");
	state->hits += match_end(object, &hit, 1, &digests, &type);
}

static int on_match(unsigned int id, unsigned long long from, unsigned long long to,
	unsigned int flags, void *ctx)
{
	struct match_state *state = ctx;

	(void)id;
	(void)from;
	(void)to;
	(void)flags;
	state->hits++;
	return 0;
}

static void run_stream(void *ctx)
{
	struct match_state *state = ctx;

	perf_need(hs_reset_stream(state->open, 0, state->scratch, on_match, state) == HS_SUCCESS,
		"hs_reset_stream");
	for (size_t at = 0; at < BYTES; at += state->chunk)
		perf_need(hs_scan_stream(state->open, (const char *)state->data + at,
				  (unsigned int)piece_at(state, at), 0, state->scratch, on_match,
				  state) == HS_SUCCESS,
			"hs_scan_stream");
}

static void run_block(void *ctx)
{
	struct match_state *state = ctx;

	perf_need(hs_scan(state->block, (const char *)state->data, BYTES, 0, state->scratch,
			  on_match, state) == HS_SUCCESS,
		"hs_scan");
}

static void end(void *ctx)
{
	struct match_state *state = ctx;

	perf_need(state->hits == 0, "random bytes without a signature");
	if (state->open != NULL)
		(void)hs_close_stream(state->open, NULL, NULL, NULL);
	if (state->matcher != NULL) {
		matcher_free(state->matcher);
		ruleset_close(state->ruleset);
	}
	free(state->image);
	(void)hs_free_scratch(state->scratch);
	(void)hs_free_database(state->block);
	(void)hs_free_database(state->stream);
	free(state->data);
	free(state);
}

#define CASE(what, begins, runs, count, piece, is_long)                                            \
	{                                                                                          \
		what "/" #count "/" #piece, "hs_scan", "B/s", (uint64_t)(count)*CHUNKS + (piece),  \
			is_long, false, begins, runs, run_block, end                               \
	}

static const struct perf_case cases[] = {
	CASE("hyperscan/stream", begin_stream, run_stream, 1000, 64, true),
	CASE("hyperscan/stream", begin_stream, run_stream, 1000, 1448, false),
	CASE("hyperscan/stream", begin_stream, run_stream, 1000, 16384, false),
	CASE("hyperscan/stream", begin_stream, run_stream, 10000, 64, true),
	CASE("hyperscan/stream", begin_stream, run_stream, 10000, 1448, true),
	CASE("hyperscan/stream", begin_stream, run_stream, 10000, 16384, false),
	CASE("hyperscan/stream", begin_stream, run_stream, 50000, 1448, true),
	CASE("match/binary", begin_binary, run_match, 100, 1448, true),
	CASE("match/binary", begin_binary, run_match, 1000, 1448, false),
	CASE("match/binary", begin_binary, run_match, 1000, 64, true),
	CASE("match/binary", begin_binary, run_match, 10000, 1448, true),
	CASE("match/binary", begin_binary, run_match, 10000, 16384, false),
	CASE("match/binary", begin_binary, run_match, 50000, 1448, true),
	CASE("match/text", begin_text, run_match, 1000, 1448, true),
	CASE("match/text", begin_text, run_match, 10000, 1448, false),
};
PERF_CASES(cases)
