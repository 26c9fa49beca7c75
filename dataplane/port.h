// SPDX-License-Identifier: BSD-3-Clause
// Ports: opened by the configuration, set up for a number of workers, started, asked for statistics.
#pragma once

#include "dataplane/command_stats.h"
#include "dataplane/options.h"

#include <rte_mempool.h>

#include <stdbool.h>
#include <stdint.h>

#define PORTS_MAX (OPTIONS_MAX_LINKS * 2)

struct port {
	uint16_t id; // DPDK's
	uint32_t link;
	enum link_side side;
	uint32_t frame_bytes; // longest that it can send
	const char *link_name;
	char device[OPTIONS_WORD_BYTES]; // as the configuration says
	bool up;                         // when last asked
};

struct ports {
	struct port port[PORTS_MAX]; // outside and inside of link 0, of link 1, ...
	uint32_t count;
	struct rte_mempool *pool;
	bool spread; // every worker has queues of its own on every port
};

// Opens all ports and starts them. Returns 0, or -errno after a message on stderr that names the link.
int ports_open(struct ports *ports, const struct options *options)
	__attribute__((warn_unused_result));
void ports_close(struct ports *ports);
// Asks whether the link is up; returns true when that has changed.
bool port_has_changed(struct port *port);
void port_get_stats(const struct port *port, struct stats_port *out);
