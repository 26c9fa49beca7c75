// SPDX-License-Identifier: BSD-3-Clause
// Deflate in the pieces that a mail brings, beside libdeflate, which has all of it at once.
#include "perf/perf.h"
#include "scan/unpack_inflate.h"

#include <libdeflate.h>

#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES 3000u // of base64 in 4 KiB
#define LEVEL 6

struct inflate_case {
	struct inflate *inflate;
	struct libdeflate_decompressor *peer;
	uint8_t *plain;
	uint8_t *packed;
	size_t bytes;
	size_t packed_bytes;
};

static int finish(struct perf_run *run, struct inflate_case *state)
{
	struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(LEVEL);
	size_t room;

	perf_need(compressor != NULL, "memory");
	room = libdeflate_deflate_compress_bound(compressor, state->bytes);
	state->packed = perf_alloc(room);
	state->packed_bytes = libdeflate_deflate_compress(
		compressor, state->plain, state->bytes, state->packed, room);
	libdeflate_free_compressor(compressor);
	perf_need(state->packed_bytes > 0, "deflate");
	run->amount = (double)state->bytes;
	run->state = state;
	return 0;
}

static struct inflate_case *make(const struct perf_run *run)
{
	struct inflate_case *state = perf_alloc(sizeof(*state));

	state->inflate = perf_alloc(sizeof(*state->inflate));
	state->peer = libdeflate_alloc_decompressor();
	perf_need(state->peer != NULL, "memory");
	state->bytes = run->it->number;
	state->plain = perf_alloc(state->bytes);
	return state;
}

// Words between tags, as in an office document.
static int begin_words(struct perf_run *run)
{
	static const char *const words[] = {"<w:p><w:r><w:t>", "</w:t></w:r></w:p>", "the ",
		"invoice ", "of ", "March ", "is ", "attached ", "kind ", "regards "};
	struct inflate_case *state = make(run);
	uint8_t *random = perf_alloc(state->bytes);
	size_t at = 0;

	perf_fill(random, state->bytes, 5);
	for (size_t i = 0; at < state->bytes; i++) {
		const char *word = words[random[i] % 10];

		while (*word != '\0' && at < state->bytes)
			state->plain[at++] = (uint8_t)*word++;
	}
	free(random);
	return finish(run, state);
}

// As in a program: half of it occurred before, in few bytes, and half are bytes of which some are frequent.
static int begin_program(struct perf_run *run)
{
	struct inflate_case *state = make(run);
	uint8_t *random = perf_alloc(2 * state->bytes);
	size_t at = 0;

	perf_fill(random, 2 * state->bytes, 6);
	for (size_t i = 0; at < state->bytes; i += 4) {
		size_t back = 1 + (random[i] | (size_t)random[i + 1] << 8) % 20000;
		size_t n = 3 + random[i + 2] % 5;

		if (random[i + 3] % 4 == 0 && back <= at)
			for (; n > 0 && at < state->bytes; n--, at++)
				state->plain[at] = state->plain[at - back];
		else
			state->plain[at++] = (uint8_t)((random[i] & random[i + 1]) ^ 0x48);
	}
	free(random);
	return finish(run, state);
}

static void run_pieces(void *ctx)
{
	struct inflate_case *state = ctx;
	struct inflate_output output = {0};
	size_t bytes = 0;

	inflate_begin(state->inflate);
	for (size_t at = 0; at < state->packed_bytes || output.is_full;) {
		size_t n = state->packed_bytes - at;

		n = n < PIECE_BYTES ? n : PIECE_BYTES;
		(void)inflate_feed(
			state->inflate, state->packed + at, output.is_full ? 0 : n, &output);
		at += output.used;
		bytes += output.bytes;
	}
	perf_need(bytes == state->bytes, "all bytes");
}

static void run_whole(void *ctx)
{
	struct inflate_case *state = ctx;

	perf_need(libdeflate_deflate_decompress(state->peer, state->packed, state->packed_bytes,
			  state->plain, state->bytes, NULL) == LIBDEFLATE_SUCCESS,
		"all bytes");
}

static void end(void *ctx)
{
	struct inflate_case *state = ctx;

	libdeflate_free_decompressor(state->peer);
	free(state->inflate);
	free(state->plain);
	free(state->packed);
	free(state);
}

static const struct perf_case cases[] = {
	{"inflate/words/100k", "libdeflate", "B/s", 100000, false, false, begin_words, run_pieces,
		run_whole, end},
	{"inflate/program/100k", "libdeflate", "B/s", 100000, false, false, begin_program,
		run_pieces, run_whole, end},
};
PERF_CASES(cases)
