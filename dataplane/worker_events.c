// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/worker_events.h"

#include <errno.h>
#include <stdlib.h>

#define LINE_BYTES (512u << 10) // a thousand parts and as many recipients
#define RING_BYTES (4u << 20)

int worker_events_init(struct worker_events *events, const struct events_context *context,
	const atomic_int_fast64_t *epoch_offset_ns, uint64_t *lost)
{
	int err;

	events->context = *context;
	events->epoch_offset_ns = epoch_offset_ns;
	events->lost = lost;
	events->line_bytes = LINE_BYTES;
	events->line = malloc(LINE_BYTES);
	if (events->line == NULL)
		return -ENOMEM;
	err = event_ring_new(RING_BYTES, &events->ring);
	if (err != 0) {
		free(events->line);
		events->line = NULL;
	}
	return err;
}

void worker_events_fini(struct worker_events *events)
{
	event_ring_free(events->ring);
	free(events->line);
}

static void push(struct worker_events *events, size_t n)
{
	if (n == 0 || !event_ring_push(events->ring, events->line, n))
		++*events->lost;
}

static void look_at_clock(struct worker_events *events)
{
	events->context.epoch_offset_ns =
		atomic_load_explicit(events->epoch_offset_ns, memory_order_relaxed);
}

void worker_events_mail(struct worker_events *events, const struct mail_record *record)
{
	size_t n;

	look_at_clock(events);
	n = events_format_mail(&events->context, record, events->line, events->line_bytes);
	if (n == 0) {
		// Too long: the verdict and the matches are worth more than the lists.
		struct mail_record brief = *record;
		struct scan_result scan;

		brief.rcpt_to_count = 0;
		if (record->scan != NULL) {
			scan = *record->scan;
			scan.parts_count = 0;
			brief.scan = &scan;
		}
		n = events_format_mail(&events->context, &brief, events->line, events->line_bytes);
	}
	push(events, n);
	for (size_t i = 0; record->scan != NULL && i < record->scan->matches_count; i++)
		if (record->scan->matches[i].entry != 0)
			push(events, events_format_screening(&events->context, record,
					     &record->scan->matches[i], events->line,
					     events->line_bytes));
}

void worker_events_session(struct worker_events *events, const struct session_record *record)
{
	look_at_clock(events);
	push(events,
		events_format_session(&events->context, record, events->line, events->line_bytes));
}

void worker_events_hold(struct worker_events *events, const struct hold_record *record)
{
	size_t n;

	look_at_clock(events);
	n = events_format_hold(&events->context, record, events->line, events->line_bytes);
	if (n == 0) {
		// Too many recipients: the record has them.
		struct held_mail brief = *record->mail;
		struct hold_record shorter = {&brief, record->record};

		brief.rcpt_to_count = 0;
		n = events_format_hold(
			&events->context, &shorter, events->line, events->line_bytes);
	}
	push(events, n);
}
