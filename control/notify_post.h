// SPDX-License-Identifier: BSD-3-Clause
// The gateway's own mail on its way: tried until it is taken, refused or too old.
#pragma once

#include "dataplane/dataplane.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct control;
struct notify_post;

struct notify_parcel {
	const char *kind; // "digest", "quarantine", "failure"; static
	const char *to;
	const char *host;
	uint32_t port;
	bool has_record;    // that is withdrawn when it was taken
	struct spool_id id; // of it
};

int notify_post_new(struct control *control, struct notify_post **out)
	__attribute__((warn_unused_result));
void notify_post_free(struct notify_post *post);
// Takes data, a message in malloc's memory, or NULL: there was no memory for it.
void notify_post_send(
	struct notify_post *post, const struct notify_parcel *about, uint8_t *data, size_t bytes);
void notify_post_turn(struct notify_post *post);
