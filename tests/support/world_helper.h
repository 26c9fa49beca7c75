// SPDX-License-Identifier: BSD-3-Clause
// The thread of a world that works on scans, in virtual time: operations of its engine.
#pragma once

#include "scan/scan.h"

#include <stdbool.h>

bool world_helper_push(void *ctx, struct scan *scan);
struct scan *world_helper_pull(void *ctx);
