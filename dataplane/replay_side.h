// SPDX-License-Identifier: BSD-3-Clause
// Which side of the link a captured frame would have come in at. A capture does not say; but the
// client of a connection is outside, and whoever is not the client is inside.
//
//   TCP    the sender of the SYN is the client; without one, who does not own the SMTP port; without
//          that, who has the higher port
//   other  as TCP between the two hosts, else who sent the first frame of the pair
#pragma once

#include "dataplane/engine.h"

struct replay_sides;

// ports: SMTP ports in host order, the caller's. NULL when memory ran out.
struct replay_sides *replay_sides_new(const uint16_t *ports, uint32_t ports_count);
void replay_sides_free(struct replay_sides *sides);

// The side at which this frame, parsed as packet, comes in. Returns 0 or -ENOMEM.
int replay_sides_find(struct replay_sides *sides, const struct frame *frame,
	const struct packet *packet, enum link_side *side) __attribute__((warn_unused_result));
