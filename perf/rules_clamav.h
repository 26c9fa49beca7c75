// SPDX-License-Identifier: BSD-3-Clause
// One signature like those of ClamAV's databases; part of rules.c.
#pragma once

#include <stdint.h>

#define RULES_LEAST_BYTES 16u
#define RULES_MOST_BYTES 60u
#define RULES_BODY_ROOM 256u // of a body as text, with gaps

// The i-th of a set that is the same each time. body has room for RULES_BODY_ROOM.
void rules_clamav(uint32_t i, char *body);
