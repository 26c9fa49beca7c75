// SPDX-License-Identifier: BSD-3-Clause
// Alerts to all gateways that they are meant for, over all channels of each at once, again and again with
// pauses that grow, until each one's receipt is in or the alert has expired.
#pragma once

#include "control/vendor_database.h"
#include "control/vendor_queue.h"
#include "control/vendor_send.h"

#include <jansson.h>

#include <stdbool.h>
#include <stdint.h>

struct fanout;

struct fanout_options {
	struct database *database;
	unsigned int retry_s;
	unsigned int retry_most_s;
	// One try; as vendor_send_try.
	int (*send)(void *ctx, const struct vendor_try *try);
	// "receipt" and "fault" events; takes members.
	void (*event)(void *ctx, const char *event, json_t *members);
	void *ctx;
};

// Returns 0 or -ENOMEM.
int fanout_new(const struct fanout_options *options, struct fanout **out)
	__attribute__((warn_unused_result));
void fanout_free(struct fanout *fanout);
// Reads all gateways, open alerts and what is missing from the database. Once.
int fanout_resume(struct fanout *fanout) __attribute__((warn_unused_result));

// A gateway that is new or has changed, as the registry tells it; what is open and meant for it is sent.
int fanout_gateway(struct fanout *fanout, const json_t *told) __attribute__((warn_unused_result));
void fanout_forget(struct fanout *fanout, const char *id);
// An alert that has been added to the journal as open. What it supersedes is let go of. All of it is
// durable when this returns to how many gateways it goes; or nothing has changed: -EIO, -ENOMEM.
int64_t fanout_issue(struct fanout *fanout, int64_t number, const struct alert *alert,
	const char *digest, const char *envelope) __attribute__((warn_unused_result));
// Sends what may go and was not sent yet, from the main loop.
void fanout_wake(struct fanout *fanout, const char *id);

// Sends the alert of this digest at once to all who have not answered it, whatever pause they are in. Returns how many
// they are, -ENOENT: it is not open.
int64_t fanout_retry(struct fanout *fanout, const char *digest);

// As vendor_sink's: whether it was a good receipt of one of the gateways.
bool fanout_receipt(
	struct fanout *fanout, const char *channel, const void *text, size_t bytes, char *id);
// Calls back once the receipts that were taken until now are durable; if they are not, they must come again.
typedef void (*fanout_kept_fn)(void *ctx, uint64_t token, bool is_kept);
void fanout_when_kept(struct fanout *fanout, fanout_kept_fn tell, void *ctx, uint64_t token);
void fanout_failed(struct fanout *fanout, const char *id, const char *channel, const char *why);

// Ends what has expired. Now and then.
void fanout_turn(struct fanout *fanout, int64_t now_s);

// Open alerts to be published: root documents first, then all in the order of issue. An array that the caller
// frees with g_free; its entries last until the main loop goes on.
const struct queue_alert **fanout_open(const struct fanout *fanout, size_t *count);
// {"gateways", "alerts", "waiting", "sent", "receipts", "forged"}; the caller's.
json_t *fanout_status(const struct fanout *fanout);
// {KIND: {"sent", "failures", "receipts"}} of the channels since the start; the caller's.
json_t *fanout_totals(const struct fanout *fanout);
// Adds to out: "delivery": {KIND: {"sent", "last_sent", "receipts", "last_receipt", "why"}} of the gateway's
// kinds of channels; "tries" since its last receipt; and "why", the last failure.
void fanout_describe(const struct fanout *fanout, const char *id, json_t *out);
