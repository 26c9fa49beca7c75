// SPDX-License-Identifier: BSD-3-Clause
// Digests of a part that comes in segments, and of several at once, beside the crypto library's on all of it at
// once.
#include "perf/perf.h"
#include "scan/digest.h"
#include "scan/digest_lanes.h"

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
		state->jobs[i] = (struct digest_job){
			&state->copies[i], LANE_BYTES, &as_it_is, 1, state->digests[i]};
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
};
PERF_CASES(cases)
