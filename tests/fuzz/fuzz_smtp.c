// SPDX-License-Identifier: BSD-3-Clause
// The SMTP dialogue: however the input is cut, the same events at the same offsets, and the masked
// bytes of the uncut reading are masked.
//
// Input: a byte of options, a byte that chooses the pieces, then the dialogue. The byte 0x1e and C or
// S says whose bytes follow.
#include "tests/reassembly/test_smtp_script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct script whole;
static struct script pieces;

struct play {
	uint32_t seed; // of the pieces, 0 for none
	bool in_place;
};

static size_t next_piece(struct play *play, size_t left)
{
	size_t n;

	if (play->seed == 0)
		return left;
	play->seed = play->seed * 1103515245u + 12345u;
	n = 1 + (play->seed >> 16) % ((play->seed & 0x8000u) != 0 ? 3u : 40u);
	return n < left ? n : left;
}

static void run(struct script *script, const struct smtp_options *options, struct play play,
	const uint8_t *data, size_t n)
{
	static _Alignas(64) uint8_t memory[1u << 15];
	struct smtp_pool *pool = smtp_pool_init(memory, 2);
	enum tcp_side side = TCP_SERVER;

	if (smtp_pool_bytes(2) > sizeof(memory))
		abort();
	script_begin(script, options);
	for (size_t at = 0; at < n && script->broken == NULL;) {
		const uint8_t *mark = memchr(data + at, 0x1e, n - at);
		size_t end = mark != NULL ? (size_t)(mark - data) : n;

		while (at < end && script->broken == NULL) {
			size_t piece = next_piece(&play, end - at);

			script_give(script, pool, side, data + at, piece, play.in_place);
			at += piece;
		}
		if (mark != NULL)
			at++;
		if (mark != NULL && at < n)
			side = data[at++] == 'C' ? TCP_CLIENT : TCP_SERVER;
	}
	smtp_fini(&script->smtp, pool);
	if (script->broken != NULL) {
		(void)fprintf(stderr, "%s\n", script->broken);
		abort();
	}
}

static void compare(void)
{
	if (pieces.log_bytes != whole.log_bytes ||
		memcmp(pieces.log, whole.log, whole.log_bytes) != 0 ||
		pieces.offsets_bytes != whole.offsets_bytes ||
		memcmp(pieces.offsets, whole.offsets, whole.offsets_bytes) != 0) {
		(void)fprintf(stderr, "whole:\n%.*s\npieces:\n%.*s\n", (int)whole.log_bytes,
			whole.log, (int)pieces.log_bytes, pieces.log);
		abort();
	}
	for (int i = 0; i < 2; i++) {
		if (pieces.side[i].read != whole.side[i].read)
			abort();
		for (size_t at = 0; at < whole.side[i].given; at++) {
			if (whole.side[i].masked[at] && !pieces.side[i].masked[at])
				abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct smtp_options options = {0};
	uint32_t seed;

	if (n < 2 || n > SCRIPT_BYTES / 8)
		return 0;
	options.starttls = (enum smtp_starttls)((data[0] & 3u) % 3u);
	options.pass_unknown_verbs = (data[0] & 4u) != 0;
	options.hide_chunking = (data[0] & 8u) != 0;
	options.report_bare_newline = (data[0] & 16u) != 0;
	options.max_line_bytes = (data[0] & 32u) != 0 ? 10 : 0;
	seed = data[1] | 0x100u;
	run(&whole, &options, (struct play){0}, data + 2, n - 2);
	run(&pieces, &options, (struct play){.seed = seed}, data + 2, n - 2);
	compare();
	run(&pieces, &options, (struct play){.seed = seed + 1, .in_place = true}, data + 2, n - 2);
	return 0;
}
