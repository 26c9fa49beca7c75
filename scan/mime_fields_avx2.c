// SPDX-License-Identifier: BSD-3-Clause
// Fields with AVX2.
#include <immintrin.h>
#include <stdint.h>

struct marks {
	uint64_t ends;
	uint64_t odd;
};

struct pair {
	__m256i low;
	__m256i high;
};

static inline struct pair load(const uint8_t *data)
{
	return (struct pair){_mm256_loadu_si256((const __m256i *)data),
		_mm256_loadu_si256((const __m256i *)(data + 32))};
}

static inline uint64_t mask_of(__m256i low, __m256i high)
{
	return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high)
							     << 32;
}

static inline uint64_t equal(struct pair bytes, char byte)
{
	const __m256i wanted = _mm256_set1_epi8(byte);

	return mask_of(_mm256_cmpeq_epi8(bytes.low, wanted), _mm256_cmpeq_epi8(bytes.high, wanted));
}

static inline struct pair lower(struct pair bytes)
{
	const __m256i bit = _mm256_set1_epi8(0x20);

	return (struct pair){_mm256_or_si256(bytes.low, bit), _mm256_or_si256(bytes.high, bit)};
}

static inline struct marks marks_of_block(const uint8_t *data)
{
	const struct pair bytes = load(data);
	const struct pair behind = load(data + 1);
	const uint64_t cr = equal(bytes, '\r') & ~equal(behind, '\n');
	const uint64_t hint =
		equal(bytes, '-') & equal(lower(behind), 't') & equal(lower(load(data + 2)), 'r');

	return (struct marks){equal(bytes, '\n'), cr | hint};
}

// As signed numbers bytes above 127 are below the space.
static inline uint64_t not_of_name(const uint8_t *data)
{
	const struct pair bytes = load(data);
	const __m256i space = _mm256_set1_epi8(' ');
	const uint64_t above =
		mask_of(_mm256_cmpgt_epi8(bytes.low, space), _mm256_cmpgt_epi8(bytes.high, space));

	return ~above | equal(bytes, 0x7f) | equal(bytes, ':') | equal(bytes, '(');
}

#include "scan/mime_fields.inc"

size_t mime_fields_skip_avx2(const uint8_t *data, size_t n, size_t most, uint32_t *lines)
{
	return skip_fields(data, n, most, lines);
}
