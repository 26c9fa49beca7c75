// SPDX-License-Identifier: BSD-3-Clause
// Who did what at the vendor's server: each log-in, each change that was asked for over the REST interface or on the
// page, also those that were refused. It lies in the database and is never changed.
#pragma once

#include "control/vendor_database.h"

#include <jansson.h>

#include <stdint.h>

struct history_entry {
	const char *who;
	const char *via;  // "page", "key", "token", "login", "command"
	const char *peer; // address
	const char *what;
	const char *why;       // it was refused; "" if not
	unsigned int status;   // as HTTP has it
	const json_t *details; // or NULL
};

// Returns 0 or -EIO. Durable. Log-ins that fail anybody can cause: of those only the last ones are kept.
int history_add(struct database *database, const struct history_entry *entry)
	__attribute__((warn_unused_result));
// [{"number", "time": SECONDS, "who", "via", "peer", "what", "why", "status", "details"}] below a number (0: all), the
// latest first; where a text occurs (NULL: all). The caller's.
json_t *history_list(
	struct database *database, int64_t before, unsigned int most, const char *search);
