// SPDX-License-Identifier: BSD-3-Clause
// Small measurements: cases in C, which one C++ file (perf_main.cc) hands to Google Benchmark.
//
// A case is a row of a table in a file perf/case_*.c; PERF_CASES(table) makes it known, nothing else has
// to be changed. Each has its ceiling beside it: the same bytes by the plainest way there is. Both run in
// turn, in windows of a few hundred microseconds, and the ratio is the median of the windows' ratios: what
// else happens on the machine meets both alike.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct perf_case;

// A case that runs. begin fills it in.
struct perf_run {
	const struct perf_case *it;
	void *state;
	double amount;   // of bytes or things in one call of run, and in one of ceiling
	const char *why; // of begin: why it cannot be measured here, a text that stays
};

struct perf_case {
	const char *name;    // "decode/base64/64k"
	const char *against; // what the ceiling does: "memcpy"; NULL: there is none
	const char *unit;    // of amount a second: "B/s" or a thing with "/s"
	uint64_t number;     // of the case's own: a size, a count
	bool is_long;        // left out of a quick run
	bool waits;          // for a disk: the time on the wall counts, not the processor's
	// Returns 0, or -errno: it is left out, with why.
	int (*begin)(struct perf_run *run);
	void (*run)(void *state);
	void (*ceiling)(void *state); // NULL: none
	void (*end)(void *state);
};

void perf_add(const struct perf_case *cases, size_t count);
// In the order in which they were added.
const struct perf_case *perf_get(size_t i);

#define PERF_CASES(table)                                                                          \
	__attribute__((constructor)) static void add_##table(void)                                 \
	{                                                                                          \
		perf_add(table, sizeof(table) / sizeof((table)[0]));                               \
	}

// ---- what cases share ---------------------------------------------------------------------------

// Ends the program with what cannot be had.
void perf_fail(const char *what) __attribute__((noreturn));
static inline void perf_need(bool is_so, const char *what)
{
	if (!is_so)
		perf_fail(what);
}
// The same bytes each time, with no pattern in them.
void perf_fill(uint8_t *data, size_t bytes, uint64_t seed);
// Memory of 64-byte lines, filled with zeros; free() frees it.
void *perf_alloc(size_t bytes);
// Keeps the compiler from leaving out what nobody looks at.
void perf_keep(uint64_t value);

// ---- figures ------------------------------------------------------------------------------------

// One line of JSON on standard output: a row of the table that perf/run prints and of build/bench.json.
// against NULL: no peer was measured.
void perf_row(const char *name, double value, const char *unit, const char *against, double peer);
// The same with a ratio that is not value / peer.
void perf_row_ratio(const char *name, double value, const char *unit, const char *against,
	double peer, double ratio);

#ifdef __cplusplus
}
#endif
