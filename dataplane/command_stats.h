// SPDX-License-Identifier: BSD-3-Clause
// The answer to "stats": what the workers, the ports and the ruleset are at, as JSON. Reads counters
// that other threads write, each a little late, none torn.
#pragma once

#include "dataplane/engine.h"
#include "dataplane/spool.h"

#include <stdint.h>

struct stats_port {
	const char *link;
	const char *side;
	const char *device;
	bool up;
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t rx_missed;
	uint64_t rx_errors;
	uint64_t tx_packets;
	uint64_t tx_bytes;
	uint64_t tx_errors;
};

struct stats_source {
	const char *gateway;
	const struct engine *const *engines; // one for each worker
	uint32_t engines_count;
	const struct stats_port *ports;
	uint32_t ports_count;
	const struct ruleset_info *ruleset; // NULL: none
	struct spool *spool;                // NULL: none
	uint64_t uptime_ns;
	uint64_t mbufs;
	uint64_t mbufs_free;
};

// Adds up one counter each of all workers.
void stats_sum(const struct stats_source *source, struct counters *out);
// JSON text that the caller frees, or NULL.
char *stats_json(const struct stats_source *source);
