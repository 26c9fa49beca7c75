// SPDX-License-Identifier: BSD-3-Clause
#include "scan/scan_probe.h"

#include "scan/processor.h"

#include <stdatomic.h>

size_t scan_probe_portable(const uint8_t *data, size_t n)
{
	size_t at;

	for (at = 0; at + SCAN_PROBE_BLOCK < n; at += SCAN_PROBE_BLOCK) {
		const uint8_t *block = data + at;
		uint8_t any = 0;

		for (size_t i = 0; i < SCAN_PROBE_BLOCK; i++)
			any |= (uint8_t)(((block[i] ^ '7') | (block[i + 1] ^ 'z')) == 0) |
			       (uint8_t)(((block[i] ^ 'M') | (block[i + 1] ^ 'S')) == 0) |
			       (uint8_t)(((block[i] ^ 'R') | (block[i + 1] ^ 'a')) == 0);
		if (any != 0)
			break;
	}
	return at;
}

scan_probe_fn scan_probe_variant(size_t i)
{
	if (i == 0)
		return scan_probe_portable;
	return i == 1 && processor_has_avx512() ? scan_probe_avx512 : NULL;
}

// Looked up once; threads that come at the same time find the same.
size_t scan_probe_barren(const uint8_t *data, size_t n)
{
	static _Atomic(scan_probe_fn) chosen;
	scan_probe_fn probe = atomic_load_explicit(&chosen, memory_order_relaxed);

	if (probe == NULL) {
		for (size_t i = 0; scan_probe_variant(i) != NULL; i++)
			probe = scan_probe_variant(i);
		atomic_store_explicit(&chosen, probe, memory_order_relaxed);
	}
	return probe(data, n);
}
