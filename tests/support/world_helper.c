// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/world_helper.h"

#include "dataplane/deferral.h"
#include "tests/support/world.h"

#include <string.h>

bool world_helper_push(void *ctx, struct deferral *deferral)
{
	struct world *world = ctx;

	if (world->working_count >= world->working_room)
		return false;
	if (world->work_is_begun)
		deferral_work(deferral);
	world->working[world->working_count] = deferral;
	world->working_ns[world->working_count] = world->now_ns;
	world->working_count++;
	return true;
}

struct deferral *world_helper_pull(void *ctx)
{
	struct world *world = ctx;
	struct deferral *deferral = world->working[0];

	if (world->working_count == 0 ||
		world->now_ns - world->working_ns[0] < world->work_ms * 1000000ull)
		return NULL;
	if (!world->work_is_begun)
		deferral_work(deferral);
	world->working_count--;
	for (uint32_t i = 0; i < world->working_count; i++) {
		world->working[i] = world->working[i + 1];
		world->working_ns[i] = world->working_ns[i + 1];
	}
	return deferral;
}
