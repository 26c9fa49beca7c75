// SPDX-License-Identifier: BSD-3-Clause
#include "scan/unpack_inflate_fast.inc"

#include "scan/processor.h"

enum inflate_edge inflate_symbols_portable(struct inflate *inflate, struct inflate_run *run)
{
	return symbols(inflate, run);
}

inflate_symbols_fn inflate_variant(size_t i)
{
	switch (i) {
	case 0:
		return inflate_symbols_portable;
	case 1:
		return processor_has_avx2() ? inflate_symbols_avx2 : NULL;
	default:
		return NULL;
	}
}
