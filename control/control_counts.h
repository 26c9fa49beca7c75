// SPDX-License-Identifier: BSD-3-Clause
// How often what has happened since the process began: made of its events, so that both say the same.
#pragma once

#include <jansson.h>

#include <stdint.h>

#define CONTROL_COUNTS_MOST 32

struct control_counts {
	uint64_t values[CONTROL_COUNTS_MOST];
};

// An event as of control_events_watch.
void control_counts_event(struct control_counts *counts, const char *event, const json_t *members);
// {"mails_delivered": 17, ...}: all of them, also those that are 0.
json_t *control_counts_json(const struct control_counts *counts);
