// SPDX-License-Identifier: BSD-3-Clause
// The files of an update, fetched one after the other into its new folder. What was interrupted goes on
// where it stopped, also in another process; what fails is tried again with a pause that grows, until the
// time is over. Each file's size and SHA-256 are compared before it gets its name.
#pragma once

#include "control/control_options.h"
#include "control/update_folder.h"

#include <stdint.h>

struct update_fetch;

// err: 0, -EBADMSG: a file is another one than the alert says, -ETIMEDOUT: the time is over, or -errno of
// the folder. why: for people.
typedef void (*update_fetched_fn)(void *ctx, int err, const char *why);

// All of it outlives what is begun. begun_s: when the update was taken, from which its time counts. done is
// called once from the main loop, unless it is freed before; it may free it. Returns 0 or -ENOMEM.
int update_fetch_new(const struct control_options *options, const struct update_folder *folder,
	const struct update_plan *plan, int64_t begun_s, struct update_fetch **out)
	__attribute__((warn_unused_result));
void update_fetch_start(struct update_fetch *fetch, update_fetched_fn done, void *ctx);
void update_fetch_free(struct update_fetch *fetch);
// Bytes that are here.
uint64_t update_fetch_bytes(const struct update_fetch *fetch);
