// SPDX-License-Identifier: BSD-3-Clause
// Files that are scanned by several threads; what is said of them comes in the order in which they were added.
#pragma once

#include "scan/scan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scan_work;

struct scan_work_options {
	struct scan_options scan; // but max_messages
	const struct ruleset *ruleset;
	uint32_t workers; // at least 1
	bool is_json;
	bool shows_progress; // a line on stderr that is written again and again
};

struct scan_work_sums {
	uint64_t files;
	uint64_t found; // files with a match or a suspicion
	uint64_t errors;
	uint64_t bytes;
};

// Returns 0 or -ENOMEM.
int scan_work_new(const struct scan_work_options *options, struct scan_work **out) SCAN_MUST_USE;
// Takes the path. Returns 0 or -ENOMEM.
int scan_work_add(struct scan_work *work, char *path, bool is_mail) SCAN_MUST_USE;
// Something that cannot be scanned: told of on stderr, and counted.
void scan_work_fail(struct scan_work *work, const char *path, const char *why);
// Scans all that was added. Returns 0, or -ENOMEM when not even one thread could begin.
int scan_work_run(struct scan_work *work, struct scan_work_sums *sums) SCAN_MUST_USE;
void scan_work_free(struct scan_work *work);
