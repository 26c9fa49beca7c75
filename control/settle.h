// SPDX-License-Identifier: BSD-3-Clause
// Who asks for the state while seals are being told to the dataplane would hear that they are not in force, which is over
// in milliseconds: such a question waits until it is known what came of them, a quarter of a second at most.
#pragma once

#include "control/dataplane_link.h"

#include <stdbool.h>

struct settle;

// link outlives it. Returns 0 or -ENOMEM.
int settle_new(struct dataplane_link *link, struct settle **out)
	__attribute__((warn_unused_result));
// Returns false, and then is never called, when nothing is on its way; else it is called by the main loop, once. settle may
// be NULL: nobody waits then.
bool settle_wait(struct settle *settle, void (*then)(void *ctx), void *ctx)
	__attribute__((warn_unused_result));
// Who waits is called at once, and nobody waits from then on.
void settle_end(struct settle *settle);
// After settle_end and dataplane_link_end.
void settle_free(struct settle *settle);
