// SPDX-License-Identifier: BSD-3-Clause
// What the control process knows of the dataplane, and its seals told to it. Asked once a second: a
// dataplane that was restarted, or did not hear, is brought up to date. Nobody waits for it: what comes of a question is
// told by the urgent context, at the latest when the question's time is over.
#pragma once

#include "control/control_options.h"
#include "control/seals.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dataplane_ask;

struct dataplane_link {
	bool is_up;       // it answered last time
	char why[512];    // when it did not
	char ruleset[40]; // in force
	char screen[40];  // version of the screening list in force, "": none
	uint64_t screen_entries;
	uint64_t seals_generation;
	uint64_t wrapped_passed;  // packets with others in them that nobody has looked at
	uint64_t wrapped_dropped; // that were dropped instead
	uint64_t uptime_seconds;
	bool told_rules;   // that its ruleset is not the one of the image: said once for each
	bool is_looked_at; // a look is on its way
	bool has_ended;
	const char *path;
	struct dataplane_ask *asked;
	int (*adopt)(void *ctx, const json_t *theirs); // dataplane_link_adopt_by
	void *adopt_ctx;
	uint64_t tells;                        // seals that it was told,
	uint64_t told;                         // and of how many it is known what came of that
	struct dataplane_waiter *first_waiter; // for these
	struct dataplane_waiter *last_waiter;
};

// options outlive it. Returns 0 or -ENOMEM.
int dataplane_link_open(struct dataplane_link *link, const struct control_options *options)
	__attribute__((warn_unused_result));
// Waits until it is known what came of each question, or for so long: while nothing else is to be done, at the beginning
// and at the end.
void dataplane_link_wait(struct dataplane_link *link, unsigned int ms);
// Nobody is told anything from then on; seals are still sent.
void dataplane_link_end(struct dataplane_link *link);
void dataplane_link_close(struct dataplane_link *link);

// err: 0 or -errno with a text in link->why; -ECANCELED: dataplane_link_end.
typedef void (*dataplane_done_fn)(void *ctx, int err);
// Asks how it is, unless it has not answered the last time yet, or what it was told: then done is not called.
void dataplane_link_look(struct dataplane_link *link, dataplane_done_fn done, void *ctx);
// Where it is not known what it has (seals_is_heard) it is asked that before it is told anything: its answer ("open-seals")
// goes to adopt, which returns 0 when all that it has is among the seals from then on; else it is not told.
void dataplane_link_adopt_by(
	struct dataplane_link *link, int (*adopt)(void *ctx, const json_t *theirs), void *ctx);
// Tells it the seals, those that are there now; seals outlives the link. What came of it is in link->seals_generation when
// dataplane_link_when_told says so.
void dataplane_link_seal(struct dataplane_link *link, const struct seals *seals);
// Waits until it has answered, two milliseconds at most: what is done beside a seal (its record, and the disk) takes the
// processor from those who put it in force, where there are few.
void dataplane_link_step_aside(const struct dataplane_link *link);
// Calls then when it is known what came of all that it was told until now, at once if it is; as long as all goes well,
// also of what it was told since, so that dataplane_link_has says of the seals that there are then whether they are in
// force.
void dataplane_link_when_told(struct dataplane_link *link, void (*then)(void *ctx), void *ctx);
// It is not known yet what came of something that it was told.
bool dataplane_link_is_telling(const struct dataplane_link *link);
// Every worker diverts by these seals.
bool dataplane_link_has(const struct dataplane_link *link, const struct seals *seals);

// NULL: it has not answered, or not with an object or a list; borrowed.
typedef void (*dataplane_json_fn)(void *ctx, const json_t *answer);
// "stats"; "config".
void dataplane_link_ask(
	struct dataplane_link *link, const char *command, dataplane_json_fn done, void *ctx);
