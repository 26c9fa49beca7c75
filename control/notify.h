// SPDX-License-Identifier: BSD-3-Clause
// Who is told of what: the administrator of what happens, by digests; recipients of mail for them that
// was quarantined, if that is wanted; senders of what could not be delivered.
//
// All of it goes out with the empty sender through one next hop, on threads of its own, and is tried
// again like released mail. It lives in memory: what a crash takes away is a notice, never a mail.
#pragma once

#include "control/deliver.h"
#include "dataplane/dataplane.h"

#include <jansson.h>

struct control;
struct notify;

int notify_new(struct control *control, struct notify **out) __attribute__((warn_unused_result));
// Waits for what is being sent at the moment.
void notify_free(struct notify *notify);
// To be called once a second.
void notify_turn(struct notify *notify);

// An event of the control process (control_events_watch) of ctx, a struct notify: the digest counts it.
void notify_event(void *ctx, const char *event, const json_t *members);
// A mail was quarantined by a verdict.
void notify_quarantined(struct notify *notify, struct spool_id id, const char *why);

struct notify_failure {
	struct spool_id id; // it is quarantined, and withdrawn once the sender was told
	const json_t *envelope;
	const char *server;
	const struct deliver_recipient *recipients;
	size_t recipients_count;
};
void notify_failed(struct notify *notify, const struct notify_failure *failure);
