// SPDX-License-Identifier: BSD-3-Clause
// Has an engine that was stopped got all its memory back?
#pragma once

#include "dataplane/engine.h"

#include <stdbool.h>

// Says on stderr which pool is not whole.
bool pools_are_whole(const struct engine *engine);
