// SPDX-License-Identifier: BSD-3-Clause
// The sources of the rules are watched: some time after the last change of a signature file they are put
// in force, as by `cordonctl rules install`.
#pragma once

#include "control/control_options.h"

struct rules_watch;

// Called from the main loop. Returns false to be called again later, when rules are on their way already.
typedef bool (*rules_watch_fn)(void *ctx);

// Begins, if rules.watch_ms says so; *out is NULL where it does not. Folders that are made later are not
// seen. Returns 0 or -errno. options outlive it.
int rules_watch_new(const struct control_options *options, rules_watch_fn changed, void *ctx,
	struct rules_watch **out) __attribute__((warn_unused_result));
void rules_watch_free(struct rules_watch *watch);
