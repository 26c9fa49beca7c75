// SPDX-License-Identifier: BSD-3-Clause
// What an object is, where signature files tell it (.ftm).
#pragma once

#include "scan/filetype.h"
#include "scan/ruleset.h"

#include <stddef.h>
#include <stdint.h>

struct match_types;

// *out is NULL where neither the ruleset nor a delta on it tells of types. Returns 0 or -ENOMEM.
int match_types_new(const struct ruleset *ruleset, struct match_types **out)
	__attribute__((warn_unused_result));
void match_types_free(struct match_types *types);
// The type by the first bytes of an object, of which the built-in table says what it is. NULL: that stands.
const struct filetype_clamav *match_types_find(const struct match_types *types,
	const struct filetype *builtin, const uint8_t *data, size_t n);
