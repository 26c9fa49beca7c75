// SPDX-License-Identifier: BSD-3-Clause
// The fan-out from inside: see vendor_fanout.h.
#pragma once

#include "control/vendor_fanout.h"
#include "control/vendor_registry.h"

#define WHY_BYTES 128

struct gateway {
	char id[REGISTRY_ID_BYTES];
	struct envelope_key key;
	json_t *groups;
	json_t *channels;
	struct vendor_queue queue;
	uint32_t sent; // channels, a bit each, in this round
	unsigned int tries;
	gint64 due_us; // of the next round
	bool is_ready; // in the list
	char why[WHY_BYTES];
};

struct fanout {
	struct fanout_options options;
	GHashTable *gateways; // id: gateway
	GHashTable *by_key;   // key id: gateway
	GHashTable *by_digest;
	GQueue alerts; // open ones by number, and those that are still named somewhere
	GQueue ready;
	guint tick;
	guint work;
	uint64_t sent;
	uint64_t receipts;
	uint64_t forged;
};

bool fanout_is_for(const struct gateway *gateway, const struct queue_alert *alert);
// From the first pause on again.
void fanout_start_over(struct fanout *fanout, struct gateway *gateway);
