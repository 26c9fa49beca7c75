// SPDX-License-Identifier: BSD-3-Clause
// The seals that are open: kept in a file that the dataplane reads at its start, so that a gateway that
// was sealed when it stopped is sealed before it forwards its first packet. A change is durable before
// it is told to anybody, but for that of seals_stage, and for a seal that cannot be written (seals_set).
//
// The format is the dataplane's (seal_json.h); beside what it reads each seal has "origin" (who set it),
// "begun" and "expires" (seconds since 1970), and "why".
//
// A process that was killed may have told the dataplane seals which never came into the file. Until it is known what the
// dataplane has (seals_heard, seals_adopt) it is told nothing, and what changes meanwhile is written with the generation
// before ("since"), so that also the next process, if this one is killed, knows whose seals it may lack; and with what
// was ended meanwhile ("lifted": virus ids, null for all that there were), which is not taken over.
#pragma once

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seals;

// Reads the file; one that is missing means that no seal is open. Returns 0, -EBADMSG with a text in
// error when it is not what was written, or -errno. max_seconds: no seal lasts longer.
int seals_open(const char *path, uint32_t max_seconds, struct seals **out, char *error,
	size_t error_bytes) __attribute__((warn_unused_result));
void seals_close(struct seals *seals);

// Opens a seal, or changes the one of the same virus id. seal: {"virus_id", "mode", "directions",
// "scope", "max_seconds", "why"}; borrowed. A full disk keeps no seal away: it stands also where the file cannot be
// written, which is behind then. Returns 0, or -EINVAL with a text in error, or -ENOMEM: then nothing has changed.
int seals_set(struct seals *seals, const json_t *seal, const char *origin, int64_t now_s,
	char *error, size_t error_bytes) __attribute__((warn_unused_result));
// The same in two steps, for who must tell others before it waits for the file: after the first it can be told,
// after the second it is in the file, or, when that returns an error, all is as it was before. Nothing else is
// called in between but what asks.
int seals_stage(struct seals *seals, const json_t *seal, const char *origin, int64_t now_s,
	char *error, size_t error_bytes) __attribute__((warn_unused_result));
int seals_settle(struct seals *seals) __attribute__((warn_unused_result));
// In the place of seals_settle: what is staged stands, and is written by another thread: write to be called there, and
// end here with what it returned. Until then, or when it has failed, the file is behind. NULL: no memory, and the
// file is behind.
struct seals_write *seals_settle_later(struct seals *seals) __attribute__((warn_unused_result));
int seals_write(const struct seals_write *write) __attribute__((warn_unused_result));
void seals_write_end(struct seals *seals, struct seals_write *write, int err);
// Called before this thread writes the file: it waits for the other one.
void seals_set_barrier(struct seals *seals, void (*barrier)(void *ctx), void *ctx);
// Whether that has failed: what stands is with this process and the dataplane alone.
bool seals_is_behind(const struct seals *seals);
// Writes the file if that has failed. Returns 0 or -errno.
int seals_catch_up(struct seals *seals) __attribute__((warn_unused_result));
// Whether a dataplane with that generation may have seals that are not here.
bool seals_may_lack(const struct seals *seals, uint64_t generation);
// It has none: all that is here follows from what it has. What it has is not known, as at the beginning.
void seals_heard(struct seals *seals);
void seals_doubt(struct seals *seals);
bool seals_is_heard(const struct seals *seals);
// Takes over what it has (in the file's format): what is not here and was not ended since is added, and takes the place of
// a seal of the same virus id that did not begin later; it stands also where the file cannot be written, which is behind
// then. Their virus ids go to adopted, and to missed those for which there is no room beside ours, or which are not
// understood: new lists of the caller's. Returns 0: it is heard; or -ENOMEM.
int seals_adopt(struct seals *seals, const json_t *other, int64_t now_s, json_t **adopted,
	json_t **missed) __attribute__((warn_unused_result));
// Ends the seal of a virus id; NULL: all; also one that only the dataplane has, which is not counted. Returns how many, or
// -errno.
int seals_end(struct seals *seals, const char *virus_id) __attribute__((warn_unused_result));
// Ends those whose time is over; their virus ids go to ended, a new list of the caller's. Returns 0 or
// -errno.
int seals_expire(struct seals *seals, int64_t now_s, json_t **ended)
	__attribute__((warn_unused_result));
// The clock was set back: what began later than now begins now, and lasts as long as it was to; "set_back" keeps when it
// had begun. It stands also where the file cannot be written, as with seals_set. Returns how many, or -errno.
int seals_set_back(struct seals *seals, int64_t now_s) __attribute__((warn_unused_result));
// It may have been set forward: what was set back, and had begun by now, is as it was before; what began before the machine
// knew the time begins now (clock_begun_s). Returns likewise.
int seals_set_forth(struct seals *seals, int64_t now_s) __attribute__((warn_unused_result));

// A seal whose virus id the rules know by now is closing: the dataplane diverts mail as before, and held
// mail is let go as if it had ended, so that what came first goes out first; then it ends. To set it anew
// keeps it. virus_ids: a list of texts; those that have no seal are passed over. Both return how many, or
// -errno.
int seals_begin_closing(struct seals *seals, const json_t *virus_ids)
	__attribute__((warn_unused_result));
// Ends those that are closing; their virus ids go to ended, a new list of the caller's.
int seals_end_closing(struct seals *seals, json_t **ended) __attribute__((warn_unused_result));

uint64_t seals_generation(const struct seals *seals); // grows with every change
size_t seals_count(const struct seals *seals);
// The list; borrowed.
const json_t *seals_list(const struct seals *seals);
// All of it as the dataplane is told; freed by the caller. NULL: no memory.
char *seals_text(const struct seals *seals);
// The same without those that are closing, for held mail.
char *seals_release_text(const struct seals *seals);
