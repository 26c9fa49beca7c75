// SPDX-License-Identifier: BSD-3-Clause
// Pairs of hosts, and of hosts with ports, as a replay finds them in a capture; and a table of them
// that grows with the capture.
#pragma once

#include "dataplane/packet.h"

#include <stdbool.h>
#include <stdint.h>

// Two ends, the lower one first: hosts (family and addresses, or MAC addresses), and ports for TCP.
struct replay_pair {
	uint8_t end[2][18]; // address, port
	uint8_t family;     // 4, 6, or 0 for MAC addresses
	bool has_ports;
};

// Each fills in the pair of a frame that was parsed as packet and returns which end, 0 or 1, sent it.
uint8_t replay_pair_hosts(
	const struct frame *frame, const struct packet *packet, struct replay_pair *pair);
uint8_t replay_pair_tcp(const struct packet *packet, struct replay_pair *pair);

struct replay_pair_entry {
	struct replay_pair pair;
	bool in_use;
	uint32_t value;
};

struct replay_pairs {
	struct replay_pair_entry *entries;
	uint32_t room; // a power of two
	uint32_t count;
};

// Returns 0 or -ENOMEM.
int replay_pairs_init(struct replay_pairs *pairs) __attribute__((warn_unused_result));
void replay_pairs_fini(struct replay_pairs *pairs);
// The value of a pair, 0 to begin with. Valid until the next call. NULL when memory ran out.
uint32_t *replay_pairs_value(struct replay_pairs *pairs, const struct replay_pair *pair);
