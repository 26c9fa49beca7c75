// SPDX-License-Identifier: BSD-3-Clause
// The exact rules of the decoders, one byte at a time, around the fast loops of decode_ops.h.
#include "scan/decode.h"

#include "scan/decode_ops.h"
#include "scan/processor.h"

#include <stdatomic.h>
#include <string.h>

const struct decode_ops *decode_variant(size_t i)
{
	switch (i) {
	case 0:
		return &decode_ops_portable;
	case 1:
		return processor_has_avx2() ? &decode_ops_avx2 : NULL;
	case 2:
		return processor_has_avx512() ? &decode_ops_avx512 : NULL;
	default:
		return NULL;
	}
}

// Chosen at the first call. Threads that race here choose the same: the order does not matter.
static const struct decode_ops *decode_best(void)
{
	static const struct decode_ops *_Atomic best;
	const struct decode_ops *ops = atomic_load_explicit(&best, memory_order_relaxed);

	if (ops == NULL) {
		for (size_t i = 0; decode_variant(i) != NULL; i++)
			ops = decode_variant(i);
		atomic_store_explicit(&best, ops, memory_order_relaxed);
	}
	return ops;
}

// ---- base64 ------------------------------------------------------------------------------------

// Writes the bytes that a quantum of 2 or 3 sextets holds. Returns how many.
static size_t base64_flush(struct base64_state *state, uint8_t *out)
{
	size_t n = 0;

	if (state->sextets >= 2)
		out[n++] = (uint8_t)(state->bits >> (state->sextets == 2 ? 4 : 10));
	if (state->sextets == 3)
		out[n++] = (uint8_t)(state->bits >> 2);
	state->sextets = 0;
	state->bits = 0;
	return n;
}

// "=" counts where it can complete a quantum, and is junk elsewhere. After it a new quantum begins.
static size_t base64_pad(struct base64_state *state, uint8_t *out)
{
	if (state->sextets < 2 || state->passes_pads) {
		if (state->padded == 0)
			state->flags |= DECODE_JUNK;
		return 0;
	}
	state->padded++;
	if (state->sextets + state->padded < 4)
		return 0;
	if ((state->flags & DECODE_REALIGNED) == 0) {
		state->cut_sextets = state->sextets;
		state->cut_bits = state->bits;
	}
	return base64_flush(state, out);
}

static size_t base64_byte(struct base64_state *state, uint8_t c, uint8_t *out)
{
	uint8_t sextet = decode_sextets[c];

	if (c == '=')
		return base64_pad(state, out);
	if (sextet == DECODE_INVALID) {
		if (c != '\r' && c != '\n' && c != ' ' && c != '\t')
			state->flags |= DECODE_JUNK;
		return 0;
	}
	if (state->padded != 0)
		state->flags |= DECODE_AFTER_PAD | (state->sextets == 0 ? DECODE_REALIGNED : 0u);
	state->padded = 0;
	state->bits = state->bits << 6 | sextet;
	if (++state->sextets < 4)
		return 0;

	out[0] = (uint8_t)(state->bits >> 16);
	out[1] = (uint8_t)(state->bits >> 8);
	out[2] = (uint8_t)state->bits;
	state->sextets = 0;
	state->bits = 0;
	return 3;
}

size_t base64_decode_with(const struct decode_ops *ops, struct base64_state *state,
	const uint8_t *in, size_t n, uint8_t *out)
{
	struct decode_run run = {in, in + n, out};
	const uint8_t flags = state->flags;

	state->resumed = false;
	state->realigned = false;
	while (run.in < run.end) {
		if (state->sextets == 0 && state->padded == 0)
			ops->base64_run(&run);
		if (run.in == run.end)
			break;
		// A quantum's first sextet makes no byte: what was written stands before it.
		run.out += base64_byte(state, *run.in++, run.out);
		if (((state->flags ^ flags) & DECODE_AFTER_PAD) != 0 && !state->resumed) {
			state->resumed = true;
			state->resumed_at = (size_t)(run.out - out);
		}
		if (((state->flags ^ flags) & DECODE_REALIGNED) != 0 && !state->realigned) {
			state->realigned = true;
			state->realigned_at = (size_t)(run.out - out);
			state->realigned_in = (size_t)(run.in - in) - 1;
		}
	}
	return (size_t)(run.out - out);
}

