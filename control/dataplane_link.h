// SPDX-License-Identifier: BSD-3-Clause
// What the control process knows of the dataplane, and its seals told to it. Asked once a second: a
// dataplane that was restarted, or did not hear, is brought up to date.
#pragma once

#include "control/control_options.h"
#include "control/seals.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dataplane_link {
	bool is_up;       // it answered last time
	char why[512];    // when it did not
	char ruleset[40]; // in force
	char screen[40];  // version of the screening list in force, "": none
	uint64_t screen_entries;
	uint64_t seals_generation;
	uint64_t wrapped_passed;  // packets with others in them that nobody has looked at
	uint64_t wrapped_dropped; // that were dropped instead
	uint64_t uptime_seconds;
	bool is_open;   // there is a connection to it,
	int connection; // by which all is asked: making one takes as long as a seal's way otherwise
	bool told_rules; // that its ruleset is not the one of the image: said once for each
};

void dataplane_link_close(struct dataplane_link *link);
// Asks how it is. Returns 0 or -errno.
int dataplane_link_look(struct dataplane_link *link, const struct control_options *options)
	__attribute__((warn_unused_result));
// Its seals, as it was told them last or has found them; the caller's. Returns 0 or -errno with a text in link->why.
int dataplane_link_seals(struct dataplane_link *link, const struct control_options *options,
	json_t **out) __attribute__((warn_unused_result));
// Tells it the seals. Returns 0 when every worker diverts by them, or -errno with a text in link->why.
int dataplane_link_seal(struct dataplane_link *link, const struct control_options *options,
	const struct seals *seals) __attribute__((warn_unused_result));
