// SPDX-License-Identifier: BSD-3-Clause
#include "reassembly/smtp_find.h"

#include <stdbool.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static bool is_break(uint8_t byte)
{
	return byte == '\r' || byte == '\n' || byte == '\0';
}

#ifdef __SSE2__
static __m128i equals(__m128i bytes, char byte)
{
	return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte));
}

static __m128i load(const uint8_t *data)
{
	return _mm_loadu_si128((const __m128i *)(const void *)data);
}

static unsigned int dots_in(const uint8_t *data)
{
	__m128i before = load(data - 1);
	__m128i breaks = _mm_or_si128(
		_mm_or_si128(equals(before, '\r'), equals(before, '\n')), equals(before, 0));

	return (unsigned int)_mm_movemask_epi8(_mm_and_si128(breaks, equals(load(data), '.')));
}

static unsigned int bare_in(const uint8_t *data)
{
	__m128i bytes = load(data);
	__m128i odd = _mm_xor_si128(equals(load(data - 1), '\r'), equals(bytes, '\n'));

	return (unsigned int)_mm_movemask_epi8(_mm_or_si128(odd, equals(bytes, 0)));
}
#endif

size_t smtp_find_dot_portable(const uint8_t *data, size_t n)
{
	size_t i = 1;

#ifdef __SSE2__
	for (; i + 16 <= n; i += 16) {
		unsigned int found = dots_in(data + i);

		if (found != 0)
			return i + (unsigned int)__builtin_ctz(found);
	}
#endif
	while (i < n && !(data[i] == '.' && is_break(data[i - 1])))
		i++;
	return i < n ? i : n;
}

size_t smtp_find_bare_portable(const uint8_t *data, size_t n)
{
	size_t i = 1;

#ifdef __SSE2__
	for (; i + 16 <= n; i += 16) {
		unsigned int found = bare_in(data + i);

		if (found != 0)
			return i + (unsigned int)__builtin_ctz(found);
	}
#endif
	while (i < n && data[i] != 0 && (data[i - 1] == '\r') == (data[i] == '\n'))
		i++;
	return i < n ? i : n;
}

static bool has_avx512(void)
{
	return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vbmi") &&
	       __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi2");
}

size_t smtp_find_dot(const uint8_t *data, size_t n)
{
	return has_avx512() ? smtp_find_dot_avx512(data, n) : smtp_find_dot_portable(data, n);
}

size_t smtp_find_bare(const uint8_t *data, size_t n)
{
	return has_avx512() ? smtp_find_bare_avx512(data, n) : smtp_find_bare_portable(data, n);
}
