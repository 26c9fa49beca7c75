// SPDX-License-Identifier: BSD-3-Clause
// Signatures looked for in parts that come in pieces, by the matcher and by Hyperscan's streams, beside
// hs_scan of the same patterns on all bytes at once: random literals in bytes and letters without sense, and
// signatures like ClamAV's in what is like what people send (rules.h, content.h).
#include "perf/content.h"
#include "perf/perf.h"
#include "perf/rules.h"
#include "scan/match.h"

#include <errno.h>
#include <stdlib.h>

#define BYTES 100000u
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

static struct match_state *begin(struct perf_run *run, enum rules_kind kind, struct rules *rules)
{
	struct match_state *state = perf_alloc(sizeof(*state));

	rules_make(rules, kind, (uint32_t)(run->it->number / CHUNKS));
	state->chunk = run->it->number % CHUNKS;
	state->data = perf_alloc(BYTES + 2 * CONTENT_SLACK);
	state->block = rules_compile(rules);
	perf_need(hs_alloc_scratch(state->block, &state->scratch) == HS_SUCCESS, "memory");
	run->state = state;
	run->amount = BYTES;
	return state;
}

static int begin_matcher(struct match_state *state, struct rules *rules)
{
	state->ruleset = rules_build(rules, &state->image);
	perf_need(matcher_new(state->ruleset, 4, 0, false, &state->matcher) == 0, "a matcher");
	rules_free(rules);
	return 0;
}

static int begin_binary(struct perf_run *run)
{
	struct rules rules;
	struct match_state *state = begin(run, RULES_LITERAL, &rules);

	perf_fill(state->data, BYTES, 17);
	return begin_matcher(state, &rules);
}

static int begin_text(struct perf_run *run)
{
	struct rules rules;
	struct match_state *state = begin(run, RULES_LITERAL, &rules);

	perf_fill(state->data, BYTES, 17);
	for (size_t i = 0; i < BYTES; i++)
		state->data[i] =
			(uint8_t)(state->data[i] % 6 == 0 ? ' ' : 'a' + state->data[i] % 26);
	return begin_matcher(state, &rules);
}

static int begin_content(struct perf_run *run,
	void (*write)(struct mail_bytes *out, size_t bytes, struct dice *dice))
{
	struct rules rules;
	struct match_state *state = begin(run, RULES_CLAMAV, &rules);
	struct mail_bytes out = {.data = state->data};
	struct dice dice = {.state = 19};

	write(&out, BYTES, &dice);
	return begin_matcher(state, &rules);
}

static int begin_mail_text(struct perf_run *run)
{
	return begin_content(run, content_text);
}

static int begin_mail_page(struct perf_run *run)
{
	return begin_content(run, content_html);
}

static int begin_mail_program(struct perf_run *run)
{
	return begin_content(run, content_program);
}

static int begin_stream(struct perf_run *run)
{
	struct rules rules;
	struct match_state *state = begin(run, RULES_LITERAL, &rules);

	perf_fill(state->data, BYTES, 17);
	state->stream = rules_compile_stream(&rules);
	rules_free(&rules);
	// The matcher gives Hyperscan an allocator of its own, which has nothing for others.
	perf_need(hs_alloc_scratch(state->stream, &state->scratch) == HS_SUCCESS &&
			  hs_set_stream_allocator(NULL, NULL) == HS_SUCCESS &&
			  hs_open_stream(state->stream, 0, &state->open) == HS_SUCCESS,
		"a stream");
	return 0;
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

	perf_need(state->hits == 0, "bytes without a signature");
	if (state->open != NULL)
		(void)hs_close_stream(state->open, NULL, NULL, NULL);
	if (state->matcher != NULL) {
		matcher_free(state->matcher);
		ruleset_close(state->ruleset);
	}
	free(state->image);
	(void)hs_free_scratch(state->scratch);
	(void)hs_free_database(state->block);
	if (state->stream != NULL)
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
	CASE("match/clamav-like/text", begin_mail_text, run_match, 10000, 1448, true),
	CASE("match/clamav-like/text", begin_mail_text, run_match, 10000, 16384, false),
	CASE("match/clamav-like/html", begin_mail_page, run_match, 10000, 16384, true),
	CASE("match/clamav-like/program", begin_mail_program, run_match, 10000, 1448, true),
	CASE("match/clamav-like/program", begin_mail_program, run_match, 10000, 16384, false),
};
PERF_CASES(cases)
