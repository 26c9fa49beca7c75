// SPDX-License-Identifier: BSD-3-Clause
// Flow table of one worker: connections by addresses, ports, VLAN tags, session of PPPoE and link, in
// either direction. Labels of MPLS are none of it: each direction has its own.
//
// Fixed in size at start-up; no locks, no allocation afterwards. Open addressing in cache-line buckets
// of 16-bit tags; entries in an array of slots of the caller's size. Each flow is in one age class,
// ordered by last use, so that ageing looks only at the oldest. Half-open connections have a quota:
// past it the oldest half-open one makes room, so a SYN flood displaces nothing but itself.
#pragma once

#include "dataplane/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum flow_class {
	FLOW_HALF_OPEN, // no data acknowledged both ways yet
	FLOW_OPEN,
	FLOW_CLOSING, // FIN both ways, RST, or given up: forgotten soon
	FLOW_CLASSES,
};

struct flow_key {
	struct packet_address address; // ordered: the lower (address, port) first
	uint32_t link;
};

// Head of every flow; the caller's struct begins with it.
struct flow {
	struct flow_key key;
	uint32_t hash;
	uint32_t older; // neighbours in its class, slot numbers
	uint32_t newer;
	uint8_t class;
	uint8_t in_use;
	uint64_t used_ns;
};

struct flow_table_options {
	uint32_t flows;      // capacity
	uint32_t half_open;  // of these at most, at least 1
	uint32_t flow_bytes; // size of the caller's struct
	uint64_t idle_ns[FLOW_CLASSES];
	uint8_t hash_key[16]; // secret, so that nobody can aim at one bucket (SipHash or keyed CRC)
};

struct flow_table;

size_t flow_table_bytes(const struct flow_table_options *options);
// memory: flow_table_bytes, 64-aligned, the caller's.
struct flow_table *flow_table_init(void *memory, const struct flow_table_options *options);

// Makes a key of a packet's addresses. Returns true when they were swapped to order them: then the
// packet's source is the key's second address.
bool flow_key_make(const struct packet_address *from, uint32_t link, struct flow_key *key);

// Of one connection, and one of its directions, as far as the addresses tell.
bool flow_is_same_way(const struct packet_address *a, const struct packet_address *b);

// Find and insert want the key's hash, computed once.
uint32_t flow_hash(const struct flow_table *table, const struct flow_key *key);
// For several finds at once, whose waits for memory then pass together: first flow_prefetch of each hash, then
// flow_prefetch_state of each, then the finds. bytes: of the caller's struct that will be looked at.
void flow_prefetch(const struct flow_table *table, uint32_t hash);
void flow_prefetch_state(const struct flow_table *table, uint32_t hash, uint32_t bytes);
// NULL when there is none. Does not count as use.
struct flow *flow_find(struct flow_table *table, const struct flow_key *key, uint32_t hash);

// A new half-open flow, zeroed but for the head. When the half-open quota or the table is full the
// oldest half-open flow (where there is none: the oldest closing one) is handed out in *evicted first,
// and NULL is returned: the caller closes what hangs on it, calls flow_remove and tries again. NULL
// with *evicted NULL: the table is full of open ones.
struct flow *flow_insert(struct flow_table *table, const struct flow_key *key, uint32_t hash,
	uint64_t now_ns, struct flow **evicted);
void flow_remove(struct flow_table *table, struct flow *flow);
// Last use is now, and the class this one.
void flow_touch(
	struct flow_table *table, struct flow *flow, enum flow_class class, uint64_t now_ns);
// A flow whose idle time is over, or NULL. Looks at one flow a class.
struct flow *flow_expired(struct flow_table *table, uint64_t now_ns);
// The flow that was used the longest ago, of those that were not given by this since their last use, and at
// least quiet_ns ago; or NULL. Each flow is given once after each use. Looks at one flow a class.
struct flow *flow_quiet(struct flow_table *table, uint64_t now_ns, uint64_t quiet_ns);
// Next flow in slot order after *cursor (0 to begin with); NULL at the end.
struct flow *flow_walk(struct flow_table *table, uint32_t *cursor);

// The flow in the slot at *cursor (0 to begin with), or NULL where there is none; the cursor moves on by one
// slot, and from the last one to the first.
struct flow *flow_step(struct flow_table *table, uint32_t *cursor);

struct flow_counts {
	uint32_t flows[FLOW_CLASSES];
	uint32_t capacity;
};
void flow_get_counts(const struct flow_table *table, struct flow_counts *counts);
