// SPDX-License-Identifier: BSD-3-Clause
// Rings when mail with an alert may have come: when the dataplane has kept one, which answers a question that it was
// asked before ("alerts"), and when one is put into a Maildir (inotify). What rings costs a look at all that is kept,
// and anybody's mail may ring: some in a row may follow at once, and in the long run they take a tenth of the time.
// Without the dataplane or inotify nothing rings, so that it takes a look now and then all the same.
#pragma once

#include <stdbool.h>

struct alert_bell;

struct alert_bell_owner {
	void (*ring)(void *ctx);
	// The dataplane does not take the question, as when another control process has asked it; once until it does.
	void (*refused)(void *ctx, const char *why);
	void *ctx;
};

// dataplane: its socket; NULL: it keeps no mail for us. maildir: "": there is none. Returns 0 or -ENOMEM.
int alert_bell_new(const char *dataplane, const char *maildir, const struct alert_bell_owner *owner,
	struct alert_bell **out) __attribute__((warn_unused_result));
void alert_bell_free(struct alert_bell *bell);
// Once a second: asks a dataplane that was away, and looks for a Maildir that was not there.
void alert_bell_turn(struct alert_bell *bell);