size_t base64_decode(struct base64_state *state, const uint8_t *in, size_t n, uint8_t *out)
{
	return base64_decode_with(decode_best(), state, in, n, out);
}

size_t base64_end(struct base64_state *state, uint8_t *out)
{
	if (state->sextets != 0)
		state->flags |= DECODE_TRUNCATED;
	state->padded = 0;
	return base64_flush(state, out);
}

// ---- quoted-printable --------------------------------------------------------------------------

// What is held back is, in this order: pending[0] if that is "=", the blanks, the rest of pending.
// pending is one of "", "=", "=H", "=\r", "\r". Blanks are held until it is known whether a line break
// follows, which drops them. A run of more than sizeof(blanks) of them, which no encoder makes, is let
// through as data: blanks_bytes is then QP_BLANKS_PASS until the run ends.
#define QP_BLANKS_PASS (sizeof(((struct qp_state *)0)->blanks) + 1)

static bool qp_is_soft_cr(const struct qp_state *state)
{
	return state->pending_bytes == 2 && state->pending[0] == '=' && state->pending[1] == '\r';
}

static size_t qp_flush(struct qp_state *state, uint8_t *out)
{
	size_t n = 0;
	size_t from = 0;

	// A line that ends in CR alone goes on, too, as for readers that know such lines.
	if (qp_is_soft_cr(state)) {
		state->flags |= DECODE_BAD_ESCAPE;
		state->pending_bytes = 0;
		state->blanks_bytes = 0;
		return 0;
	}
	if (state->pending_bytes > 0 && state->pending[0] == '=') {
		state->flags |= DECODE_BAD_ESCAPE;
		out[n++] = '=';
		from = 1;
	}
	if (state->blanks_bytes < QP_BLANKS_PASS) {
		memcpy(out + n, state->blanks, state->blanks_bytes);
		n += state->blanks_bytes;
	}
	memcpy(out + n, state->pending + from, state->pending_bytes - from);
	n += state->pending_bytes - from;
	state->pending_bytes = 0;
	state->blanks_bytes = 0;
	return n;
}

static size_t qp_blank(struct qp_state *state, uint8_t c, uint8_t *out)
{
	size_t n = 0;

	// A blank after "=H" or a lone CR is no continuation of what is held.
	if (state->pending_bytes > 1 || (state->pending_bytes == 1 && state->pending[0] == '\r'))
		n = qp_flush(state, out);
	if (state->blanks_bytes < sizeof(state->blanks)) {
		state->blanks[state->blanks_bytes++] = c;
		return n;
	}
	n += qp_flush(state, out + n);
	out[n++] = c;
	state->blanks_bytes = QP_BLANKS_PASS;
	return n;
}

// A line feed: ends a soft line break, or a line whose trailing blanks go away.
static size_t qp_line_feed(struct qp_state *state, uint8_t *out)
{
	bool is_soft = state->pending_bytes > 0 && state->pending[0] == '=';
	bool is_crlf = state->pending_bytes > 0 && state->pending[state->pending_bytes - 1] == '\r';
	size_t n = 0;

	if (is_soft && state->pending_bytes == 2 && !is_crlf) {
		n = qp_flush(state, out);
		is_soft = false;
	}
	state->pending_bytes = 0;
	state->blanks_bytes = 0;
	if (is_soft)
		return 0;
	if (is_crlf)
		out[n++] = '\r';
	out[n++] = '\n';
	return n;
}

static size_t qp_carriage_return(struct qp_state *state, uint8_t *out)
{
	size_t n = 0;

	if (qp_is_soft_cr(state))
		return 0;
	if (state->pending_bytes > 1 || (state->pending_bytes == 1 && state->pending[0] == '\r'))
		n = qp_flush(state, out);
	if (state->blanks_bytes == QP_BLANKS_PASS)
		state->blanks_bytes = 0;
	if (state->pending_bytes == 0 && state->blanks_bytes == 0) {
		out[n++] = '\r';
		return n;
	}
	state->pending[state->pending_bytes++] = '\r';
	return n;
}

