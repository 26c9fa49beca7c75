// SPDX-License-Identifier: BSD-3-Clause
// Transfer encodings and the search for lines, beside a copy of the same bytes.
#include "perf/perf.h"
#include "scan/decode.h"
#include "scan/mime_lines.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS 76
#define OUT_ROOM (2UL * DECODE_SLACK + sizeof(struct qp_state))

struct decode_state {
	uint8_t *in;
	uint8_t *out;
	size_t bytes;
};

static struct decode_state *make(struct perf_run *run)
{
	struct decode_state *state = perf_alloc(sizeof(*state));

	state->bytes = run->it->number;
	state->in = perf_alloc(state->bytes);
	state->out = perf_alloc(state->bytes + OUT_ROOM);
	perf_fill(state->in, state->bytes, 1);
	run->amount = (double)state->bytes;
	run->state = state;
	return state;
}

static void break_lines(struct decode_state *state)
{
	for (size_t i = COLUMNS; i + 1 < state->bytes; i += COLUMNS + 2)
		memcpy(state->in + i, "\r\n", 2);
}

static int begin_base64(struct perf_run *run)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct decode_state *state = make(run);

	for (size_t i = 0; i < state->bytes; i++)
		state->in[i] = (uint8_t)alphabet[state->in[i] & 63];
	break_lines(state);
	return 0;
}

// A text of a western language: one letter in twenty is written as =HH, and lines go on behind "=".
static int begin_qp(struct perf_run *run)
{
	struct decode_state *state = make(run);

	for (size_t i = 0; i < state->bytes; i++) {
		uint8_t byte = state->in[i];

		state->in[i] = byte % 6 == 0 ? ' ' : (uint8_t)('a' + byte % 26);
		if (byte % 20 == 0 && i + 3 < state->bytes) {
			memcpy(state->in + i, "=E4", 3);
			i += 2;
		}
	}
	for (size_t i = COLUMNS; i + 1 < state->bytes; i += COLUMNS + 2)
		memcpy(state->in + i - 1, "=\r\n", 3);
	return 0;
}

static int begin_text(struct perf_run *run)
{
	struct decode_state *state = make(run);

	for (size_t i = 0; i < state->bytes; i++)
		state->in[i] = state->in[i] % 6 == 0 ? ' ' : (uint8_t)('a' + state->in[i] % 26);
	break_lines(state);
	memcpy(state->in + state->bytes - 2, "\r\n", 2);
	return 0;
}

static void run_base64(void *ctx)
{
	const struct decode_state *state = ctx;
	struct base64_state base64 = {0};
	size_t n = base64_decode(&base64, state->in, state->bytes, state->out);

	perf_keep(n + base64_end(&base64, state->out + n));
}

static void run_qp(void *ctx)
{
	const struct decode_state *state = ctx;
	struct qp_state qp = {0};
	size_t n = qp_decode(&qp, state->in, state->bytes, state->out);

	perf_keep(n + qp_end(&qp, state->out + n));
}

static void run_find(void *ctx)
{
	const struct decode_state *state = ctx;
	const uint8_t *end = state->in + state->bytes;
	const uint8_t *at = state->in;
	uint64_t lines = 0;

	while (at < end && (at = find_lf(at, (size_t)(end - at))) != NULL) {
		lines++;
		at++;
	}
	perf_keep(lines);
}

static void run_skip(void *ctx)
{
	const struct decode_state *state = ctx;

	size_t at = 0;
	size_t n;

	// What may begin something is looked at otherwise, and the search goes on behind it.
	do {
		n = mime_lines_skip(state->in + at, state->bytes - at, false);
		at += n > 0 ? n : COLUMNS + 2;
	} while (at + COLUMNS + 2 < state->bytes);
	perf_keep(at);
}

static void run_copy(void *ctx)
{
	const struct decode_state *state = ctx;

	memcpy(state->out, state->in, state->bytes);
	perf_keep(state->out[state->bytes / 2]);
}

static void end(void *ctx)
{
	struct decode_state *state = ctx;

	free(state->in);
	free(state->out);
	free(state);
}

static const struct perf_case cases[] = {
	{"decode/base64/16k", "memcpy", "B/s", 16384, false, false, begin_base64, run_base64,
		run_copy, end},
	{"decode/base64/1m", "memcpy", "B/s", 1 << 20, false, false, begin_base64, run_base64,
		run_copy, end},
	{"decode/quoted-printable/16k", "memcpy", "B/s", 16384, false, false, begin_qp, run_qp,
		run_copy, end},
	{"decode/quoted-printable/1m", "memcpy", "B/s", 1 << 20, false, false, begin_qp, run_qp,
		run_copy, end},
	{"lines/find/16k", "memcpy", "B/s", 16384, false, false, begin_text, run_find, run_copy,
		end},
	{"lines/skip/16k", "memcpy", "B/s", 16384, false, false, begin_text, run_skip, run_copy,
		end},
};
PERF_CASES(cases)
