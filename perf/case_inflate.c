// SPDX-License-Identifier: BSD-3-Clause
// Deflate in the pieces that a mail brings, beside libdeflate, which has all of it at once.
#include "perf/content.h"
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
	state->plain = perf_alloc(state->bytes + CONTENT_SLACK);
	return state;
}

static int begin(struct perf_run *run,
	void (*write)(struct mail_bytes *out, size_t bytes, struct dice *dice))
{
	struct inflate_case *state = make(run);
	struct mail_bytes out = {.data = state->plain};
	struct dice dice = {.state = 5};

	write(&out, state->bytes, &dice);
	state->bytes = out.bytes;
	return finish(run, state);
}

// Of an office document, at a ratio of about 8.
static int begin_document(struct perf_run *run)
{
	return begin(run, content_document);
}

static int begin_text(struct perf_run *run)
{
	return begin(run, content_text);
}

// Machine code most of all, at a ratio of about 2.
static int begin_program(struct perf_run *run)
{
	return begin(run, content_program);
}

// Packed before: stored blocks.
static int begin_image(struct perf_run *run)
{
	return begin(run, content_image);
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
	{"inflate/document/100k", "libdeflate", "B/s", 100000, false, false, begin_document,
		run_pieces, run_whole, end},
	{"inflate/document/4k", "libdeflate", "B/s", 4000, false, false, begin_document, run_pieces,
		run_whole, end},
	{"inflate/text/100k", "libdeflate", "B/s", 100000, false, false, begin_text, run_pieces,
		run_whole, end},
	{"inflate/program/100k", "libdeflate", "B/s", 100000, false, false, begin_program,
		run_pieces, run_whole, end},
	{"inflate/image/100k", "libdeflate", "B/s", 100000, false, false, begin_image, run_pieces,
		run_whole, end},
};
PERF_CASES(cases)
