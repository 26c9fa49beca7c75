// SPDX-License-Identifier: BSD-3-Clause
// What becomes of held mail: it is looked at again whenever the rules or the seals have changed. What an
// open seal still covers stays; of the rest what is clean is delivered to the server that it was meant
// for, in the order of arrival for each server, and what is infected or suspect goes where the policy
// says: also with notes in the place of its infected parts. Under a seal of the mode strip clean mail goes
// out without attachments at once, and in full when the seal ends; under hold-attachments what carries
// none goes out. Mail that an operator has released is delivered as it is.
//
// A record is marked as delivered after the server has taken it: a crash between the two delivers it
// once more, with the same Message-ID, and never loses it. Nothing is delivered unscanned: a decision is
// good only for the ruleset and the seals it was made with.
#pragma once

#include "control/control_options.h"
#include "dataplane/dataplane.h"

#include <jansson.h>

#include <stdbool.h>
#include <stdint.h>

struct control;
struct release;

int release_new(struct control *control, struct release **out) __attribute__((warn_unused_result));
// Waits for what is being delivered at the moment.
void release_free(struct release *release);
// A step: to be called once a second, and when something has changed.
void release_turn(struct release *release);
// Whether what was held until then (seconds since 1970) was judged by the rules and seals of now, and what
// can be delivered has been: what stays, stays for another reason. waited_s: how long ago that is. To be asked after a turn.
bool release_has_judged(const struct release *release, int64_t arrived_s, int64_t waited_s);
// Looks again at mail in quarantine for what a revoke alert's body names; what is clean by the rules of now
// is held again, or waits with "keep"; what stays is told with "screening"; "why" is written down. To be
// called after each turn until it returns true: all were looked at. Of two bodies the second waits.
bool release_reconsider(struct release *release, const json_t *revoke);
// It waits for its server, or is on its way there.
bool release_has(const struct release *release, struct spool_id id);
// It is on its way to a server just now.
bool release_is_sending(const struct release *release, struct spool_id id);
// {"queued", "waiting", "delivering", "scanning"}: mails.
json_t *release_counts(const struct release *release);
