// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset_build_ending.h"

#define BOUNDARY "\n\r \"'-/=>_"
#define WORD "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

static const struct endings endings_none = {1, {{"", 0, false, {{NULL, false}}}}};
static const struct endings endings_boundary = {
	2, {{"[\\n\\r \"'\\-/=>_]", 1, false, {{BOUNDARY, false}}},
		   {"\\z", 0, true, {{NULL, false}}}}};
static const struct endings endings_not_boundary = {
	1, {{"[^\\n\\r \"'\\-/=>_]", 1, false, {{BOUNDARY, true}}}}};
static const struct endings endings_line = {3,
	{{"\\n", 1, false, {{"\n", false}}}, {"\\r\\n", 2, false, {{"\r", false}, {"\n", false}}},
		{"\\z", 0, true, {{NULL, false}}}}};
static const struct endings endings_not_line = {
	3, {{"[^\\r\\n]", 1, false, {{"\r\n", true}}},
		   {"\\r[^\\n]", 2, false, {{"\r", false}, {"\n", true}}},
		   {"\\r\\z", 1, true, {{"\r", false}}}}};
static const struct endings endings_word = {
	2, {{"[^0-9A-Za-z]", 1, false, {{WORD, true}}}, {"\\z", 0, true, {{NULL, false}}}}};
static const struct endings endings_not_word = {1, {{"[0-9A-Za-z]", 1, false, {{WORD, false}}}}};
// Only in an expression: their bytes are not told one by one.
static const struct endings endings_wide = {4,
	{{"[^0-9A-Za-z]", 1, false, {{NULL, false}}},
		{"[0-9A-Za-z][^\\x00]", 2, false, {{NULL, false}}},
		{"\\z", 0, true, {{NULL, false}}}, {"[0-9A-Za-z]\\z", 1, true, {{NULL, false}}}}};
static const struct endings endings_not_wide = {
	1, {{"[0-9A-Za-z]\\x00", 2, false, {{NULL, false}}}}};

const struct endings *build_right_endings(const struct clamav_edge *edge)
{
	switch (edge->kind) {
	case CLAMAV_EDGE_NONE:
		break;
	case CLAMAV_EDGE_BOUNDARY:
		return edge->negated ? &endings_not_boundary : &endings_boundary;
	case CLAMAV_EDGE_LINE:
		return edge->negated ? &endings_not_line : &endings_line;
	case CLAMAV_EDGE_WORD:
		return edge->negated ? &endings_not_word : &endings_word;
	case CLAMAV_EDGE_WIDE:
		return edge->negated ? &endings_not_wide : &endings_wide;
	}
	return &endings_none;
}
