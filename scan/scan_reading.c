// SPDX-License-Identifier: BSD-3-Clause
#include "scan/scan_reading.h"

#include "scan/scan_pool.h"

// A part of another reading, or inside of one, is left out unless a match is in it.
static void mark(struct scan *scan)
{
	struct scan_part *parts = scan->table->parts;

	for (size_t i = 0; i < scan->result.parts_count; i++)
		if (parts[i].parent > 0 && parts[parts[i].parent - 1].is_reading)
			parts[i].is_reading = true;
	for (size_t i = 0; i < scan->result.matches_count; i++)
		for (uint32_t at = scan->matches[i].part; at > 0; at = parts[at - 1].parent)
			parts[at - 1].is_reading = false;
}

void scan_drop_readings(struct scan *scan)
{
	struct scan_part *parts = scan->table->parts;
	uint32_t *places = scan->table->indexes; // the parser's numbers are of no more use
	uint32_t count = 0;

	mark(scan);
	for (size_t i = 0; i < scan->result.parts_count; i++) {
		places[i] = 0;
		if (parts[i].is_reading)
			continue;
		parts[count] = parts[i];
		places[i] = ++count;
		parts[count - 1].index = count;
		if (parts[count - 1].parent > 0)
			parts[count - 1].parent = places[parts[count - 1].parent - 1];
	}
	for (size_t i = 0; i < scan->result.matches_count; i++)
		if (scan->matches[i].part > 0)
			scan->matches[i].part = places[scan->matches[i].part - 1];
	scan->result.parts_count = count;
}
