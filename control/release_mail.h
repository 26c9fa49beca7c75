// SPDX-License-Identifier: BSD-3-Clause
// One mail on its way out, from the decision until it is gone or the decision is not good any more.
#pragma once

#include "control/control.h"
#include "control/deliver.h"
#include "control/release_notes.h"
#include "control/release_order.h"
#include "control/release_queue.h"
#include "control/release_scan.h"

struct release_mail {
	struct release_place place; // its recipients are the mail's
	struct control *control;
	struct release_queue *queue;
	char name[SPOOL_ID_TEXT_BYTES];
	char key[RELEASE_KEY_BYTES];
	char server[64]; // host and port, as the line's name
	json_t *envelope;
	int64_t arrival_s;
	int64_t begun_s; // when it was put off first: its lifetime counts from then; 0: it was not
	struct rebuild_plan *plan; // what is taken out of it, or NULL
	enum spool_state from;
	enum spool_state after;
	bool is_delay_told;
	bool is_expired; // its lifetime was over
	bool is_stale;   // another way was decided on while it was being delivered
	bool is_asked;   // whether the decision is still good: it waits for the answer
	bool is_unread;  // its last try ended before it began
	bool is_lost;    // the connection was, while it went over
	uint32_t tries;
	uint32_t put_offs; // of these
	size_t behind;     // recipients that wait for an earlier mail in this try
	bool *noted;       // of each recipient: that it has the mail is written down
	// While it is being delivered:
	struct deliver_link *link;
	struct deliver deliver;
	struct store_message message;
	uint8_t *repaired; // by the plan
	char trace[1024];
};

// All is borrowed. Returns NULL without memory.
struct release_mail *release_mail_new(struct control *control, struct spool_id id,
	const json_t *envelope, const struct release_way *way);
void release_mail_free(struct release_mail *mail);
// It goes another way from its next try on: whoever had it the old way gets it the new way too.
void release_mail_change_way(struct release_mail *mail, const struct release_way *way);

// Reads it. Returns 0, or what store_read says.
int release_mail_begin(struct release_mail *mail) __attribute__((warn_unused_result));
// Blocks; on a thread.
void release_mail_run(struct release_mail *mail);
// Behind it, on the main loop.
void release_mail_end(struct release_mail *mail);

size_t release_mail_count(const struct release_mail *mail, enum deliver_outcome outcome);
// Those whose outcome is from.
void release_mail_settle(
	struct release_mail *mail, enum deliver_outcome from, enum deliver_outcome to);
void release_mail_report(const struct release_mail *mail, const char *action);
struct release_notes release_mail_notes(const struct release_mail *mail);
