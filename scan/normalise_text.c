// SPDX-License-Identifier: BSD-3-Clause
#include "scan/normalise_text.h"

#include "scan/normalise_ops.h"
#include "scan/processor.h"

#include <stdatomic.h>

// The upper half is dropped.
const uint8_t normalise_text_bytes[256] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 32, 32, 32, 32, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
	44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 97, 98,
	99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116,
	117, 118, 119, 120, 121, 122, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102, 103, 104,
	105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122,
	123, 124, 125, 126, 127};

#define EIGHT(byte) byte, byte, byte, byte, byte, byte, byte, byte
#define VECTOR(byte)                                                                               \
	{                                                                                          \
		EIGHT(byte), EIGHT(byte), EIGHT(byte), EIGHT(byte), EIGHT(byte), EIGHT(byte),      \
			EIGHT(byte), EIGHT(byte)                                                   \
	}
#define FROM(byte)                                                                                 \
	VECTOR(byte), VECTOR((byte) + 1), VECTOR((byte) + 2), VECTOR((byte) + 3),                  \
		VECTOR((byte) + 4), VECTOR((byte) + 5), VECTOR((byte) + 6), VECTOR((byte) + 7)

const uint8_t normalise_html_all[128][64] __attribute__((aligned(64))) = {FROM(0), FROM(8),
	FROM(16), FROM(24), FROM(32), FROM(40), FROM(48), FROM(56), FROM(64), FROM(72), FROM(80),
	FROM(88), FROM(96), FROM(104), FROM(112), FROM(120)};

static void text_run(struct normalise_run *run)
{
	uint8_t *out = run->out;
	bool after_space = run->after_space;

	for (const uint8_t *in = run->in; in < run->end; in++) {
		uint8_t byte = normalise_text_bytes[*in];
		bool is_space = byte == ' ';

		*out = byte;
		out += byte != 0 && !(is_space && after_space);
		after_space = byte != 0 ? is_space : after_space;
	}
	run->in = run->end;
	run->out = out;
	run->after_space = after_space;
}

static void html_run(struct normalise_html_run *run)
{
	const uint8_t *in = run->in;

	if (run->skips_blanks)
		return;
	while (in < run->end && normalise_is_plain(*in)) {
		*run->page++ = *run->text++ = normalise_text_bytes[*in++];
		if (run->end - in > 1 && *in == ' ' && normalise_is_plain(in[1])) {
			*run->page++ = *run->text++ = ' ';
			in++;
		}
	}
	run->after_space = run->after_space && in == run->in;
	run->in = in;
}

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static uint8_t lower(uint8_t byte)
{
	return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
}

static void script_run(struct normalise_html_run *run, bool is_comment)
{
	for (; run->in < run->end; run->in++) {
		uint8_t byte = *run->in;

		if (is_comment ? byte == '>' : byte == '<' || byte == '&' || byte >= 0x80)
			break;
		if (!is_blank(byte))
			*run->page++ = byte == '\'' ? '"' : lower(byte);
	}
}

static void value_run(struct normalise_html_run *run)
{
	for (; run->in < run->end; run->in++) {
		uint8_t byte = *run->in;

		if (is_blank(byte) || byte == '>' || byte == '&' || byte == '"' || byte == '\'' ||
			byte >= 0x80)
			break;
		*run->page++ = lower(byte);
	}
}

static void name_run(struct normalise_html_run *run, bool is_arg)
{
	for (; run->in < run->end; run->in++) {
		uint8_t byte = *run->in;

		if (is_blank(byte) || byte == '>' || (byte == '=' && is_arg))
			break;
		*run->page++ = lower(byte);
	}
}

const struct normalise_ops normalise_ops_portable = {
	"portable", text_run, html_run, script_run, value_run, name_run, false};

const struct normalise_ops *normalise_variant(size_t i)
{
	switch (i) {
	case 0:
		return &normalise_ops_portable;
	case 1:
		return processor_has_avx2() ? &normalise_ops_avx2 : NULL;
	case 2:
		return processor_has_avx512() ? &normalise_ops_avx512 : NULL;
	default:
		return NULL;
	}
}

// Looked up once; threads that come at the same time find the same.
const struct normalise_ops *normalise_best(void)
{
	static _Atomic(const struct normalise_ops *) chosen;
	const struct normalise_ops *ops = atomic_load_explicit(&chosen, memory_order_relaxed);

	if (ops == NULL) {
		for (size_t i = 0; normalise_variant(i) != NULL; i++)
			ops = normalise_variant(i);
		atomic_store_explicit(&chosen, ops, memory_order_relaxed);
	}
	return ops;
}

size_t normalise_text_with(const struct normalise_ops *ops, struct normalise_text *state,
	const uint8_t *in, size_t n, uint8_t *out)
{
	struct normalise_run run = {in, in + n, out, state->after_space};

	ops->text_run(&run);
	text_run(&run);
	state->after_space = run.after_space;
	return (size_t)(run.out - out);
}

size_t normalise_text(struct normalise_text *state, const uint8_t *in, size_t n, uint8_t *out)
{
	return normalise_text_with(normalise_best(), state, in, n, out);
}
