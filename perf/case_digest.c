// SPDX-License-Identifier: BSD-3-Clause
// Digests of a part that comes in segments, and of several at once, beside the crypto library's on all of it at
// once.
#include "perf/perf.h"
#include "scan/digest.h"
#include "scan/digest_lanes.h"
#include "scan/digest_stream.h"

#include <openssl/evp.h>

#include <stdlib.h>

#define BYTES 100000u
#define SEGMENT_BYTES 1448u

struct digest_state {
	uint8_t *data;
	const EVP_MD *md;
	enum digest_algorithm algorithm;
};

static const EVP_MD *method(enum digest_algorithm algorithm)
{
	return algorithm == DIGEST_INDEX_MD5    ? EVP_md5()
	       : algorithm == DIGEST_INDEX_SHA1 ? EVP_sha1()
						: EVP_sha256();
}

static int begin(struct perf_run *run)
{
	struct digest_state *state = perf_alloc(sizeof(*state));

	state->algorithm = (enum digest_algorithm)run->it->number;
	state->md = method(state->algorithm);
	state->data = perf_alloc(BYTES);
	perf_fill(state->data, BYTES, 9);
	run->state = state;
	run->amount = BYTES;
	return 0;
}

static void run(void *ctx)
{
	const struct digest_state *state = ctx;
	uint8_t out[DIGEST_MAX_BYTES];
	struct digest digest;

	digest_begin(&digest, 1u << state->algorithm);
	for (size_t at = 0; at < BYTES; at += SEGMENT_BYTES)
		digest_feed(&digest, state->data + at,
			BYTES - at < SEGMENT_BYTES ? BYTES - at : SEGMENT_BYTES);
	perf_need(digest_end(&digest, state->algorithm, out), "a digest");
	perf_keep(out[0]);
}

