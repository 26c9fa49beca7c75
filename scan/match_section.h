// SPDX-License-Identifier: BSD-3-Clause
// Digests of the sections of a PE file, computed as their bytes pass.
#pragma once

#include "scan/digest.h"
#include "scan/match_track.h"
#include "scan/ruleset.h"

#include <stddef.h>
#include <stdint.h>

// Sections lie behind each other; those that overlap are looked at as long as there are so few.
#define MATCH_OPEN_SECTIONS 4

struct match_open_section {
	struct digest digest; // nothing running: free
	uint64_t left;
	uint64_t bytes;
};

struct match_sections {
	struct match_open_section open[MATCH_OPEN_SECTIONS];
};

void match_sections_begin(struct match_sections *sections);
// The bytes at this position of the file. Hits go to the track.
void match_sections_feed(struct match_sections *sections, struct track *track, uint64_t position,
	const uint8_t *data, size_t n);
// A section that the file's end cuts off counts with what there is of it.
void match_sections_end(struct match_sections *sections, struct track *track);
