// SPDX-License-Identifier: BSD-3-Clause
// A compiler that stands by: started, linked, and with what a delta of the image in use takes whatever is new. A few new
// signatures wait for their own compilation alone. It serves once; the next one is started a moment later, when what
// it was asked for is in force. One that was ended is not missed: who finds none starts one himself.
#pragma once

#include "control/control_options.h"

#include <glib.h>

struct publish_standby;

// What each compiler of this image is started with, besides.
struct publish_standby_plan {
	const struct control_options *options;
	const char *program;
	const char *output;
	const char *cache; // "": nobody stands by
	GSpawnChildSetupFunc limit;
};

// All that plan points to outlives it.
int publish_standby_new(const struct publish_standby_plan *plan, struct publish_standby **out)
	__attribute__((warn_unused_result));
void publish_standby_free(struct publish_standby *standby);
// One is to stand by, from a moment on.
void publish_standby_want(struct publish_standby *standby);
// The image in use is another one: the one that stands by is of no use.
void publish_standby_drop(struct publish_standby *standby);
// Gives it its work, a list that ends with NULL. Returns 0, and the child and its standard output are the caller's; or
// -ENOENT: none stands by.
int publish_standby_take(struct publish_standby *standby, const char *const *paths, GPid *child,
	int *output) __attribute__((warn_unused_result));
