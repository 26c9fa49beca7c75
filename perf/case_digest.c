// SPDX-License-Identifier: BSD-3-Clause
// Digests of a part that comes in segments, beside the crypto library's on all of it at once.
#include "perf/perf.h"
#include "scan/digest.h"

#include <openssl/evp.h>

#include <stdlib.h>

#define BYTES 100000u
#define SEGMENT_BYTES 1448u

struct digest_state {
	uint8_t *data;
	const EVP_MD *md;
	enum digest_algorithm algorithm;
};

static int begin(struct perf_run *run)
{
	struct digest_state *state = perf_alloc(sizeof(*state));

	state->algorithm = (enum digest_algorithm)run->it->number;
	state->md = state->algorithm == DIGEST_INDEX_MD5    ? EVP_md5()
		    : state->algorithm == DIGEST_INDEX_SHA1 ? EVP_sha1()
							    : EVP_sha256();
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

static const struct perf_case cases[] = {
	{"digest/md5", "EVP_Digest", "B/s", DIGEST_INDEX_MD5, false, false, begin, run, run_whole,
		end},
	{"digest/sha1", "EVP_Digest", "B/s", DIGEST_INDEX_SHA1, false, false, begin, run, run_whole,
		end},
	{"digest/sha256", "EVP_Digest", "B/s", DIGEST_INDEX_SHA256, false, false, begin, run,
		run_whole, end},
};
PERF_CASES(cases)
