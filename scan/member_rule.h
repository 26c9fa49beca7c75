// SPDX-License-Identifier: BSD-3-Clause
// Signatures of the members of containers by their names, sizes and places, one thread's.
#pragma once

#include "scan/filetype.h"
#include "scan/ruleset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct member_rules;

// What is known of a member; of sizes that its container does not tell, 0.
struct member_facts {
	const char *name;
	enum filetype_container container;
	uint64_t packed;
	uint64_t bytes;
	uint64_t position;
	bool is_encrypted;
};

// Returns 0 or -ENOMEM. *out is NULL where the ruleset has no such signatures.
int member_rules_new(const struct ruleset *ruleset, struct member_rules **out)
	__attribute__((warn_unused_result));
void member_rules_free(struct member_rules *rules);

// The first rule from this one on that is true of a member, as far as the size of its container does not
// matter. RULESET_NONE: there is none. *partial is set when a name was too much for an expression.
uint32_t member_rules_next(const struct member_rules *rules, uint32_t from,
	const struct member_facts *facts, bool *partial);
// A rule by its number, and the ruleset that has it and its signature.
const struct ruleset_member_rule *member_rules_get(
	const struct member_rules *rules, uint32_t number, const struct ruleset **ruleset);
// Whether a rule depends on the size of the container, and whether one of so many bytes will do.
bool member_rule_asks(const struct ruleset_member_rule *rule);
bool member_rule_takes(const struct ruleset_member_rule *rule, uint64_t container_bytes);
