// SPDX-License-Identifier: BSD-3-Clause
// The spool of a replay: every message finds room and is durable at once, and nothing is kept of it but
// its number. Private to replay.
#pragma once

#include "dataplane/engine.h"

#include <stdint.h>

struct replay_spool {
	struct engine_spool ops;
	uint64_t records; // numbers that were given out
};

void replay_spool_init(struct replay_spool *spool);
