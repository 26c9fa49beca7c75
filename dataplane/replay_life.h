// SPDX-License-Identifier: BSD-3-Clause
// What the first look at a capture knows of one life of a connection. Private to replay_look.
#pragma once

#include "dataplane/packet.h"

#include <stdbool.h>
#include <stdint.h>

// A sequence number without the wrap: its low 32 bits are the number.
struct life_range {
	uint64_t from;
	uint64_t to;
};

struct life_ranges {
	struct life_range *list; // in order, apart from one another
	uint32_t count;
	uint32_t room;
};

// A segment with a wrong checksum.
struct life_bad {
	uint64_t frame; // number in the capture, from 0
	uint64_t from;  // of its payload
	uint64_t to;
	uint64_t ack; // 0: none
	uint8_t sender;
	bool is_reset;
	bool is_repaired;
};

// What one end sent, and how its peer answered. The peer's answers count twice: those with good
// checksums, and all.
struct life_end {
	uint64_t highest;  // position next to which the next number is looked for; 0: none yet
	uint64_t first;    // lowest position known
	uint64_t sent;     // one past the highest payload byte, good or not
	uint64_t edge;     // granted by the peer
	uint64_t acked[2]; // by the peer: good segments, all segments
	uint64_t good;     // segments
	uint64_t good_empty;
	struct life_ranges ranges; // of good payload
	uint32_t isn;
	uint16_t syn_window;
	uint8_t wscale;
	bool has_syn;
	bool has_scale;
	bool is_overrun[2]; // the peer acknowledged beyond what it granted: good segments, all
};

struct life {
	struct life_end end[2];
	struct life_bad *bad;
	uint32_t bad_count;
	uint32_t bad_room;
	uint32_t hosts; // index of the pair of hosts, the caller's
};

void life_fini(struct life *life);
// A segment that end sender sent. Returns 0 or -ENOMEM.
int life_add(struct life *life, uint8_t sender, const struct packet *packet, bool is_good,
	uint64_t frame) __attribute__((warn_unused_result));
// Decides which of the bad segments are repaired. has_holes: good bytes may be where nobody saw them.
void life_decide(struct life *life, bool has_holes);
bool life_has_any_window(const struct life *life);
