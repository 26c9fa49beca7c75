// SPDX-License-Identifier: BSD-3-Clause
// How many connections each source has: counts by a keyed hash of its address, for those that have any.
//
// Fixed in size at start-up; no locks, no allocation afterwards. An entry is 40 bits of the hash and its count, and goes
// when the count does: there are never more of them than connections, however many sources come.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOURCE_MOST ((1u << 24) - 1) // of one source

struct source_table;

// sources: that have connections at once, at most.
size_t source_table_bytes(uint32_t sources);
// memory: source_table_bytes, 64-aligned, filled with zeros, the caller's.
struct source_table *source_table_init(void *memory, uint32_t sources);
// One connection more; false: the source has so many already, or there are as many sources as there may be.
bool source_take(struct source_table *table, uint64_t hash, uint32_t most);
// One less, of those that were taken.
void source_give(struct source_table *table, uint64_t hash);
uint32_t source_count(const struct source_table *table, uint64_t hash);
// Sources that have any.
uint32_t source_table_used(const struct source_table *table);
