// SPDX-License-Identifier: BSD-3-Clause
// Property: every variant of a decoder, with the input cut anywhere, gives the output and the flags of
// the plain one fed byte by byte; base64 that passes over padding gives that of the same without any "=". The first two
// input bytes choose the decoder and the cuts.
#include "scan/decode.h"
#include "scan/decode_ops.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct outcome {
	uint8_t data[2 * MAX_BYTES];
	size_t n;
	unsigned int flags;
};

static void decode_base64(const struct decode_ops *ops, const uint8_t *data, size_t n, size_t step,
	struct outcome *out)
{
	struct base64_state state = {0};

	out->n = 0;
	for (size_t at = 0; at < n; at += step)
		out->n += base64_decode_with(
			ops, &state, data + at, n - at < step ? n - at : step, out->data + out->n);
	out->n += base64_end(&state, out->data + out->n);
	out->flags = state.flags;
}

static void decode_qp(const struct decode_ops *ops, const uint8_t *data, size_t n, size_t step,
	struct outcome *out)
{
	struct qp_state state = {0};

	out->n = 0;
	for (size_t at = 0; at < n; at += step)
		out->n += qp_decode_with(
			ops, &state, data + at, n - at < step ? n - at : step, out->data + out->n);
	out->n += qp_end(&state, out->data + out->n);
	out->flags = state.flags;
}

static void check_unpadded(const uint8_t *data, size_t n)
{
	static struct outcome expected;
	static struct outcome actual;
	static uint8_t bare[MAX_BYTES];
	struct base64_state state = {.passes_pads = true};
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		if (data[i] != '=')
			bare[bytes++] = data[i];
	decode_base64(&decode_ops_portable, bare, bytes, 1, &expected);
	actual.n = base64_decode(&state, data, n, actual.data);
	actual.n += base64_end(&state, actual.data + actual.n);
	if (actual.n != expected.n || memcmp(actual.data, expected.data, actual.n) != 0 ||
		(state.flags & DECODE_REALIGNED) != 0)
		abort();
}

static void check_searches(const uint8_t *data, size_t n)
{
	for (size_t i = 1; decode_variant(i) != NULL; i++) {
		if (decode_variant(i)->find_lf(data, n) != decode_ops_portable.find_lf(data, n) ||
			decode_variant(i)->find_line_control(data, n) !=
				decode_ops_portable.find_line_control(data, n) ||
			decode_variant(i)->find_line_with(data, n, '-') !=
				decode_ops_portable.find_line_with(data, n, '-'))
			abort();
	}
}

static void check_uu(const uint8_t *data, size_t n)
{
	uint8_t *out = malloc(63);

	if (out == NULL || uu_decode_line(data, n, out) > 63)
		abort();
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct outcome expected;
	static struct outcome actual;
	void (*decode)(const struct decode_ops *, const uint8_t *, size_t, size_t,
		struct outcome *) = n > 0 && (data[0] & 1) != 0 ? decode_qp : decode_base64;
	size_t step;

	if (n < 2 || n > MAX_BYTES)
		return 0;
	step = (size_t)data[1] + 1;
	decode(&decode_ops_portable, data + 2, n - 2, 1, &expected);
	for (size_t i = 0; decode_variant(i) != NULL; i++) {
		decode(decode_variant(i), data + 2, n - 2, step, &actual);
		if (actual.n != expected.n || actual.flags != expected.flags ||
			memcmp(actual.data, expected.data, actual.n) != 0)
			abort();
		decode(decode_variant(i), data + 2, n - 2, n, &actual);
		if (actual.n != expected.n || memcmp(actual.data, expected.data, actual.n) != 0)
			abort();
	}
	check_unpadded(data + 2, n - 2);
	check_searches(data + 2, n - 2);
	check_uu(data + 2, n - 2);
	return 0;
}
