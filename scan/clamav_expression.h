// SPDX-License-Identifier: BSD-3-Clause
// The expression of a logical signature, as ClamAV divides it.
//
// There is no precedence: outside of brackets the first operator divides, and the rest is its right
// side; directly inside of brackets that are the whole it is the last that divides. Brackets that hold
// an operator are a block; a comparison may follow a block or a number.
// Behaviour as observed of ClamAV 1.4: a comparison of a block reads the sum of the counts of its
// true members, or 0 when the block is false; its second number asks for so many different
// subsignatures among these. What is inside a block with a comparison is not counted as different
// for a block around it.
#pragma once

#include "scan/clamav.h"

#define CLAMAV_MAX_SUBSIGNATURES 64

struct clamav_comparison {
	char kind; // '<', '>', '=', 0: none
	uint32_t value;
	uint32_t distinct;
};

struct clamav_expression {
	char joint; // '&', '|', 0: a subsignature
	uint32_t index;
	struct clamav_comparison comparison;
	struct clamav_expression *left;
	struct clamav_expression *right;
};

// NULL: malformed, and reason says why.
struct clamav_expression *clamav_parse_expression(
	struct clamav_arena *arena, const char *text, const char **reason);
// The highest number of a subsignature in it.
uint32_t clamav_expression_highest(const struct clamav_expression *expression);
