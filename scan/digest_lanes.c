// SPDX-License-Identifier: BSD-3-Clause
#define OPENSSL_API_COMPAT 0x10100000L // see digest.c
#include "scan/digest_lanes.h"

#include "scan/digest_lanes_ops.h"
#include "scan/processor.h"

#include <cpuid.h>
#include <openssl/sha.h>

#include <endian.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#define NO_FORM SIZE_MAX

const uint32_t digest_sha256_constants[64] = {0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u,
	0x3956c25bu, 0x59f111f1u, 0x923f82a4u, 0xab1c5ed5u, 0xd807aa98u, 0x12835b01u, 0x243185beu,
	0x550c7dc3u, 0x72be5d74u, 0x80deb1feu, 0x9bdc06a7u, 0xc19bf174u, 0xe49b69c1u, 0xefbe4786u,
	0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu, 0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau, 0x983e5152u,
	0xa831c66du, 0xb00327c8u, 0xbf597fc7u, 0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u,
	0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu, 0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu,
	0x92722c85u, 0xa2bfe8a1u, 0xa81a664bu, 0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u,
	0xf40e3585u, 0x106aa070u, 0x19a4c116u, 0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u,
	0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u, 0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u,
	0x90befffau, 0xa4506cebu, 0xbef9a3f7u, 0xc67178f2u};

// ---- variants ------------------------------------------------------------------------------------

// The crypto library's, of one message.
static void sha1_library(
	uint32_t (*states)[DIGEST_COLUMNS], const uint8_t **data, size_t blocks, size_t count)
{
	SHA_CTX context;

	(void)count;
	(void)SHA1_Init(&context);
	context.h0 = states[0][0];
	context.h1 = states[1][0];
	context.h2 = states[2][0];
	context.h3 = states[3][0];
	context.h4 = states[4][0];
	(void)SHA1_Update(&context, data[0], blocks * DIGEST_BLOCK_BYTES);
	states[0][0] = context.h0;
	states[1][0] = context.h1;
	states[2][0] = context.h2;
	states[3][0] = context.h3;
	states[4][0] = context.h4;
	data[0] += blocks * DIGEST_BLOCK_BYTES;
}

static void sha256_library(
	uint32_t (*states)[DIGEST_COLUMNS], const uint8_t **data, size_t blocks, size_t count)
{
	SHA256_CTX context;

	(void)count;
	(void)SHA256_Init(&context);
	for (size_t i = 0; i < DIGEST_WORDS; i++)
		context.h[i] = states[i][0];
	(void)SHA256_Update(&context, data[0], blocks * DIGEST_BLOCK_BYTES);
	for (size_t i = 0; i < DIGEST_WORDS; i++)
		states[i][0] = context.h[i];
	data[0] += blocks * DIGEST_BLOCK_BYTES;
}

// gcc 12's list of features does not have this one.
static bool has_shani(void)
{
	unsigned int a = 0;
	unsigned int b = 0;
	unsigned int c = 0;
	unsigned int d = 0;

	return __builtin_cpu_supports("sse4.1") && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 &&
	       (b >> 29 & 1) != 0;
}

#define NONE                                                                                       \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}
#define MD5_FEW                                                                                    \
	{                                                                                          \
		digest_md5_few, 1, 3                                                               \
	}
#define LIBRARY                                                                                    \
	{                                                                                          \
		MD5_FEW, {sha1_library, 1, 1},                                                     \
		{                                                                                  \
			sha256_library, 1, 1                                                       \
		}                                                                                  \
	}
#define SHANI                                                                                      \
	{                                                                                          \
		MD5_FEW, {digest_sha1_shani, 1, 2},                                                \
		{                                                                                  \
			digest_sha256_shani, 1, 2                                                  \
		}                                                                                  \
	}

