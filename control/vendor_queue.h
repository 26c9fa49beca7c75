// SPDX-License-Identifier: BSD-3-Clause
// What waits for one gateway, and what of it may go now. Gateways take no sequence below one that they have
// taken, so each role goes in order, one at a time; besides
//
//   - a root document goes before all else: what follows may be signed by its keys;
//   - updates and all-clears wait for the seals and screens before them, which they would end before these
//     have begun; a seal waits for no update, which may take its time;
//   - a ping that something newer of its role follows is not needed.
#pragma once

#include "control/alert.h"

#include <glib.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue_alert {
	int64_t number; // in the order of issue
	int64_t expires_s;
	enum alert_type type;
	enum key_role role;
	enum alert_target target;
	bool is_over; // superseded or expired: it is let go of wherever it waits
	char digest[ENVELOPE_KEY_ID_BYTES];
	char virus_id[ALERT_NAME_BYTES];
	char target_name[ALERT_NAME_BYTES];
	char *envelope;
	size_t bytes;
};

struct vendor_queue {
	GQueue roles[ROLES]; // of struct queue_alert, borrowed, by number
};

void vendor_queue_init(struct vendor_queue *queue);
void vendor_queue_clear(struct vendor_queue *queue);
// Alerts are added in the order of issue.
void vendor_queue_add(struct vendor_queue *queue, struct queue_alert *alert);
// Those that may go now. Returns how many.
unsigned int vendor_queue_next(struct vendor_queue *queue, struct queue_alert *out[ROLES]);
// Lets go of one. Returns whether it was there.
bool vendor_queue_remove(struct vendor_queue *queue, const struct queue_alert *alert);
bool vendor_queue_has(const struct vendor_queue *queue, const struct queue_alert *alert);
bool vendor_queue_is_empty(const struct vendor_queue *queue);
