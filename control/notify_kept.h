// SPDX-License-Identifier: BSD-3-Clause
// What is told of mail that stays here: to senders, once, after some time, that it is held still; to recipients
// that the dataplane has put it in quarantine. Both are looked for in the store, so that it makes no difference
// which process was there when the mail came, and both are limited: an outbreak must not become a flood of
// notices.
#pragma once

#include <stdbool.h>

struct control;
struct notify_kept;

int notify_kept_new(struct control *control, struct notify_kept **out)
	__attribute__((warn_unused_result));
void notify_kept_free(struct notify_kept *kept);
// To be called once a second. may_mail: there is a next hop for mail to senders.
void notify_kept_turn(struct notify_kept *kept, bool may_mail);
