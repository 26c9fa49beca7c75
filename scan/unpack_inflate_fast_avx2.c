// SPDX-License-Identifier: BSD-3-Clause
// With BMI2, whose shifts take the count from any register.
#include "scan/unpack_inflate_fast.inc"

enum inflate_edge inflate_symbols_avx2(struct inflate *inflate, struct inflate_run *run)
{
	return symbols(inflate, run);
}
