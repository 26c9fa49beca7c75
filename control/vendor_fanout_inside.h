// SPDX-License-Identifier: BSD-3-Clause
// The fan-out from inside: see vendor_fanout.h.
#pragma once

#include "control/vendor_fanout.h"
#include "control/vendor_registry.h"

#define WHY_BYTES 128

// What was done over a kind of channel.
struct channel_state {
	uint64_t sent;
	uint64_t receipts;
	int64_t sent_s;
	int64_t receipt_s;
	char why[WHY_BYTES]; // the last failure since a receipt
};

struct gateway {
	char id[REGISTRY_ID_BYTES];
	struct envelope_key key;
	json_t *groups;
	json_t *channels;
	struct channel_state *states; // as many; the first of a kind is that kind's
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
	GHashTable *unkept;  // ids of gateways whose receipts are not durable yet
	GArray *posters;     // that wait for it
	uint64_t lost;       // database_lost, as it was
	unsigned int losses; // one after the other
	bool is_refused;     // a receipt did not even come into the transaction
	GHashTable
		*totals; // by kind of channel: struct channel_total; of gateways that are gone too
};

struct channel_total {
	uint64_t sent;
	uint64_t failures;
	uint64_t receipts;
};

// Of gateways that have them; they know no others. The first makes them anew when the channels are others.
int fanout_states_make(struct gateway *gateway, json_t *channels)
	__attribute__((warn_unused_result));
void fanout_state_sent(struct gateway *gateway, const json_t *channel, int err);
void fanout_state_failed(struct gateway *gateway, const char *kind, const char *why);
void fanout_state_heard(struct gateway *gateway, const char *kind);

// Of this kind, made when it is not there.
struct channel_total *fanout_total(struct fanout *fanout, const char *kind);

bool fanout_is_for(const struct gateway *gateway, const struct queue_alert *alert);
// How long to wait before the next try: half of it to all of it, doubled with each.
gint64 fanout_pause_us(const struct fanout *fanout, unsigned int tries);
// With what the gateway has not answered, by the database.
void fanout_fill_queue(struct fanout *fanout, struct gateway *gateway);

// vendor_fanout_kept.c
void fanout_kept_init(struct fanout *fanout);
void fanout_kept_fini(struct fanout *fanout);
// A receipt of it has changed, or should have changed, the open transaction.
void fanout_kept_note(struct fanout *fanout, const char *id);
// Makes durable what was noted, or sees to it that it comes again.
void fanout_keep(struct fanout *fanout);

// From the first pause on again.
void fanout_start_over(struct fanout *fanout, struct gateway *gateway);
