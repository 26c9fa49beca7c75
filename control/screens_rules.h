// SPDX-License-Identifier: BSD-3-Clause
// Lists that come back with rules that do not know what was covered. Private to screens*.c.
#pragma once

#include "control/screen_store.h"
#include "scan/scan.h"

#include <jansson.h>

#include <stdint.h>

// Switches on what was covered and the rules do not know; ruleset: NULL: all of it. ids gets the virus ids. Returns
// how many entries, or -EIO: then nothing has changed.
int64_t screens_rules_uncover(struct screen_store *store, const struct ruleset *ruleset,
	int64_t now_s, json_t *ids) __attribute__((warn_unused_result));
