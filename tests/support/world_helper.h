// SPDX-License-Identifier: BSD-3-Clause
// The thread of a world that works on deferrals, in virtual time: operations of its engine.
#pragma once

#include <stdbool.h>

struct deferral;

bool world_helper_push(void *ctx, struct deferral *deferral);
struct deferral *world_helper_pull(void *ctx);
