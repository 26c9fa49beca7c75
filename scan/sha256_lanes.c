// SPDX-License-Identifier: BSD-3-Clause
#include "scan/sha256_lanes.h"

#include "scan/digest.h"

#include <cpuid.h>

#include <endian.h>
#include <string.h>

// One capture on its way.
struct lane {
	const uint8_t *data;
	size_t blocks; // that lie there
	uint64_t at;   // in the capture
	bool is_last;  // those are the padding
	const struct sha256_job *job;
	uint8_t end[2 * SHA256_BLOCK_BYTES];
};

// gcc 12's list of features does not have this one.
bool sha256_lanes_win(void)
{
	unsigned int a = 0;
	unsigned int b = 0;
	unsigned int c = 0;
	unsigned int d = 0;

	return __builtin_cpu_supports("sse4.1") && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 &&
	       (b >> 29 & 1) != 0;
}

// The last bytes with what section 5.1.1 puts behind them.
static void pad(struct lane *lane)
{
	size_t n = capture_read(lane->job->copy, lane->at, lane->end, SHA256_BLOCK_BYTES - 1);
	uint64_t bits = htobe64(lane->job->copy->bytes * 8);

	lane->blocks = n < SHA256_BLOCK_BYTES - sizeof(bits) ? 1 : 2;
	lane->end[n] = 0x80;
	memset(lane->end + n + 1, 0, lane->blocks * SHA256_BLOCK_BYTES - n - 1);
	memcpy(lane->end + lane->blocks * SHA256_BLOCK_BYTES - sizeof(bits), &bits, sizeof(bits));
	lane->data = lane->end;
	lane->is_last = true;
}

// The pieces of a capture but for the last are whole blocks.
static void next_piece(struct lane *lane)
{
	lane->blocks = capture_piece(lane->job->copy, lane->at, &lane->data) / SHA256_BLOCK_BYTES;
	if (lane->blocks == 0)
		pad(lane);
}

static void begin(struct lane *lane, uint32_t *state, const struct sha256_job *job)
{
	// Section 5.3.3.
	static const uint32_t start[SHA256_WORDS] = {0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u,
		0xa54ff53au, 0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u};

	lane->job = job;
	lane->at = 0;
	lane->is_last = false;
	memcpy(state, start, sizeof(start));
	next_piece(lane);
}

static void end(const struct lane *lane, const uint32_t *state)
{
	for (size_t i = 0; i < SHA256_WORDS; i++) {
		uint32_t word = htobe32(state[i]);

		memcpy(lane->job->digest + sizeof(word) * i, &word, sizeof(word));
	}
}

static void run_shani(const struct sha256_job *jobs, size_t count)
{
	struct lane lanes[SHA256_LANES];
	uint32_t states[SHA256_LANES][SHA256_WORDS];
	size_t used = 0;
	size_t begun = 0;

	for (; used < SHA256_LANES && begun < count; used++)
		begin(&lanes[used], states[used], &jobs[begun++]);
	while (used > 0) {
		const uint8_t *data[SHA256_LANES] = {lanes[0].data, lanes[1 % used].data};
		size_t blocks = lanes[0].blocks;

		if (used == SHA256_LANES && lanes[1].blocks < blocks)
			blocks = lanes[1].blocks;
		sha256_blocks_shani(states, data, blocks, used);
		for (size_t i = used; i-- > 0;) {
			struct lane *lane = &lanes[i];

			lane->data += blocks * SHA256_BLOCK_BYTES;
			lane->at += blocks * SHA256_BLOCK_BYTES;
			lane->blocks -= blocks;
			if (lane->blocks > 0)
				continue;
			if (!lane->is_last) {
				next_piece(lane);
				continue;
			}
			end(lane, states[i]);
			if (begun < count) {
				begin(lane, states[i], &jobs[begun++]);
				continue;
			}
			// The other one takes the first place.
			used--;
			if (i == 0 && used > 0) {
				lanes[0] = lanes[1];
				if (lanes[0].is_last)
					lanes[0].data =
						lanes[0].end + (lanes[1].data - lanes[1].end);
				memcpy(states[0], states[1], sizeof(states[0]));
			}
		}
	}
}

static void run_library(const struct sha256_job *job)
{
	const uint8_t *data = NULL;
	struct digest digest;
	size_t n;

	digest_begin(&digest, 1u << DIGEST_INDEX_SHA256);
	for (uint64_t at = 0; (n = capture_piece(job->copy, at, &data)) > 0; at += n)
		digest_feed(&digest, data, n);
	(void)digest_end(&digest, DIGEST_INDEX_SHA256, job->digest);
}

void sha256_lanes(const struct sha256_job *jobs, size_t count)
{
	if (count >= SHA256_LANES && sha256_lanes_win())
		run_shani(jobs, count);
	else
		for (size_t i = 0; i < count; i++)
			run_library(&jobs[i]);
}
