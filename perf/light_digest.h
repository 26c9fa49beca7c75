// SPDX-License-Identifier: BSD-3-Clause
// SHA-256 of all parts of some mails side by side, as many at once as the processor's vectors take, the longest first:
// of what lies there whole nobody has them sooner.
#pragma once

#include "perf/mails.h"

#include <stdint.h>

struct light_lanes;

// Of copies of what is in the mails.
struct light_lanes *light_lanes_new(const struct mail *set, uint32_t count);
void light_lanes_run(struct light_lanes *lanes);
void light_lanes_free(struct light_lanes *lanes);
