// SPDX-License-Identifier: BSD-3-Clause
// How far a change of the rules has come, durably: each step is written down when it begins, so that a
// process that was ended goes on with it. To do a step again is harmless.
#pragma once

#include "control/envelope.h"
#include "control/update_plan.h"

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum update_kind { UPDATE_BUNDLE, UPDATE_REVOKE, UPDATE_ROLLBACK };

enum update_step {
	UPDATE_DOWNLOAD, // files are fetched
	UPDATE_INSTALL,  // all are here and good: they become a version's folder
	UPDATE_COMPILE,  // compiled, tried, put in force
	UPDATE_RELEASE,  // kept mail is judged by the new rules and let go
	UPDATE_END,      // the seals that are covered end
	UPDATE_DONE,     // whoever waits is told
};

struct update_journal {
	enum update_kind kind;
	enum update_step step;
	char digest[ENVELOPE_KEY_ID_BYTES]; // of the alert, "": none
	char version[UPDATE_VERSION_BYTES];
	int64_t begun_s;
	int64_t swapped_s; // when the rules were in force; 0: they are not
	json_t *covered;   // virus ids that were found to be
	json_t *uncovered; // virus id: why it is not
};

const char *update_kind_name(enum update_kind kind);
const char *update_step_name(enum update_step step);

// Returns 0, -ENOENT: there is none, -EBADMSG: it is something else, or -errno.
int update_journal_read(const char *path, struct update_journal *out)
	__attribute__((warn_unused_result));
// The same of its text.
int update_journal_parse(const char *text, size_t bytes, struct update_journal *out)
	__attribute__((warn_unused_result));
// Returns 0 when it is durable. kill_at: a test's name of a step, at whose entry ("before " and it: before its
// entry) the process ends itself as by a crash; "": none.
int update_journal_write(const char *path, const struct update_journal *journal,
	const char *kill_at) __attribute__((warn_unused_result));
// Tells of each virus id of the update whether the rules know it; covered may be NULL.
void update_journal_tell(const struct update_journal *journal,
	void (*covered)(void *ctx, const char *virus_id, bool is_covered), void *ctx);
void update_journal_fini(struct update_journal *journal);
