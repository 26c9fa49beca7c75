// SPDX-License-Identifier: BSD-3-Clause
// Signature files to rules in force: compiled by a child process with limits, looked at, handed to the
// dataplane in a sealed memfd, and only then put in the place of the image that it starts with. Whatever
// fails on the way leaves the rules that are in force.
//
// Where little is new, the child makes a delta of the image that lies there (rules.cache), which goes
// the same way and comes to lie beside it. When a delta has grown, all is compiled in the background and
// takes the place of both.
#pragma once

#include "control/control_options.h"

#include <stdbool.h>
#include <stddef.h>

struct publish;
struct ruleset;

struct publish_result {
	bool is_delta; // of the image that lies there: this one stays
	bool applied;  // the dataplane has them, or will have when it starts
	bool in_force; // the running dataplane said so
	bool is_cut_off; // it has not said anything before this process ended, and they lie where it starts from
	bool is_ahead; // of a dataplane that runs and refuses them: only the next one will have them
	const char *why;  // when they are not, or not yet
	char version[40]; // of the new ruleset
	unsigned int signatures;
	unsigned int skipped;   // lines that were not taken
	unsigned int malformed; // of these, that are no signatures at all
};

typedef void (*publish_done_fn)(void *ctx, const struct publish_result *result);
// Looks at rules that were compiled and open, before they are handed over: on another thread.
typedef void (*publish_look_fn)(void *ctx, const struct ruleset *ruleset);

// options outlive it.
int publish_new(const struct control_options *options, struct publish **out)
	__attribute__((warn_unused_result));
void publish_free(struct publish *publish);
// Starts; done is called from the main loop, which waits for nothing until then. Returns 0, -EBUSY while one is on its
// way, or -errno. What is compiled in the background is given up for it; what of that is handed over already goes first.
int publish_start(struct publish *publish, publish_done_fn done, void *ctx)
	__attribute__((warn_unused_result));
// What is compiled beside rules.sources from now on: folders, each "" where there is none.
void publish_set_folders(struct publish *publish, const char *bundle, const char *revoked);
// Lines of the sources that are no signatures, as the last compilation by this process found: a source may be anything
// else, and only its own signatures are missing then.
unsigned int publish_malformed(const struct publish *publish);
bool publish_has_sources(const struct publish *publish);
// As publish_start; look is called once before done, if they compile.
int publish_start_looked_at(struct publish *publish, publish_look_fn look, publish_done_fn done,
	void *ctx) __attribute__((warn_unused_result));
// Shows the rules that lie there, without their list of checksums. The image is read once, however often: what is asked
// often is asked this way. Returns 0, or -ENOENT when none open.
int publish_show(struct publish *publish, publish_look_fn look, void *ctx);
// Whether they know this virus id.
bool publish_has_virus_id(struct publish *publish, const char *virus_id);
// Hands over the image that lies there already with the delta beside it, if it is not what the dataplane runs on, which
// is this version. done is called from the main loop; why: "", or why the dataplane has not taken it. Returns 0,
// -EBUSY while something is being handed over, or -errno.
int publish_renew(struct publish *publish, const char *version,
	void (*done)(void *ctx, const char *why), void *ctx) __attribute__((warn_unused_result));
// Whether something is being handed over: publish_free would wait for it, and what follows from it is still to come.
bool publish_is_handing(const struct publish *publish);
