// SPDX-License-Identifier: BSD-3-Clause
// Compiled rules handed over, on a thread of its own: opened, looked at, sent to the dataplane, which may take seconds
// to open them and to have each worker take them up, and put in the place of those that it starts with. One hand-over
// after the other, in the order in which they were given; the main loop answers everybody meanwhile.
#pragma once

#include "control/control_options.h"
#include "control/publish.h"
#include "control/publish_base.h"

#include <stdbool.h>

struct publish_hand;

// Files of the compiler, and where a delta lies.
struct publish_files {
	const char *image; // that was made,
	const char *delta; // or this
	const char *old_delta;
};

// With what came of it; result->why lasts as long as the call.
typedef void (*publish_handed_fn)(void *ctx, struct publish_result *result);
// What the dataplane had was not what lies there: why it has not taken it, "" if it has.
typedef void (*publish_renewed_fn)(void *ctx, const char *why);

// options, base and what files name outlive it. What is called at the end of a job is called by the main loop.
int publish_hand_new(const struct control_options *options, struct publish_base *base,
	const struct publish_files *files, struct publish_hand **out)
	__attribute__((warn_unused_result));
// Waits for the hand-over on its way, and does what follows from it.
void publish_hand_free(struct publish_hand *hand);
// result: is_delta and the counts of lines. look (NULL: nobody) is called on the thread. Returns 0 or -ENOMEM.
int publish_hand_over(struct publish_hand *hand, const struct publish_result *result,
	publish_look_fn look, void *look_ctx, publish_handed_fn done, void *ctx)
	__attribute__((warn_unused_result));
// Hands over the image that lies there already with the delta beside it, unless its version is this one: a dataplane
// runs on it. Returns 0, or -ENOMEM.
int publish_hand_renew(struct publish_hand *hand, const char *version, publish_renewed_fn done,
	void *ctx) __attribute__((warn_unused_result));
bool publish_hand_is_busy(const struct publish_hand *hand);
