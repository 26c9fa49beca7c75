// SPDX-License-Identifier: BSD-3-Clause
// What goes to the dataplane: an image, a delta, or both, in a memfd that nobody can change any more.
#pragma once

#include "control/publish.h"

// What is handed over, and in which words.
struct publish_parcel {
	const char *command;
	const char *path;
	const char *delta; // goes behind it; NULL: none
};

// In force: what the dataplane says of them goes to the result. Returns 0, -EBADMSG when it refuses them, -ECANCELED when
// the process ends before it has answered, or -errno; with a text in error.
int publish_parcel_send(const struct control_options *options, const struct publish_parcel *parcel,
	struct publish_result *result, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
