// SPDX-License-Identifier: BSD-3-Clause
// Logical signatures, decided when an object has ended.
#pragma once

#include "scan/match_copy.h"
#include "scan/match_track.h"
#include "scan/ruleset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a rule reads of an object beside what was found in it.
struct match_facts {
	uint64_t bytes;
	uint64_t file_bytes;  // the same, or of what the object is a copy of
	uint64_t from;        // where in the copy it begins
	uint32_t target;      // its own, enum filetype_target
	uint32_t container;   // enum filetype_container
	const uint8_t *outer; // the same of all that it lies in, the innermost first
	uint32_t outer_count;
	const struct match_copy *copy;
};

struct match_rules;

// Returns 0 or -ENOMEM.
int match_rules_new(const struct ruleset *ruleset, struct match_rules **out);
void match_rules_free(struct match_rules *rules);

// Adds the rules that are true to the hits of the track.
void match_rules_decide(
	struct match_rules *rules, struct track *track, const struct match_facts *facts);

// Whether the expression at a node is true for these counts of its members.
bool match_rule_holds(const struct ruleset_node *nodes, uint32_t node, const uint32_t *counts);
