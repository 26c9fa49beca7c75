// SPDX-License-Identifier: BSD-3-Clause
// Alerts from inside: what alerts.c, alerts_judge.c, alerts_apply.c and alerts_tell.c share.
#pragma once

#include "control/alert_order.h"
#include "control/alerts.h"
#include "control/alerts_root.h"
#include "control/alerts_seen.h"

#include <limits.h>

// Who waits for an alert whose action is in progress.
struct waiting {
	struct waiting *next;
	struct alerts_source source;
	char digest[ENVELOPE_KEY_ID_BYTES];
};

// What is told one by one only while it is seldom.
struct told {
	int64_t minute;
	unsigned int count;  // in it
	unsigned int untold; // since it was said last how many
};

enum told_kind { TOLD_UNSIGNED, TOLD_REFUSED, TOLD_REPEATED, TOLD_KINDS };

// A seal or a list that was taken, and what had the highest number before it.
struct passed {
	int64_t at_us;
	struct order_highest before;
};
#define PASSED_MOST 256u // short lists may be many while a long one comes

struct alerts {
	struct alerts_options options;
	struct alerts_actions actions;
	struct alerts_root root;
	struct journal *journal;
	struct journal *reader; // of what is large, and what came behind it
	unsigned int later;     // that it has
	size_t later_bytes;
	unsigned int later_roots; // of them
	struct later *later_first;
	struct later *later_last;
	struct order_highest
		in_order; // of what keeps its order beside seals and short lists, what was taken
	struct passed passed[PASSED_MOST]; // the latest ones
	unsigned int passed_ever;
	bool is_stopped;
	struct alert_order *order;
	struct alerts_seen *seen;
	struct envelope_signer *signer;
	struct waiting *waiting;
	unsigned int waiting_count;
	unsigned int to_act; // alerts that are to act when they are durable
	json_t *refused;     // why: count
	json_t *heard;       // channel: when something signed came by it
	uint64_t applied;
	uint64_t repeated;
	int64_t last_heard_s;
	int64_t began_s;     // by the clock,
	int64_t began_up_s;  // and by one that is never set
	int64_t behind_up_s; // since when the clock is behind that, if it is
	bool stale;          // and was told
	bool root_ended;
	bool clock_is_behind;
	double seals_left; // of seals_in_an_hour
	int64_t seals_left_at_s;
	struct told told[TOLD_KINDS];
	char root_path[PATH_MAX];
};

// One envelope on its way.
struct taking {
	const struct alerts_source *source;
	struct envelope *envelope;
	const char *text;
	size_t bytes;
	const char *digest; // of the payload; NULL: it cannot be read
	struct seen_key key;
	struct alert alert;
	struct keys *keys;                   // of a new root document
	const struct order_highest *highest; // when it came; NULL: it came now
	int64_t came_us;
	const json_t *sealed; // {virus id: true}: that have overtaken it; NULL: it came now
	int64_t now_s;
	char why[ALERT_WHY_BYTES];
};

// What an envelope says.
struct reading {
	struct envelope *envelope; // NULL: it cannot be read
	const char *why;           // of one that no trusted key has signed
	uint64_t signers;          // bits of the trusted keys
	int err;                   // of the alert in it
	struct alert alert;
	char mistake[ALERT_WHY_BYTES - 16];
};

// ---- alerts.c -----------------------------------------------------------------------------------

// What was read is judged and taken, and what it holds goes to taking.
void alerts_take_reading(
	struct alerts *alerts, struct taking *taking, struct reading *reading, int64_t clock_s);

// ---- alerts_read.c ------------------------------------------------------------------------------

// By these keys (NULL: nobody is trusted) and nothing else, so that any thread may.
void alerts_read(const void *text, size_t bytes, const struct keys *keys, struct reading *out);
void alerts_reading_clear(struct reading *reading);
// Whether it takes too long for the main loop, which has seals to take.
bool alerts_is_large(size_t bytes);
// It is read by a thread, one after the other, and then taken here; or the source is told that we are busy.
void alerts_read_later(struct alerts *alerts, const struct alerts_source *source, const void *text,
	size_t bytes, int64_t clock_s);
// The same of one that is known to be a root document.
void alerts_read_root_later(struct alerts *alerts, const struct alerts_source *source,
	const void *text, size_t bytes, int64_t clock_s);
// A seal of this virus id goes before all that wait.
void alerts_overtake(struct alerts *alerts, const char *virus_id);

// ---- alerts_passed.c ----------------------------------------------------------------------------

// Whether it need not wait for what is being read, or is still coming.
bool alerts_may_pass(const struct alert *alert);
// One of these is about to be taken.
void alerts_note_passed(struct alerts *alerts);
// What had the highest number when something began to come, for what others may have passed since. Returns false when
// that is what has it now.
bool alerts_highest_at(
	const struct alerts *alerts, int64_t began_us, struct order_highest *highest);

// ---- alerts_tell.c ------------------------------------------------------------------------------

// Freed by the caller; NULL: there is none.
char *alerts_tell_receipt(
	struct alerts *alerts, const char *digest, const char *result, const char *why);
// Takes members.
void alerts_tell(struct alerts *alerts, const char *event, json_t *members);
void alerts_tell_fault(struct alerts *alerts, const char *why);
void alerts_tell_taking(struct alerts *alerts, const struct taking *taking, const char *result);
// The same, of what anybody can send again and again.
void alerts_tell_seldom(struct alerts *alerts, enum told_kind kind, const struct taking *taking);
// What was not told one by one.
void alerts_tell_sums(struct alerts *alerts, int64_t now_s);
void alerts_tell_answer(const struct alerts_source *source, const struct alerts_answer *answer);
void alerts_count_refusal(struct alerts *alerts, const char *why);
// No trusted key has signed it.
void alerts_refuse_stranger(struct alerts *alerts, struct taking *taking, const char *why);
// A trusted one has: taking->why says what is wrong with it.
void alerts_refuse(struct alerts *alerts, const struct taking *taking);

// ---- alerts_judge.c -----------------------------------------------------------------------------

// Returns 0 or -EACCES with taking->why. signers: bits of the trusted keys; clock_s: what the clock says,
// which may have gone back.
int alerts_judge(struct alerts *alerts, struct taking *taking, uint64_t signers, int64_t clock_s);

// ---- alerts_apply.c -----------------------------------------------------------------------------

// Taken and made durable, applied, and answered; a seal is applied first. Takes what it needs of taking.
void alerts_apply(struct alerts *alerts, struct taking *taking);
// The source is answered when the alert of this digest is.
void alerts_wait(struct alerts *alerts, const struct alerts_source *source, const char *digest);
