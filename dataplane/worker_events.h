// SPDX-License-Identifier: BSD-3-Clause
// Records of an engine to lines in a ring, on the worker's thread.
#pragma once

#include "dataplane/event_ring.h"
#include "dataplane/events.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct worker_events {
	struct events_context context;
	const atomic_int_fast64_t *epoch_offset_ns;
	struct event_ring *ring;
	uint64_t *lost; // counter
	char *line;     // room for one
	size_t line_bytes;
};

// Returns 0 or -ENOMEM. context's gateway and links must outlive it.
int worker_events_init(struct worker_events *events, const struct events_context *context,
	const atomic_int_fast64_t *epoch_offset_ns, uint64_t *lost)
	__attribute__((warn_unused_result));
void worker_events_fini(struct worker_events *events);

void worker_events_mail(struct worker_events *events, const struct mail_record *record);
void worker_events_hold(struct worker_events *events, const struct hold_record *record);
void worker_events_session(struct worker_events *events, const struct session_record *record);