// least: what so many messages take in vectors, most of whose lanes are empty then, fewer do not take one
// after the other.
static const struct digest_lanes_ops variants[] = {
	{"portable", 0, {NONE, NONE, NONE}, LIBRARY},
	{"shani", DIGEST_NEEDS_SHANI, {NONE, NONE, NONE}, SHANI},
	{"avx2", DIGEST_NEEDS_AVX2, {{digest_md5_avx2, 7, 16}, {digest_sha1_avx2, 5, 8}, NONE},
		LIBRARY},
	{"avx2 and shani", DIGEST_NEEDS_AVX2 | DIGEST_NEEDS_SHANI,
		{{digest_md5_avx2, 7, 16}, NONE, NONE}, SHANI},
	{"avx512", DIGEST_NEEDS_AVX512,
		{{digest_md5_avx512, 5, 32}, {digest_sha1_avx512, 4, 16},
			{digest_sha256_avx512, 7, 16}},
		LIBRARY},
	{"avx512 and shani", DIGEST_NEEDS_AVX512 | DIGEST_NEEDS_SHANI,
		{{digest_md5_avx512, 5, 32}, {digest_sha1_avx512, 7, 16},
			{digest_sha256_avx512, 8, 16}},
		SHANI},
	{"avx512 and fast shani",
		DIGEST_NEEDS_AVX512 | DIGEST_NEEDS_SHANI | DIGEST_NEEDS_FAST_SHANI,
		{{digest_md5_avx512, 5, 32}, {digest_sha1_avx512, 9, 16}, NONE}, SHANI},
};

static unsigned int processor_has(void)
{
	return (has_shani() ? DIGEST_NEEDS_SHANI : 0) |
	       (__builtin_cpu_is("amd") ? DIGEST_NEEDS_FAST_SHANI : 0) |
	       (processor_has_avx2() ? DIGEST_NEEDS_AVX2 : 0) |
	       (processor_has_avx512() ? DIGEST_NEEDS_AVX512 : 0);
}

const struct digest_lanes_ops *digest_lanes_variant(size_t i)
{
	const unsigned int has = processor_has();

	for (size_t k = 0; k < sizeof(variants) / sizeof(variants[0]); k++)
		if ((variants[k].needs & ~has) == 0 && i-- == 0)
			return &variants[k];
	return NULL;
}

// Chosen at the first call. Threads that race here choose the same: the order does not matter.
static const struct digest_lanes_ops *best(void)
{
	static const struct digest_lanes_ops *_Atomic chosen;
	const struct digest_lanes_ops *ops = atomic_load_explicit(&chosen, memory_order_relaxed);

	if (ops == NULL) {
		for (size_t i = 0; digest_lanes_variant(i) != NULL; i++)
			ops = digest_lanes_variant(i);
		atomic_store_explicit(&chosen, ops, memory_order_relaxed);
	}
	return ops;
}

// ---- messages ------------------------------------------------------------------------------------

// One message on its way.
struct lane {
	const struct digest_job *job;
	size_t blocks; // that lie there
	uint64_t at;   // in the capture
	size_t form;   // whose end lies there, NO_FORM: what all of them have in common
	size_t behind; // bytes of that which are no whole block
	uint32_t common[DIGEST_WORDS];
	uint8_t end[2 * DIGEST_BLOCK_BYTES];
};

// All of them. The first `used` columns and lanes are in use; the others of the states hold anything.
struct run {
	uint32_t states[DIGEST_WORDS][DIGEST_COLUMNS] __attribute__((aligned(64)));
	const uint8_t *data[DIGEST_COLUMNS];
	struct lane lanes[DIGEST_COLUMNS];
	size_t used;
	enum digest_algorithm algorithm;
};

// RFC 1321 section 3.3, FIPS 180-4 sections 5.3.1 and 5.3.3.
static const uint32_t starts[DIGEST_ALGORITHMS][DIGEST_WORDS] = {
	[DIGEST_INDEX_MD5] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u},
	[DIGEST_INDEX_SHA1] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u},
	[DIGEST_INDEX_SHA256] = {0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au, 0x510e527fu,
		0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u},
};

static void set_state(struct run *run, size_t i, const uint32_t *words)
{
	for (size_t k = 0; k < DIGEST_WORDS; k++)
		run->states[k][i] = words[k];
}

