// SPDX-License-Identifier: BSD-3-Clause
// Who is told of what: the administrator of what happens, by digests; recipients of mail for them that
// was quarantined, if that is wanted; senders of what could not be delivered, of what takes long, and of
// what was delivered, as they have asked for (RFC 3461).
//
// All of it goes out with the empty sender through one next hop, on threads of its own, and is tried
// again like released mail. It is on disk (outbox) before the decision that it tells of is, so that a crash
// takes nothing away; what was not decided after all is not told. Each is sent once, but for a crash
// between the next hop's answer and the note of it: then twice, with the same Message-ID.
#pragma once

#include "control/deliver.h"
#include "dataplane/dataplane.h"

#include <jansson.h>

struct control;
struct notify;

int notify_new(struct control *control, struct notify **out) __attribute__((warn_unused_result));
// Takes up what an earlier process has left to be told; once the store is there.
void notify_resume(struct notify *notify);
// Waits for what is being sent at the moment.
void notify_free(struct notify *notify);
// To be called once a second.
void notify_turn(struct notify *notify);
// Notices that are on their way.
size_t notify_count(const struct notify *notify);

// An event of the control process (control_events_watch) of ctx, a struct notify: the digest counts it.
void notify_event(void *ctx, const char *event, const json_t *members);
// A mail is to be quarantined by a verdict: before that is written down. Returns 0 when it is durable that
// its recipients are told, or need not be, or -errno.
int notify_quarantined(struct notify *notify, struct spool_id id, const char *why)
	__attribute__((warn_unused_result));

// Mails a receipt, once for each alert (digest).
void notify_receipt(struct notify *notify, const char *to, const char *digest, const char *receipt);

enum notify_kind {
	NOTIFY_FAILURE, // of the recipients that are DELIVER_NEVER; the record is withdrawn once it is told
	NOTIFY_DELAY,   // of those that are not decided
	NOTIFY_SUCCESS, // of those whose server tells nothing itself
};

struct notify_outcome {
	struct spool_id id;
	const json_t *envelope;
	const char *server;
	int64_t until_s; // of a delay: till when it is tried
	const struct deliver_recipient *recipients;
	size_t recipients_count;
};

// Writes down that the sender is to be told, before what it is told of is written down. Returns 0 when there
// is something to tell and that is durable, -ENOENT when there is nothing, or -errno.
int notify_plan(struct notify *notify, enum notify_kind kind, const struct notify_outcome *outcome)
	__attribute__((warn_unused_result));
// Behind a plan: what it tells of is durable, or is not true.
void notify_settle(struct notify *notify, enum notify_kind kind,
	const struct notify_outcome *outcome, bool is_true);
