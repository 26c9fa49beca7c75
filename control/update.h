// SPDX-License-Identifier: BSD-3-Clause
// Changes of the rules that the vendor sends, and the way back: one at a time, each in steps that are
// written down (update_journal.h), so that a process that was ended goes on with it.
//
//   update    fetched, checked, a folder of its own (update_folder.h); compiled with the configured sources
//             and tried (update_check.h); in force; what is held is judged again and let go; then the seals
//             of the virus ids that the rules know end. Those that they do not know stay.
//   revoke    noted (revoked.h), compiled; what was quarantined for it alone is held again, and let go. With
//             "undo" it is taken out again, and compiled
//   rollback  the operator's: the former version, until the next update
//
// Until new rules are in force nothing has changed, and a seal ends last: whatever fails on the way leaves
// the gateway sealed.
#pragma once

#include "control/alert.h"

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct control;
struct update;

// Reads where it stopped. Returns 0 or -errno with a text in error.
int update_new(struct control *control, struct update **out, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
void update_free(struct update *update);

// An update or revoke alert, as alerts_actions.apply: -EINPROGRESS, or refused with why.
int update_take(struct update *update, const struct alert *alert, const char *digest, char *why,
	size_t why_bytes) __attribute__((warn_unused_result));
// Goes back to the former version; client is answered (api_answer) when it is in force. Returns 0, -EBUSY,
// -ENOENT: there is none, or -errno.
int update_roll_back(struct update *update, uint64_t client) __attribute__((warn_unused_result));
// Takes back what was revoked, by the operator, from the next compilation on: {"signatures", "digests"}.
// Returns 0, -EBUSY, -EINVAL with a text in why, or -errno.
int update_unrevoke(struct update *update, const json_t *body, char *why, size_t why_bytes)
	__attribute__((warn_unused_result));
// A step: once a second.
void update_turn(struct update *update);

// As update_folder_json, with "progress": {"kind", "step", "version", "bytes", "of"} or null; the caller's.
json_t *update_status(const struct update *update);

// Told of each virus id that an update says it covers: that the rules know it now, so that what stood in for a
// signature until then can go, or that they do not, whatever they hold.
typedef void (*update_covered_fn)(void *ctx, const char *virus_id, bool is_covered);
void update_when_covered(struct update *update, update_covered_fn covered, void *ctx);
