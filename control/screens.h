// SPDX-License-Identifier: BSD-3-Clause
// Screening by checksum, as the control process sees it: lists come from alerts and by hand, are kept
// (screen_store.h), count together, are built and handed over on a thread (screens_work.h), and end: when the
// rules know their virus id, by an all-clear or a revocation, by the operator, at the end of their time.
//
// What was quarantined for a list that was covered, cleared or revoked is judged again by what is in force then;
// what expired or was removed by hand leaves it as it is.
#pragma once

#include "control/alert.h"
#include "control/screen_store.h"

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct control;
struct screens;

// Opens what was kept. Returns 0 or -errno with a text in error.
int screens_new(struct control *control, struct screens **out, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
// Waits for what is being done at the moment.
void screens_free(struct screens *screening);
// A step: once a second.
void screens_turn(struct screens *screening);

// A screen alert, as alerts_actions.apply: -EINPROGRESS, 0 where the rules know the virus id, or refused with why.
int screens_take(struct screens *screening, const struct alert *alert, const char *digest,
	char *why, size_t why_bytes) __attribute__((warn_unused_result));
// A list as JSON, of malloc, which it takes; client is answered (api_answer) when it is in force. seconds: 0: as
// long as any may be.
struct screens_order {
	char *text;
	const char *virus_id; // "": those that the entries name
	const char *who;
	const char *why;
	int64_t seconds;
	uint64_t client;
};
int screens_add(struct screens *screening, const struct screens_order *order)
	__attribute__((warn_unused_result));

// Writes what is chosen to fd, which it takes, as JSON; client is answered then. choice's texts are the request's.
int screens_copy(struct screens *screening, const struct screen_store_choice *choice,
	const json_t *request, int fd, uint64_t client) __attribute__((warn_unused_result));

enum screens_end {
	SCREENS_COVERED, // by the rules in force
	SCREENS_CLEARED, // by the vendor: what hit was no virus, or is none to be feared
	SCREENS_REMOVED, // by the operator
	SCREENS_EXPIRED,
};

// Switches off what is chosen. Returns how many entries, or -errno: then nothing has changed.
int64_t screens_end(
	struct screens *screening, const struct screen_store_choice *choice, enum screens_end how);
// By the operator; client is answered when they are out of force, if there were any.
int64_t screens_remove(
	struct screens *screening, const struct screen_store_choice *choice, uint64_t client);
// What an update alert has said of a virus id (update_when_covered).
void screens_covered(void *ctx, const char *virus_id, bool is_covered);
// Rules have come into force otherwise: what they know is covered; what was covered and they do not know is looked
// for again.
void screens_look_at_rules(struct screens *screening);
// Rules that know less are to come: all that was covered is looked for again, until screens_look_at_rules. When it
// is settled (screens_is_settled) they may come.
void screens_uncover(struct screens *screening);
// The vendor has taken back what an all-clear or a revoke names: lists that were issued before it end, and what is still
// to come of such does not go on. Returns 0 or -EIO, which is told.
int screens_clear(struct screens *screening, const struct alert *alert);
// Nothing is on its way: what lies beside the rules' image is what is on.
bool screens_is_settled(const struct screens *screening);
// {"entries", "lists", "in_force", "version", "why", "waiting"}; the caller's.
json_t *screens_status(const struct screens *screening);
struct screen_store *screens_store(const struct screens *screening);