static size_t qp_other(struct qp_state *state, uint8_t c, uint8_t *out)
{
	bool is_escape =
		state->pending_bytes > 0 && state->pending[0] == '=' && state->blanks_bytes == 0;
	size_t n;

	if (is_escape && decode_nibbles[c] != DECODE_INVALID) {
		if (state->pending_bytes == 1) {
			state->pending[state->pending_bytes++] = c;
			return 0;
		}
		if (state->pending[1] != '\r') {
			out[0] = (uint8_t)(decode_nibbles[state->pending[1]] << 4 |
					   decode_nibbles[c]);
			state->pending_bytes = 0;
			return 1;
		}
	}
	n = qp_flush(state, out);
	if (c == '=')
		state->pending[state->pending_bytes++] = c;
	else
		out[n++] = c;
	return n;
}

static size_t qp_byte(struct qp_state *state, uint8_t c, uint8_t *out)
{
	switch (c) {
	case ' ':
	case '\t':
		return qp_blank(state, c, out);
	case '\r':
		return qp_carriage_return(state, out);
	case '\n':
		return qp_line_feed(state, out);
	default:
		return qp_other(state, c, out);
	}
}

size_t qp_decode_with(const struct decode_ops *ops, struct qp_state *state, const uint8_t *in,
	size_t n, uint8_t *out)
{
	struct decode_run run = {in, in + n, out};

	while (run.in < run.end) {
		if (state->pending_bytes == 0 && state->blanks_bytes == 0)
			ops->qp_run(&run);
		if (run.in < run.end)
			run.out += qp_byte(state, *run.in++, run.out);
	}
	return (size_t)(run.out - out);
}

size_t qp_decode(struct qp_state *state, const uint8_t *in, size_t n, uint8_t *out)
{
	return qp_decode_with(decode_best(), state, in, n, out);
}

// The end of a part is the end of its last line: blanks before it go, and "=" is a soft line break.
size_t qp_end(struct qp_state *state, uint8_t *out)
{
	size_t n = 0;

	if (state->pending_bytes == 2 && state->pending[0] == '=' && state->pending[1] != '\r')
		n = qp_flush(state, out);
	else if (state->pending_bytes == 1 && state->pending[0] == '\r')
		out[n++] = '\r';
	state->pending_bytes = 0;
	state->blanks_bytes = 0;
	return n;
}

// ---- uuencode ----------------------------------------------------------------------------------

// POSIX.1-2017, uuencode: a length, then four characters for three bytes, each 0x20 + six bits, with
// "`" for a space. Characters that a mailer cut off the end of the line were spaces.
size_t uu_decode_line(const uint8_t *line, size_t n, uint8_t *out)
{
	size_t bytes;

	if (n == 0 || line[0] < ' ' || line[0] > '`')
		return 0;
	bytes = (line[0] - ' ') & 63u;
	for (size_t i = 0; i < bytes; i += 3) {
		uint32_t quantum = 0;
		size_t at = 1 + i / 3 * 4;

		for (size_t k = at; k < at + 4; k++) {
			uint32_t c = k < n ? line[k] : ' ';

			quantum = quantum << 6 | ((c - ' ') & 63u);
		}
		for (size_t k = 0; k < 3 && i + k < bytes; k++)
			out[i + k] = (uint8_t)(quantum >> (16 - 8 * k));
	}
	return bytes;
}

// ---- searches ----------------------------------------------------------------------------------

const uint8_t *find_lf(const uint8_t *data, size_t n)
{
	return decode_best()->find_lf(data, n);
}

const uint8_t *find_line_control(const uint8_t *data, size_t n)
{
	return decode_best()->find_line_control(data, n);
}

const uint8_t *find_line_with(const uint8_t *data, size_t n, uint8_t first)
{
	return decode_best()->find_line_with(data, n, first);
}