static void run_whole(void *ctx)
{
	const struct digest_state *state = ctx;
	uint8_t out[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	perf_need(EVP_Digest(state->data, BYTES, out, &n, state->md, NULL) == 1, "EVP_Digest");
	perf_keep(out[0]);
}

static void end(void *ctx)
{
	struct digest_state *state = ctx;

	free(state->data);
	free(state);
}

// ---- several at once -----------------------------------------------------------------------------

#define MOST_LANES 16u
#define LANE_BYTES 4096u
#define CHUNK_BYTES 16384u

struct lanes_state {
	uint8_t *data;
	struct capture_pool pool;
	struct capture copies[MOST_LANES];
	struct digest_job jobs[MOST_LANES];
	uint8_t digests[MOST_LANES][1][DIGEST_MAX_BYTES];
	size_t count;
	enum digest_algorithm algorithm;
};

// number: how many, and the algorithm.
#define LANES_OF(count, algorithm) ((uint64_t)(count) << 8 | (algorithm))

static int begin_lanes(struct perf_run *run)
{
	static const struct digest_form as_it_is = {{0}, 0};
	struct lanes_state *state = perf_alloc(sizeof(*state));

	state->count = (size_t)(run->it->number >> 8);
	state->algorithm = (enum digest_algorithm)(run->it->number & 0xff);
	state->data = perf_alloc(LANE_BYTES);
	perf_need(capture_pool_init(&state->pool, CHUNK_BYTES, MOST_LANES) == 0, "memory");
	for (size_t i = 0; i < state->count; i++) {
		perf_fill(state->data, LANE_BYTES, 61 + i);
		capture_begin(&state->copies[i], &state->pool, UINT64_MAX);
		perf_need(capture_append(&state->copies[i], state->data, LANE_BYTES) == LANE_BYTES,
			"room");
		state->jobs[i] = (struct digest_job){.copy = &state->copies[i],
			.bytes = LANE_BYTES,
			.forms = &as_it_is,
			.wanted = 1,
			.digests = state->digests[i]};
	}
	run->state = state;
	run->amount = (double)LANE_BYTES * (double)state->count;
	return 0;
}

static void run_lanes(void *ctx)
{
	struct lanes_state *state = ctx;

	digest_lanes(state->algorithm, state->jobs, state->count);
	perf_keep(state->digests[0][0][0]);
}

static void run_one_by_one(void *ctx)
{
	const struct lanes_state *state = ctx;
	uint8_t out[EVP_MAX_MD_SIZE] = {0};

	for (size_t i = 0; i < state->count; i++)
		perf_need(EVP_Digest(state->data, LANE_BYTES, out, NULL, method(state->algorithm),
				  NULL) == 1,
			"EVP_Digest");
	perf_keep(out[0]);
}

static void end_lanes(void *ctx)
{
	struct lanes_state *state = ctx;

	capture_pool_fini(&state->pool);
	free(state->data);
	free(state);
}

// ---- streams of objects in progress --------------------------------------------------------------

#define STREAM_BYTES 100000u
#define FLIGHT_BYTES 45000u
#define STREAMS_MOST 64u

struct streams_state {
	uint8_t *data;
	struct digest_streams streams;
	struct digest_stream *all[STREAMS_MOST];
	size_t fed[STREAMS_MOST];
	size_t count;
	enum digest_algorithm algorithm;
};

static int begin_streams(struct perf_run *run)
{
	struct streams_state *state = perf_alloc(sizeof(*state));

	state->count = (size_t)(run->it->number >> 8);
	state->algorithm = (enum digest_algorithm)(run->it->number & 0xff);
	state->data = perf_alloc(STREAM_BYTES);
	perf_fill(state->data, STREAM_BYTES, 17);
	perf_need(digest_streams_init(&state->streams, (uint32_t)state->count) == 0, "memory");
	for (size_t i = 0; i < state->count; i++) {
		state->all[i] = digest_stream_begin(&state->streams, 1u << state->algorithm);
		state->fed[i] = STREAM_BYTES / state->count * i;
		digest_stream_feed(state->all[i], state->data, state->fed[i]);
	}
	run->state = state;
	run->amount = (double)STREAM_BYTES * (double)state->count;
	return 0;
}

static void end_stream(struct digest_stream *stream, enum digest_algorithm algorithm)
{
	static const struct digest_form as_it_is = {{0}, 0};
	struct digest_late late = {.stream = stream, .bytes = stream->bytes};
	const struct digest_late *const one = &late;
	digest_late_values values;

	late.forms[0] = as_it_is;
	late.wanted[algorithm] = 1;
	digest_late_compute(&one, 1, &values);
	perf_keep(values[algorithm][0][0]);
	digest_late_drop(&late);
}

// A flight of each in turn, in segments; one that has ended is followed by another.
static void feed_flight(struct streams_state *state, size_t i)
{
	for (size_t at = 0; at < FLIGHT_BYTES; at += SEGMENT_BYTES) {
		const size_t left = STREAM_BYTES - state->fed[i];
		const size_t n = left < SEGMENT_BYTES ? left : SEGMENT_BYTES;

		digest_stream_feed(state->all[i], state->data + state->fed[i], n);
		state->fed[i] += n;
		if (state->fed[i] < STREAM_BYTES)
			continue;
		end_stream(state->all[i], state->algorithm);
		state->all[i] = digest_stream_begin(&state->streams, 1u << state->algorithm);
		state->fed[i] = 0;
		return;
	}
}

static void run_streams(void *ctx)
{
	struct streams_state *state = ctx;
	uint64_t left = STREAM_BYTES * (uint64_t)state->count;

	for (size_t i = 0; left > 0; i = (i + 1) % state->count) {
		size_t before = state->fed[i];

		feed_flight(state, i);
		before = (state->fed[i] > before ? state->fed[i] : STREAM_BYTES) - before;
		left = left > before ? left - before : 0;
	}
}

static void run_running(void *ctx)
{
	const struct streams_state *state = ctx;

	for (size_t i = 0; i < state->count; i++) {
		struct digest digest;
		uint8_t out[DIGEST_MAX_BYTES];

		digest_begin(&digest, 1u << state->algorithm);
		for (size_t at = 0; at < STREAM_BYTES; at += SEGMENT_BYTES)
			digest_feed(&digest, state->data + at,
				STREAM_BYTES - at < SEGMENT_BYTES ? STREAM_BYTES - at
								  : SEGMENT_BYTES);
		perf_need(digest_end(&digest, state->algorithm, out), "a digest");
		perf_keep(out[0]);
	}
}

static void end_streams(void *ctx)
{
	struct streams_state *state = ctx;

	digest_streams_fini(&state->streams);
	free(state->data);
	free(state);
}

#define STREAMS_CASE(name, count, algorithm)                                                       \
	{                                                                                          \
		name, "one after another", "B/s", LANES_OF(count, algorithm), false, false,        \
			begin_streams, run_streams, run_running, end_streams                       \
	}

#define LANES_CASE(name, count, algorithm)                                                         \
	{                                                                                          \
		name, "EVP_Digest", "B/s", LANES_OF(count, algorithm), false, false, begin_lanes,  \
			run_lanes, run_one_by_one, end_lanes                                       \
	}

static const struct perf_case cases[] = {
	{"digest/md5", "EVP_Digest", "B/s", DIGEST_INDEX_MD5, false, false, begin, run, run_whole,
		end},
	{"digest/sha1", "EVP_Digest", "B/s", DIGEST_INDEX_SHA1, false, false, begin, run, run_whole,
		end},
	{"digest/sha256", "EVP_Digest", "B/s", DIGEST_INDEX_SHA256, false, false, begin, run,
		run_whole, end},
	LANES_CASE("digest/4-of-4k/md5", 4, DIGEST_INDEX_MD5),
	LANES_CASE("digest/4-of-4k/sha1", 4, DIGEST_INDEX_SHA1),
	LANES_CASE("digest/4-of-4k/sha256", 4, DIGEST_INDEX_SHA256),
	LANES_CASE("digest/16-of-4k/md5", 16, DIGEST_INDEX_MD5),
	LANES_CASE("digest/16-of-4k/sha1", 16, DIGEST_INDEX_SHA1),
	LANES_CASE("digest/16-of-4k/sha256", 16, DIGEST_INDEX_SHA256),
	STREAMS_CASE("digest/1-stream/sha256", 1, DIGEST_INDEX_SHA256),
	STREAMS_CASE("digest/2-streams/sha256", 2, DIGEST_INDEX_SHA256),
	STREAMS_CASE("digest/16-streams/sha256", 16, DIGEST_INDEX_SHA256),
	STREAMS_CASE("digest/64-streams/md5", 64, DIGEST_INDEX_MD5),
	STREAMS_CASE("digest/64-streams/sha1", 64, DIGEST_INDEX_SHA1),
	STREAMS_CASE("digest/64-streams/sha256", 64, DIGEST_INDEX_SHA256),
};
PERF_CASES(cases)
