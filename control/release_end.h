// SPDX-License-Identifier: BSD-3-Clause
// The end of a mail's way out, and what is said while there is none: what the record becomes, who is told.
#pragma once

#include "control/release_mail.h"

// All recipients are decided: the record's way ends. Returns 0 when that is durable; that senders are to be
// told is durable before it. Somebody may have decided otherwise meanwhile: then it is stale.
int release_end_conclude(struct release_mail *mail) __attribute__((warn_unused_result));

// It was put off, now or by its line: its lifetime has begun, if it had not.
void release_end_begin(struct release_mail *mail);
bool release_end_is_expired(struct release_mail *mail);
// Some have it, others get it later. What cannot be written down may come twice to somebody.
void release_end_note_done(struct release_mail *mail);
// Whether its sender is to be told now that it takes long.
bool release_end_is_late(const struct release_mail *mail);
// Once for each mail, whatever happens: the outbox knows.
void release_end_tell_delay(struct release_mail *mail);
