// SPDX-License-Identifier: BSD-3-Clause
// What the vendor has said and who has answered: each alert with its number in the order of issue, the
// highest epoch and sequence of each role, for each alert and gateway what became of it, and the receipts.
//
// An alert is "draft" while signatures are missing, "open" while it is delivered, "superseded" when a later
// one has taken its place, "expired". A delivery is "open", "delivered", "refused" with why, or
// "superseded"; open after the alert's end is what people call missing.
#pragma once

#include "control/alert.h"
#include "control/vendor_database.h"

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The next number of a role: its sequence in its epoch, which is epoch_least or what it was, if that is
// more. Nobody gets it again. Returns 0 or -EIO. Durable.
int journal_next(struct database *database, enum key_role role, uint64_t epoch_least,
	uint64_t *epoch, uint64_t *sequence) __attribute__((warn_unused_result));

// Adds an alert; one that was signed elsewhere (is_new) must be above all of its role. Returns 0 and its
// number, -EEXIST: it is there already, -EACCES: an old sequence, or -EIO. Not yet durable.
int journal_add(struct database *database, const struct alert *alert, const char *digest,
	const char *envelope, const char *state, int64_t *number)
	__attribute__((warn_unused_result));
// A draft that is complete now, or has one more signature. Not yet durable.
int journal_sign(struct database *database, const char *digest, const char *envelope,
	const char *state) __attribute__((warn_unused_result));
// Whether any of its role with a higher sequence has gone out.
bool journal_is_overtaken(struct database *database, const struct alert *alert);
int journal_set_state(struct database *database, int64_t number, const char *state)
	__attribute__((warn_unused_result));
// Open alerts whose time is over are expired. Returns how many.
int journal_expire(struct database *database, int64_t now_s);
// Lets go of alerts of this type that are not open, deliveries and all; heartbeats are many.
int journal_forget(struct database *database, const char *type) __attribute__((warn_unused_result));

// The alert's row for a gateway. Not yet durable.
int journal_address(struct database *database, int64_t number, const char *gateway)
	__attribute__((warn_unused_result));
struct journal_answer {
	const char *gateway;
	const char *digest; // of the alert
	const char *result;
	const char *why; // or NULL
	const char *channel;
	const char *envelope;
	const char *receipt; // its own digest
	uint64_t counter;
	int64_t time_s;
};
// A receipt that was found good. Returns 0; -EALREADY: it is there; or
// -EIO. Not yet durable.
int journal_receipt(struct database *database, const struct journal_answer *answer)
	__attribute__((warn_unused_result));
// What became of an alert at a gateway: "delivered", "refused", "superseded". One that was delivered stays
// so. Not yet durable.
int journal_deliver(struct database *database, int64_t number, const char *state,
	const struct journal_answer *answer) __attribute__((warn_unused_result));

// Open alerts, in order.
typedef void (*journal_alert_fn)(
	void *ctx, int64_t number, const char *state, const char *envelope);
int journal_each(struct database *database, journal_alert_fn each, void *ctx)
	__attribute__((warn_unused_result));

// The envelope of the root document of this version that has gone out, the caller's; NULL: there is none.
char *journal_root(struct database *database, uint64_t version);

// ---- for people and programs; the caller's -------------------------------------------------------

// {"number", "digest", "role", "type", "epoch", "sequence", "virus_id", "target", "issued", "expires",
// "state", "deliveries": {STATE: COUNT}}, with the envelope besides; the digest may be its beginning, 8
// letters or more. NULL: there is none, or several.
json_t *journal_get(struct database *database, const char *digest, bool with_envelope);
// The latest ones below a number (0: all), newest first; of a state (NULL: all).
json_t *journal_list(
	struct database *database, int64_t before, unsigned int most, const char *state);
// {"gateways", "delivered", "refused", "open", "seconds": {"50", "90", "100"}}: to how many gateways an alert goes, and
// how long after it went out so many percent of them had it, null as long as they do not.
json_t *journal_progress(struct database *database, int64_t number);
// [{"gateway", "state", "why", "channel", "time"}] of an alert, by gateway after one; of a state (NULL).
json_t *journal_deliveries(struct database *database, int64_t number, const char *after,
	unsigned int most, const char *state);
// [{"number", "alert", "gateway", "result", "why", "channel", "time", "counter", "envelope"}] above a
// number, oldest first; of a gateway or an alert (NULL: all).
json_t *journal_receipts(struct database *database, int64_t after, unsigned int most,
	const char *gateway, const char *digest);
