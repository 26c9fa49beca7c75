// SPDX-License-Identifier: BSD-3-Clause
#include "perf/perf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLES 64

static struct {
	const struct perf_case *cases;
	size_t count;
} tables[TABLES];
static size_t tables_count;
static volatile uint64_t kept;

void perf_add(const struct perf_case *cases, size_t count)
{
	perf_need(tables_count < TABLES, "room for one table more");
	tables[tables_count].cases = cases;
	tables[tables_count++].count = count;
}

const struct perf_case *perf_get(size_t i)
{
	for (size_t table = 0; table < tables_count; table++) {
		if (i < tables[table].count)
			return &tables[table].cases[i];
		i -= tables[table].count;
	}
	return NULL;
}

void perf_fail(const char *what)
{
	(void)fprintf(stderr, "perf: %s: %m\n", what);
	_Exit(2);
}

void perf_fill(uint8_t *data, size_t bytes, uint64_t seed)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;

	for (size_t i = 0; i < bytes; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		data[i] = (uint8_t)(state >> 32);
	}
}

void *perf_alloc(size_t bytes)
{
	size_t room = (bytes + 63) / 64 * 64;
	void *memory = aligned_alloc(64, room > 0 ? room : 64);

	perf_need(memory != NULL, "memory");
	memset(memory, 0, room);
	return memory;
}

void perf_keep(uint64_t value)
{
	kept = value;
}

void perf_row_ratio(const char *name, double value, const char *unit, const char *against,
	double peer, double ratio)
{
	// Names and units are ours: there is nothing in them that JSON would have to escape.
	(void)printf("{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"", name, value, unit);
	if (against != NULL)
		(void)printf(", \"against\": \"%s\", \"peer\": %.6g, \"ratio\": %.4g", against,
			peer, ratio);
	(void)printf("}\n");
	(void)fflush(stdout);
}

void perf_row(const char *name, double value, const char *unit, const char *against, double peer)
{
	perf_row_ratio(name, value, unit, against, peer, peer > 0 ? value / peer : 0);
}
