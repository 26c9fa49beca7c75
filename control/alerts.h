// SPDX-License-Identifier: BSD-3-Clause
// Every channel's one way in: an envelope's bytes are verified, put in order, made durable, applied and
// answered by a signed receipt.
//
//   bytes -> envelope (signed by a key that we trust?) -> alert (what does it say?) -> enough keys of its
//   role, our vendor, for us, fresh, newer than all before -> alert_order (durable) -> apply -> receipt
//
// A seal acts first and becomes durable beside it: each millisecond lets mail pass, and nothing opens by it. Nobody
// hears of it before it is durable, and nothing that came after it acts before that (docs/alerts.md, "What is
// durable when"). All that is durable is written by a thread of its own; answers come later than alerts_take returns.
//
// What is not signed by any key that we trust gets no answer and is only counted: an answer would be an
// amplifier in an attacker's hands. All else gets a receipt: applied, repeated, or refused with the reason.
#pragma once

#include "control/alert.h"
#include "control/envelope.h"

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct alerts;

// What is said to an envelope.
struct alerts_answer {
	const char *receipt; // lasts as long as the call; NULL: there is none
	bool is_refusal;     // so the receipt says; without one: no trusted key has signed it,
	const char *why;     // as this says; NULL with a receipt
	bool is_repeat;      // it was answered before
	bool is_busy; // there is no receipt, which is not the sender's fault: to be sent again
};

// Where an envelope came from, and who is told of its receipt.
struct alerts_source {
	const char *channel; // "https", "udp", ...
	const char *peer;    // an address or a name, for people
	// Once for each alerts_take, at once or later. The token is the caller's: who has gone is not found by
	// it any more.
	void (*answer)(void *ctx, uint64_t token, const struct alerts_answer *answer);
	void *ctx;
	uint64_t token;
	int64_t began_us; // when its first byte came, by the clock of alerts_clock_us; 0: now
};

// What a seal that is in force needs written down.
struct alerts_kept {
	int (*write)(void *data); // on another thread: durable when it returns 0; else -errno
	void (*end)(void *data, int err); // on this one, once; frees data
	void *data;
};

// What an alert does, which is its owner's business.
struct alerts_actions {
	// Returns 0: done; -EINPROGRESS: alerts_done follows; else it is refused with why. An alert that was
	// taken before a crash comes again: to apply it twice must be to apply it once.
	int (*apply)(void *ctx, const struct alert *alert, const char *digest, char *why,
		size_t why_bytes);
	// The state after it, for the receipt: {"sealed", "open", "ruleset"}.
	json_t *(*state)(void *ctx);
	// "alert" and "fault" events; takes members.
	void (*event)(void *ctx, const char *event, json_t *members);
	void *ctx;
	// The same as apply for a seal, at once; what is durable of it is written then, by kept. Returns 0, or -errno
	// with why. NULL: a seal is applied as all others are.
	int (*act)(void *ctx, const struct alert *alert, char *why, size_t why_bytes,
		struct alerts_kept *kept);
	// Calls then when it is known what came of all that was done until now, which the receipt says; at once if it is.
	// NULL: it always is.
	void (*when_told)(void *ctx, void (*then)(void *data), void *data);
	// It was done by the process before, which may have been killed before it has told of it. NULL: nothing is told.
	void (*tell_again)(void *ctx, const struct alert *alert);
};

struct alerts_options {
	const char *gateway;
	const char *const *groups; // it is in
	size_t groups_count;
	const char *folder; // of the state: its own key, the root document, the order
	// Marks are put into a file of this name and that of the gateway's key, if it is in memory (alert_mark.h); NULL:
	// none.
	const char *marks;
	const char *root;    // file of the first root document, put there by hand; "": none
	uint64_t most_ahead; // of the highest sequence
	int64_t skew_s;      // that a vendor's clock may be ahead
	int64_t stale_s;     // after which silence is a fault; 0: never
	unsigned int seals_in_an_hour; // that are applied
};

// Reads or makes what is in the folder. Returns 0, or -errno with a text in error.
int alerts_new(const struct alerts_options *options, const struct alerts_actions *actions,
	struct alerts **out, char *error, size_t error_bytes) __attribute__((warn_unused_result));
void alerts_free(struct alerts *alerts);
// Until all that was taken is durable and, but for what is in progress, answered.
void alerts_flush(struct alerts *alerts);
// Until all that was taken is durable; what follows from that is done later.
void alerts_drain(struct alerts *alerts);
// The same as alerts_flush, and nobody is answered any more: those that would be may be gone.
void alerts_stop(struct alerts *alerts);
// Applies again what was taken when the process ended last. Once, when all actions can be done.
int alerts_resume(struct alerts *alerts) __attribute__((warn_unused_result));

void alerts_take(struct alerts *alerts, const struct alerts_source *source, const void *text,
	size_t bytes, int64_t now_s);
// Whether something that is long is being read: who has signed it is not known yet. All else that has no answer yet is
// signed, and on its way.
bool alerts_is_reading(const struct alerts *alerts);
// Microseconds of the clock of alerts_source.began_us.
int64_t alerts_clock_us(void);
// So much waits to be read that what comes may have to come again.
bool alerts_is_busy(const struct alerts *alerts);
// The end of an alert whose action was in progress. err and why: as apply's.
void alerts_done(
	struct alerts *alerts, const char *digest, int err, const char *why, int64_t now_s);
// Now and then: tells of silence, of a root document that ends, of refusals that were not told one by one.
void alerts_turn(struct alerts *alerts, int64_t now_s);

// {"vendor", "root_version", "root_expires", "key", "last_heard", "stale", "applied", "repeated",
// "refused": {why: count}, "heard": {channel: when}}; the caller's.
json_t *alerts_status(const struct alerts *alerts);
json_t *alerts_list(struct alerts *alerts, unsigned int most);
