// SPDX-License-Identifier: BSD-3-Clause
// Kept mail that could not be read when its turn came, for its disk or for want of memory: that is told, and after
// release.retry_seconds it is its turn again.
#pragma once

#include "dataplane/dataplane.h"

struct control;
struct release_unread;

// control and its store outlive it.
struct release_unread *release_unread_new(struct control *control);
void release_unread_free(struct release_unread *unread);
// err: -errno. Told once, until all could be read for as long as two pauses.
void release_unread_add(struct release_unread *unread, struct spool_id id, int err);
// At least once a second: those whose pause is over are as if nobody had judged them.
void release_unread_turn(struct release_unread *unread);
