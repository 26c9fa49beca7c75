// SPDX-License-Identifier: BSD-3-Clause
// Whether the processor has all that the files named *_avx2.c and *_avx512.c are compiled for: the compiler may use
// any of it anywhere in them, whatever their functions say. Private to scan/.
#pragma once

#include <stdbool.h>

static inline bool processor_has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
	       __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt") &&
	       __builtin_cpu_supports("pclmul");
}

static inline bool processor_has_avx512(void)
{
	return processor_has_avx2() && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
}