// The last bytes with what RFC 1321 sections 3.1 and 3.2 or FIPS 180-4 section 5.1.1 put behind them.
static void begin_form(struct run *run, size_t i, size_t number)
{
	struct lane *lane = &run->lanes[i];
	const struct digest_form *form = &lane->job->forms[number];
	const uint64_t bits = (lane->job->bytes + form->behind_bytes) * 8;
	const uint64_t length = run->algorithm == DIGEST_INDEX_MD5 ? htole64(bits) : htobe64(bits);
	size_t n = lane->behind + form->behind_bytes;

	set_state(run, i, lane->common);
	memcpy(lane->end + lane->behind, form->behind, form->behind_bytes);
	lane->blocks = (n + sizeof(length)) / DIGEST_BLOCK_BYTES + 1;
	lane->end[n] = 0x80;
	memset(lane->end + n + 1, 0, lane->blocks * DIGEST_BLOCK_BYTES - n - 1);
	memcpy(lane->end + lane->blocks * DIGEST_BLOCK_BYTES - sizeof(length), &length,
		sizeof(length));
	lane->form = number;
	run->data[i] = lane->end;
}

// The pieces of a capture, and of a stream, but for the last are whole blocks.
static size_t find_piece(const struct lane *lane, const uint8_t **data)
{
	if (lane->job->stream != NULL)
		return digest_stream_piece(lane->job->stream, lane->at, data);
	return capture_piece(lane->job->copy, lane->at, data);
}

static void get_state(const struct run *run, size_t i, uint32_t *words)
{
	for (size_t k = 0; k < DIGEST_WORDS; k++)
		words[k] = run->states[k][i];
}

// False: only blocks were to be hashed, and they are.
static bool next_piece(struct run *run, size_t i)
{
	struct lane *lane = &run->lanes[i];
	const uint64_t left = lane->job->bytes - lane->at;
	size_t n = find_piece(lane, &run->data[i]);

	n = n < left ? n : (size_t)left;
	lane->blocks = n / DIGEST_BLOCK_BYTES;
	if (lane->blocks > 0)
		return true;
	if (lane->job->wanted == 0) {
		get_state(run, i, lane->job->stream->sums[run->algorithm]);
		return false;
	}
	lane->behind = n;
	memcpy(lane->end, run->data[i], n);
	get_state(run, i, lane->common);
	begin_form(run, i, (size_t)__builtin_ctz(lane->job->wanted));
	return true;
}

static void begin(struct run *run, size_t i, const struct digest_job *job)
{
	struct lane *lane = &run->lanes[i];
	const struct digest_stream *stream = job->stream;

	lane->job = job;
	lane->at = stream != NULL ? stream->hashed : 0;
	lane->form = NO_FORM;
	run->data[i] = lane->end;
	set_state(run, i, stream != NULL ? stream->sums[run->algorithm] : starts[run->algorithm]);
	(void)next_piece(run, i);
}

static void end_form(const struct run *run, size_t i)
{
	const struct lane *lane = &run->lanes[i];
	uint8_t *digest = lane->job->digests[lane->form];
	const size_t words = digest_bytes(run->algorithm) / sizeof(uint32_t);

	memset(digest, 0, DIGEST_MAX_BYTES);
	for (size_t k = 0; k < words; k++) {
		uint32_t word = run->states[k][i];

		word = run->algorithm == DIGEST_INDEX_MD5 ? htole32(word) : htobe32(word);
		memcpy(digest + k * sizeof(word), &word, sizeof(word));
	}
}

static size_t next_form(const struct lane *lane)
{
	const size_t next = lane->form + 1;

	return next + (size_t)__builtin_ctz(lane->job->wanted >> next);
}

// Whether there is more to do for the lane's message.
static bool go_on(struct run *run, size_t i)
{
	struct lane *lane = &run->lanes[i];

	if (lane->blocks > 0)
		return true;
	if (lane->form == NO_FORM)
		return next_piece(run, i);
	end_form(run, i);
	if (lane->job->wanted >> (lane->form + 1) == 0)
		return false;
	begin_form(run, i, next_form(lane));
	return true;
}

