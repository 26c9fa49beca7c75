// SPDX-License-Identifier: BSD-3-Clause
// The gateway's own mail on its way: in the outbox until it was taken, refused or is too old.
#pragma once

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>

struct control;
struct notify_post;

int notify_post_new(struct control *control, struct notify_post **out)
	__attribute__((warn_unused_result));
void notify_post_free(struct notify_post *post);
// Takes up what an earlier process has left, once the store is there. What tells of a decision that was
// not written down any more is dropped: the decision is made again, and told again.
void notify_post_resume(struct notify_post *post);

// Puts a notice (as of notify_write; borrowed) into the outbox. It is not sent before notify_post_go. Returns
// 0 when it is durable, -EEXIST when it was put in before, or -errno.
int notify_post_put(struct notify_post *post, const char *key, const json_t *about)
	__attribute__((warn_unused_result));
// It may go now; or is_true is false, and it must not.
void notify_post_go(struct notify_post *post, const char *key, const json_t *about, bool is_true);
void notify_post_turn(struct notify_post *post);
// How many are on their way.
size_t notify_post_count(const struct notify_post *post);
