// SPDX-License-Identifier: BSD-3-Clause
// Mail on its way out: in the order it came for each pair of sender and recipient, several messages at a time to each
// server, over connections that are used again, and several servers at once; what does not succeed is tried again later, with growing pauses (release_order.h).
//
// A mail's lifetime counts from when it was put off first, by the server or with all that waits for it. That
// moment is in the record's history: another process goes on from it.
#pragma once

#include "control/rebuild.h"
#include "dataplane/dataplane.h"

#include <jansson.h>

#include <stdbool.h>

struct control;
struct release_queue;

// Whether a decision is still good: asked right before each try.
typedef bool (*release_valid_fn)(void *ctx, const char *key);

int release_queue_new(struct control *control, release_valid_fn valid, void *ctx,
	struct release_queue **out) __attribute__((warn_unused_result));
// Waits for what is being delivered at the moment.
void release_queue_free(struct release_queue *queue);

// How a mail goes out.
struct release_way {
	const char *key;                 // of the decision
	const struct rebuild_plan *plan; // what is taken out of it, or NULL
	enum spool_state from;           // of the record, when that was decided
	enum spool_state after;          // of the record, when it was delivered
};

// Why a record that is held still is held: its copy without attachments is out.
#define RELEASE_COPY_SENT "delivered without attachments"

// envelope: as of store_json_envelope; all is borrowed. One that is in the queue already goes the new way
// from its next try on.
void release_queue_add(struct release_queue *queue, struct spool_id id, const json_t *envelope,
	const struct release_way *way);
// It stays after all.
void release_queue_stop(struct release_queue *queue, struct spool_id id);
void release_queue_turn(struct release_queue *queue);
bool release_queue_has(const struct release_queue *queue, struct spool_id id);
// It is on its way just now.
bool release_queue_is_sending(const struct release_queue *queue, struct spool_id id);
// {"queued", "waiting", "delivering"}: waiting is what could not go now, for the server's sake.
json_t *release_queue_counts(const struct release_queue *queue);