// The last one takes the place of one that is over.
static void close_gap(struct run *run, size_t i)
{
	const size_t last = --run->used;
	const uint8_t *end = run->lanes[last].end;

	if (i == last)
		return;
	run->lanes[i] = run->lanes[last];
	run->data[i] = run->lanes[i].form == NO_FORM ? run->data[last]
						     : run->lanes[i].end + (run->data[last] - end);
	for (size_t k = 0; k < DIGEST_WORDS; k++)
		run->states[k][i] = run->states[k][last];
}

// What lies there of some lanes, the first of all, was hashed as far as the shortest goes.
static void advance(struct run *run, const struct digest_blocks *kernel, size_t count)
{
	size_t blocks = run->lanes[0].blocks;

	for (size_t i = 1; i < count; i++)
		blocks = run->lanes[i].blocks < blocks ? run->lanes[i].blocks : blocks;
	kernel->run(run->states, run->data, blocks, count);
	for (size_t i = 0; i < count; i++) {
		run->lanes[i].blocks -= blocks;
		run->lanes[i].at += blocks * DIGEST_BLOCK_BYTES;
	}
}

// As many as the kernel takes; three are done before two and two.
static size_t share(const struct digest_blocks *kernel, size_t used)
{
	if (used <= kernel->most)
		return used;
	return used == (size_t)kernel->most + 1 && kernel->most > 2 ? kernel->most - 1
								    : kernel->most;
}

void digest_lanes_with(const struct digest_lanes_ops *ops, enum digest_algorithm algorithm,
	const struct digest_job *jobs, size_t count)
{
	const struct digest_blocks *wide = &ops->wide[algorithm];
	const size_t room = wide->run != NULL ? wide->most : ops->few[algorithm].most;
	struct run run;
	size_t begun = 0;

	run.used = 0;
	run.algorithm = algorithm;
	for (; run.used < room && begun < count; run.used++)
		begin(&run, run.used, &jobs[begun++]);
	while (run.used > 0) {
		const struct digest_blocks *kernel =
			wide->run != NULL && run.used >= wide->least ? wide : &ops->few[algorithm];
		const size_t taken = share(kernel, run.used);

		advance(&run, kernel, taken);
		for (size_t i = taken; i-- > 0;) {
			if (go_on(&run, i))
				continue;
			if (begun < count)
				begin(&run, i, &jobs[begun++]);
			else
				close_gap(&run, i);
		}
	}
}

void digest_lanes(enum digest_algorithm algorithm, const struct digest_job *jobs, size_t count)
{
	if (count > 0)
		digest_lanes_with(best(), algorithm, jobs, count);
}

// ---- streams -------------------------------------------------------------------------------------

size_t digest_lanes_worth(unsigned int algorithms)
{
	size_t worth = 1;

	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		const struct digest_blocks *wide = &best()->wide[i];
		const size_t own = wide->run != NULL ? wide->least : best()->few[i].most;

		if ((algorithms >> i & 1) != 0 && own > worth)
			worth = own;
	}
	return worth;
}

size_t digest_lanes_few(unsigned int algorithms)
{
	size_t few = 1;

	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++)
		if ((algorithms >> i & 1) != 0 && best()->few[i].most > few)
			few = best()->few[i].most;
	return few;
}

const uint32_t *digest_lanes_start(enum digest_algorithm algorithm)
{
	return starts[algorithm];
}

void digest_lanes_advance(struct digest_stream *const *streams, const uint64_t *to, size_t count)
{
	for (enum digest_algorithm a = 0; a < DIGEST_ALGORITHMS; a++) {
		struct digest_job jobs[DIGEST_LANES];
		size_t used = 0;

		for (size_t i = 0; i < count; i++)
			if ((streams[i]->running >> a & 1) != 0)
				jobs[used++] =
					(struct digest_job){.stream = streams[i], .bytes = to[i]};
		digest_lanes(a, jobs, used);
	}
}
