// SPDX-License-Identifier: BSD-3-Clause
// Whose turn it is: mail on its way out stands in a line for each destination (server and port), by
// arrival, and several go at a time, but never two of the same sender for the same recipient: these see their
// mails in order.
//
// - A line begins with one mail at a time, and goes on with one more for each that the server has served, up to
//   what is configured. A server that does not let so many in gets fewer.
// - A destination that does not serve anybody now (not there, 421, full) waits as a whole: its line stays in
//   order, and the first of it is tried again after a pause that grows.
// - A mail that the server puts off by itself (4xx to it or to a recipient: greylisting, a full mailbox) steps
//   aside, and the line goes on. What is later, of the same sender for the same recipient, waits behind it, so
//   that these two see their mails in order; not longer than so many seconds after the first try, though: one
//   mail that is never taken must not stop the others.
// - What is tried again goes before what came later.
//
// Plain bookkeeping: no clock, no disk, no network.
#pragma once

#include "control/deliver.h"
#include "dataplane/dataplane.h"

#include <glib.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct release_order;

// A mail's place in a line: part of what its owner keeps of it.
struct release_place {
	// Set by the owner before it is added, and not changed while it is in a line:
	void *owner;
	struct spool_id id;
	const char *arrival; // a time whose text sorts as the time does
	const char *sender;
	struct deliver_recipient *recipients; // their outcome may change
	size_t recipients_count;
	// Kept here:
	struct release_line *line;
	GList *link;
	int64_t next_s;    // it is not tried before; 0: it stands in line
	int64_t put_off_s; // since when it has stepped aside; 0: it has not
	bool is_tried;     // just now
	GPtrArray *going;  // its pairs, meanwhile; NULL: it is not tried
	uint64_t outages;  // of the line when it began
};

struct release_line {
	char name[64];
	GQueue *places; // by arrival
	GHashTable
		*pairs; // "sender\nrecipient" to those that have stepped aside with it, by arrival
	GHashTable *going; // pairs of those that are being delivered
	uint32_t tried;    // so many are
	uint32_t most;     // so many may be, ever
	uint32_t room;     // and now
	uint32_t ceiling;  // that the server has shown; 0: none
	uint32_t served;   // since it grew
	uint64_t outages;
	int64_t next_s;                // nobody is tried before
	uint32_t fails;                // one after the other; 0: it serves
	char why[DELIVER_REPLY_BYTES]; // it does not
};

// most: of a line at a time.
struct release_order *release_order_new(uint32_t most);
// The places are their owners'.
void release_order_free(struct release_order *order);
void release_order_add(struct release_order *order, const char *name, struct release_place *place);
void release_order_remove(struct release_order *order, struct release_place *place);

// The next line, in turn, that could be tried now: call until NULL. steps: 0 at first.
struct release_line *release_order_line(struct release_order *order, int64_t now_s, size_t *steps);
// A look along a line, from its beginning. What it has given may be begun, set aside or removed meanwhile, nothing else.
struct release_walk {
	struct release_line *line;
	GList *next;
	GHashTable *pairs; // of those that wait for one that is being delivered
	uint32_t waiting;  // so many do
};

void release_walk_init(struct release_walk *walk, struct release_line *line);
void release_walk_fini(struct release_walk *walk);
// The next whose turn it is; NULL: nobody's. behind_s: how long pairs wait for one that was put off.
struct release_place *release_walk_next(
	struct release_walk *walk, int64_t now_s, uint32_t behind_s);
// Whether another one of the line may be tried now.
bool release_order_has_room(const struct release_line *line, int64_t now_s);

// It is being delivered. Recipients for whom an earlier mail waits become DELIVER_LATER.
void release_order_begin(struct release_place *place, int64_t now_s, uint32_t behind_s);
// It could not be tried: it steps aside as if it had been put off.
void release_order_set_aside(struct release_place *place, int64_t now_s, int64_t next_s);
// It was tried, and the server serves.
void release_order_served(struct release_place *place);
// The same, and what is PENDING still is tried not before next_s.
void release_order_put_off(struct release_place *place, int64_t now_s, int64_t next_s);
// It was tried, and did not come in, while others were being served: there are too many at a time.
void release_order_crowded(struct release_place *place);
// It was tried, and the server does not serve: nobody is tried before next_s.
void release_order_down(struct release_place *place, int64_t next_s, const char *why);
// Whether it is neither tried now nor could be, for the line or for itself or for an earlier one.
bool release_order_is_waiting(const struct release_place *place, uint32_t behind_s, int64_t now_s);
// Each line once.
void release_order_each(
	struct release_order *order, void (*show)(void *ctx, struct release_line *line), void *ctx);
