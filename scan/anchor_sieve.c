// SPDX-License-Identifier: BSD-3-Clause
#include "scan/anchor.h"
#include "scan/anchor_ops.h"

#include <stdbool.h>
#include <string.h>

// Nothing here depends on what is found: no guess of the processor's fails.
size_t anchor_sieve_portable(const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		uint16_t pair;

		memcpy(&pair, data + i, sizeof(pair));
		out[count] = (uint16_t)i;
		count += (unsigned int)sieve[pair] >> anchor_class(data[i + 2]) & 1;
	}
	return count;
}

static size_t sieve_avx512(const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out)
{
	size_t done = n & ~(size_t)63;
	size_t before = anchor_sieve_avx512(sieve, data, done, out);
	size_t count = anchor_sieve_portable(sieve, data + done, n - done, out + before);

	for (size_t i = before; i < before + count; i++)
		out[i] = (uint16_t)(out[i] + done);
	return before + count;
}

static bool has_avx512(void)
{
	return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vbmi") &&
	       __builtin_cpu_supports("avx512vbmi2");
}

anchor_sieve_fn anchor_sieve_variant(size_t i)
{
	if (i == 0)
		return anchor_sieve_portable;
	return i == 1 && has_avx512() ? sieve_avx512 : NULL;
}
