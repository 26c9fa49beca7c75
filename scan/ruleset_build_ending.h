// SPDX-License-Identifier: BSD-3-Clause
// Conditions on what follows a part.
#pragma once

#include "scan/clamav.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What may follow a part with a condition on its right side. A condition that looks at bytes makes
// the match end later than the part: `extra` bytes.
struct ending {
	const char *text;
	uint32_t extra;
	bool at_end; // of the data
	struct {
		const char *bytes;
		bool negated;
	} looks[2]; // the same, byte by byte
};

struct endings {
	size_t count;
	struct ending items[4];
};

// The ways in which the condition holds.
const struct endings *build_right_endings(const struct clamav_edge *edge);
